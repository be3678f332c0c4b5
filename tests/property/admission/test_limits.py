"""What a tenant may send, and what it is told about it: invariants 8 and 12."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission import inside
from tests.property.admission.driver import SECOND, TENANTS, drive, make_plan
from tests.property.admission.traces import LENGTHS, SEEDS, plans, stir
from tierfleet.plan import Plan

MINUTE = 60 * SECOND


def limited(replicas: int = 1, **limits: int) -> Plan:
    tiers = [{"name": "gold", "priority": 1, "limits": limits}]
    groups = [{"name": "h100", "accelerator": "h100", "desired": replicas}]
    return make_plan(tiers=tiers, groups=groups, tenants=[{"name": "gold-0", "tier": "gold"}])


@given(SEEDS, st.integers(1, 40), st.integers(1, 200), st.integers(1, 3))
def test_8_requests_admitted_never_exceed_the_rate_and_one_window(
    seed: int, length: int, limit: int, replicas: int
) -> None:
    """Admitted in T <= l·T + one window (a minute) of it, of this replica's part: token bucket.

    12: what is shown as remaining is what is let in, neither more nor less. A part of less than
    one request is one.
    """
    driver = drive(10_000, limited(replicas, requestsPerMinute=limit))
    random = Random(seed)
    part = max(1, limit / replicas)
    for _ in range(length):
        driver.pass_time(random.choice((0, 10**6, SECOND, 3 * SECOND)))
        for _ in range(random.choice((1, 10, 60))):
            shown = driver.core.headroom(driver.now, "gold-0").requests
            assert shown is not None
            before = len(driver.dispatched)
            driver.arrive("gold-0")
            assert (len(driver.dispatched) > before) == (shown.remaining > 0)
        assert len(driver.dispatched) <= part + limit / replicas * driver.now / MINUTE


@given(SEEDS, LENGTHS, st.sampled_from([600, 6000, 60_000]), st.integers(1, 8))
def test_8_tokens_used_never_exceed_the_rate_one_window_and_what_was_settled_late(
    seed: int, length: int, limit: int, together: int
) -> None:
    """Tokens really used in T <= l·T + one window + Σ excess of what was in flight + one request.

    Estimates are far too low: what exceeds them is charged when it is known, and delays what comes
    next. A charge deeper than the window is taken from a full one, so one request may exceed it.
    """
    driver = drive(10_000, limited(tokensPerMinute=limit))
    random = Random(seed)
    used = worst = single = 0
    for _ in range(length):
        driver.pass_time(random.choice((10**7, SECOND, 5 * SECOND)))
        for _ in range(together):
            driver.arrive("gold-0", prompt_tokens=random.randint(1, 50), max_tokens=5)
        excess = 0
        for request in sorted(driver.running):
            output = random.choice((1, 5, 400))
            tokens = driver.known[request].prompt_tokens + output
            used += tokens
            excess += max(0, output - 5)
            single = max(single, tokens)
            driver.finish(request, output)
        worst = max(worst, excess)
        assert used <= limit * driver.now / MINUTE + limit + worst + single


@given(plans(), SEEDS, LENGTHS, st.integers(1, 4), st.sampled_from(TENANTS))
def test_12_what_is_shown_as_remaining_may_really_be_sent(
    plan: Plan, seed: int, length: int, seats: int, tenant: str
) -> None:
    """Shown `remaining` <= true remaining, in any state: so many more pass the limit at once."""
    driver = drive(seats, plan)
    for _ in stir(driver, seed, length):
        pass
    shown = driver.core.headroom(driver.now, tenant)
    requests, tokens = inside.limits(driver.core, driver.now, tenant)
    for bucket, allowance in ((requests, shown.requests), (tokens, shown.tokens)):
        assert (bucket is None) == (allowance is None)
        if bucket is not None and allowance is not None:
            assert 0 <= allowance.remaining <= allowance.limit
            assert bucket.take(driver.now, allowance.remaining) == 0
            assert bucket.take(driver.now, 1) > 0


@given(st.integers(1, 500), st.integers(1, 10**6))
def test_12_a_refused_caller_who_waits_as_told_is_admitted_and_not_much_later_than_needed(
    limit: int, early: int
) -> None:
    driver = drive(10_000, limited(requestsPerMinute=limit))
    for _ in range(limit + 1):
        driver.arrive("gold-0")
    (refusal,) = driver.shed
    assert refusal.retry_after is not None
    driver.now += refusal.retry_after - min(early, refusal.retry_after)
    driver.arrive("gold-0")
    assert len(driver.shed) == 2
    driver.now += min(early, refusal.retry_after)
    driver.arrive("gold-0")
    assert len(driver.shed) == 2


@given(plans(terms=False), SEEDS, LENGTHS, st.sampled_from(TENANTS))
def test_cancelled_while_queued_gives_every_limit_and_backlog_back(
    plan: Plan, seed: int, length: int, tenant: str
) -> None:
    driver = drive(1, plan)
    for _ in stir(driver, seed, length):
        pass

    def state() -> object:
        owed = inside.guarantees(driver.core, driver.now)
        return driver.core.headroom(driver.now, tenant), owed, driver.core.load()

    inside.meet(driver.core, driver.now, tenant)
    driver.tick()
    before = state()
    sheds = len(driver.shed)
    request = driver.arrive(tenant)
    # Where its arrival made a full queue turn somebody else away, more than it has changed.
    if request in driver.waiting and len(driver.shed) == sheds:
        driver.abort(request)
        assert state() == before
