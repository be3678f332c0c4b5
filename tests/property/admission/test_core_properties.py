"""Invariants of the simple ordering; the numbers are those of the admission design's list."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission.driver import (
    EVENT_LISTS,
    MAX_WAIT,
    SECOND,
    TENANTS,
    TIERS,
    Driver,
    drive,
    make_plan,
    one_seat_each,
    play,
)
from tierfleet.admission.types import EngineLimits

RESERVED = make_plan(
    reservations=[
        {
            "uid": "1",
            "name": "contract",
            "tenants": ["silver-0"],
            "declared": {"percent": 30},
            "granted": 300,
        }
    ]
)


@given(EVENT_LISTS, st.integers(1, 4))
def test_1_conservation_nothing_is_lost_and_no_seat_is_taken_twice(
    events: list[tuple[Any, ...]], seats: int
) -> None:
    driver = drive(seats, RESERVED)
    for event in events:
        play(driver, event)
        assert driver.seats_taken <= seats
        load = driver.core.load()
        assert sum(tier.queued for tier in load) == len(driver.waiting)
        assert sum(tier.in_flight for tier in load) == len(driver.running)
    for request in sorted({**driver.running, **driver.waiting}):
        driver.abort(request)
        for started in sorted(driver.running):
            driver.finish(started)
    assert not driver.waiting
    assert all(tier.queued == tier.in_flight == 0 for tier in driver.core.load())


@given(EVENT_LISTS, st.integers(1, 4))
def test_2_work_conservation_no_seat_idles_while_a_request_waits(
    events: list[tuple[Any, ...]], seats: int
) -> None:
    driver = drive(seats, RESERVED)
    for event in one_seat_each(events):
        play(driver, event)
        if driver.waiting:
            assert driver.seats_taken >= seats - driver.core.held_back


@given(EVENT_LISTS, st.integers(1, 4))
def test_2_work_conservation_only_one_that_does_not_fit_keeps_seats_idle(
    events: list[tuple[Any, ...]], seats: int
) -> None:
    driver = drive(seats)
    for event in events:
        play(driver, event)
        if driver.waiting:
            head = min(
                driver.waiting.values(),
                key=lambda r: (-TIERS[(r.tenant or "").split("-")[0]], r.id),
            )
            assert driver.seats_taken + head.sequences > seats


@given(EVENT_LISTS, st.integers(1, 4))
def test_2_every_wait_has_a_wake_up_at_the_time_when_it_ends(
    events: list[tuple[Any, ...]], seats: int
) -> None:
    driver = drive(seats, RESERVED)
    for event in events:
        play(driver, event)
        if driver.waiting:
            first = min(driver.arrived[request] for request in driver.waiting)
            assert driver.wake is not None
            assert driver.now < driver.wake <= first + MAX_WAIT


@given(EVENT_LISTS, st.integers(1, 4))
def test_1_conservation_limits_are_charged_what_was_really_used(
    events: list[tuple[Any, ...]], seats: int
) -> None:
    """Time stands still, so what is missing from a limit is the sum of all charges.

    Who hangs up without a count of the output is charged the estimate, so nobody does here.
    """
    tiers = [
        {"name": name, "priority": p, "limits": {"requestsPerMinute": 90, "tokensPerMinute": 10**6}}
        for name, p in TIERS.items()
    ]
    driver = drive(seats, make_plan(tiers=tiers))
    requests, tokens = dict.fromkeys(TENANTS, 0), dict.fromkeys(TENANTS, 0)

    def finish(request: int, output: int) -> None:
        arrival = driver.running[request]
        assert arrival.tenant is not None
        requests[arrival.tenant] += 1
        tokens[arrival.tenant] += arrival.prompt_tokens + output
        driver.finish(request, output)

    for event in events:
        match event:
            case ("arrive", *_):
                play(driver, event)
            case ("finish", index, output) if driver.running:
                finish(sorted(driver.running)[index % len(driver.running)], output + 1)
            case ("abort", index) if driver.waiting:
                driver.abort(sorted(driver.waiting)[index % len(driver.waiting)])
    while driver.running:
        finish(min(driver.running), 1)
    for tenant in TENANTS:
        shown = driver.core.headroom(driver.now, tenant)
        assert shown.requests is not None
        assert shown.tokens is not None
        assert shown.requests.remaining == 90 - requests[tenant]
        assert shown.tokens.remaining == 10**6 - tokens[tenant]


@given(EVENT_LISTS, st.integers(1, 4))
def test_a_tier_never_waits_for_a_lower_one_nor_a_tenants_request_for_a_newer_one(
    events: list[tuple[Any, ...]], seats: int
) -> None:
    driver = drive(seats)
    for event in events:
        before = dict(driver.waiting)
        first = len(driver.dispatched)
        play(driver, event)
        for decision in driver.dispatched[first:]:
            before.pop(decision.id, None)
            for other in before.values():
                tier = (other.tenant or "").split("-")[0]
                if other.id in driver.waiting:
                    assert TIERS[tier] <= TIERS[decision.tier]
                    assert other.tenant != decision.tenant or other.id > decision.id


@given(EVENT_LISTS)
def test_14_determinism_the_same_events_give_the_same_decisions(
    events: list[tuple[Any, ...]],
) -> None:
    def run() -> Driver:
        driver = drive(3, RESERVED)
        for event in events:
            play(driver, event)
        return driver

    one, other = run(), run()
    assert (one.dispatched, one.shed, one.wake) == (other.dispatched, other.shed, other.wake)


@given(st.integers(1, 400), st.integers(0, 300), st.data())
def test_3_a_backlogged_reservation_is_served_its_rate_under_a_flood_from_above(
    prompt: int, output: int, data: st.DataObject
) -> None:
    """Served >= r·Δt - (cm + e + r·ω): mClock's guarantee with costs charged at dispatch.

    One seat that always works at 1,000 service tokens/s, gold always backlogged, silver-0 has 30 %.
    The cost that is charged first is that of the estimate; cm is the largest of those, and the
    error e of the request in flight is within the same bound here.
    """
    driver = drive(1, RESERVED)
    served, started, most = 0, 0, 0
    prompts: dict[int, int] = {}

    def keep_backlogged() -> None:
        for tenant in ("silver-0", "gold-0"):
            while sum(r.tenant == tenant for r in driver.waiting.values()) < 3:
                size = data.draw(st.integers(1, prompt))
                prompts[driver.arrive(tenant, prompt_tokens=size, max_tokens=output)] = size

    while len(driver.dispatched) < 60:
        keep_backlogged()
        (running,) = driver.running
        tenant = driver.running[running].tenant
        cost = prompts[running] + 4 * output
        most = max(most, cost)
        driver.now += cost * SECOND // 1000
        keep_backlogged()
        driver.finish(running, output)
        if tenant == "silver-0":
            served += cost
    expected = 300 * (driver.now - started) // SECOND
    assert served >= expected - (2 * most + 300 * 100 // 1000)


@given(st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=60), st.integers(1, 200))
def test_8_limits_never_admit_more_than_the_rate_and_one_window(
    gaps: list[int], limit: int
) -> None:
    tiers = [{"name": "gold", "priority": 1, "limits": {"requestsPerMinute": limit}}]
    plan = make_plan(tiers=tiers, tenants=[{"name": "gold-0", "tier": "gold"}])
    driver = drive(1000, plan)
    for gap in gaps:
        driver.pass_time(gap)
        for _ in range(10):
            shown = driver.core.headroom(driver.now, "gold-0").requests
            assert shown is not None
            before = len(driver.dispatched)
            driver.arrive("gold-0")
            # 12: headers tell the truth
            assert (len(driver.dispatched) > before) == (shown.remaining > 0)
        admitted = len(driver.dispatched)
        assert admitted <= limit + limit * driver.now / (60 * SECOND)


@given(st.integers(1, 500), st.integers(1, 10**6))
def test_a_refused_caller_who_waits_as_told_is_admitted_and_not_much_later_than_needed(
    limit: int, early: int
) -> None:
    tiers = [{"name": "gold", "priority": 1, "limits": {"requestsPerMinute": limit}}]
    driver = drive(10_000, make_plan(tiers=tiers, tenants=[{"name": "gold-0", "tier": "gold"}]))
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


@given(EVENT_LISTS, st.sampled_from(TENANTS))
def test_cancelled_while_queued_gives_every_limit_back(
    events: list[tuple[Any, ...]], tenant: str
) -> None:
    tiers = [
        {"name": name, "priority": p, "limits": {"requestsPerMinute": 90, "tokensPerMinute": 10**6}}
        for name, p in TIERS.items()
    ]
    driver = drive(1, make_plan(tiers=tiers))
    for event in events:
        play(driver, event)
    before = driver.core.headroom(driver.now, tenant)
    request = driver.arrive(tenant)
    if request in driver.waiting:
        driver.abort(request)
        assert driver.core.headroom(driver.now, tenant) == before


@given(EVENT_LISTS, EVENT_LISTS, st.sampled_from(["gold", "silver", "bronze"]))
def test_a_plan_change_loses_nothing_that_waits_or_runs(
    before: list[tuple[Any, ...]], after: list[tuple[Any, ...]], only: str
) -> None:
    driver = drive(2, RESERVED)
    for event in before:
        play(driver, event)
    held = {**driver.waiting, **driver.running}
    shrunk = make_plan(tenants=[{"name": f"{only}-0", "tier": only}])
    driver.take(driver.core.replan(driver.now, shrunk, EngineLimits("h100", 2)))
    assert {**driver.waiting, **driver.running} == held
    driver.take(driver.core.replan(driver.now, RESERVED, EngineLimits("h100", 2)))
    for event in after:
        play(driver, event)
    assert driver.seats_taken <= 2
    load = driver.core.load()
    assert sum(tier.queued for tier in load) == len(driver.waiting)
