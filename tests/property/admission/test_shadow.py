"""Shadow: first come, first served, and what Enforce would have done only as facts."""

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission import inside
from tests.property.admission.driver import TENANTS, TIERS, drive, make_plan
from tests.property.admission.test_conservation import check_counts
from tests.property.admission.traces import LENGTHS, SEEDS, plans, stir
from tierfleet.admission.types import ShedReason
from tierfleet.plan import Plan

OURS = {ShedReason.EXPIRED, ShedReason.ENGINE_STALLED, ShedReason.TOO_MANY_SEATS}
SHADOW = plans(enforcement="Shadow")


@given(SHADOW, SEEDS, LENGTHS, st.integers(1, 5), st.integers(1, 3))
def test_shadow_serves_in_order_of_arrival_throws_nobody_out_and_refuses_nobody(
    plan: Plan, seed: int, length: int, seats: int, sequences: int
) -> None:
    """Only what expires or does not fit the engine ends unserved, as it would without any plan."""
    driver = drive(seats, plan)
    for _ in stir(driver, seed, length, sequences=sequences):
        check_counts(driver)
    assert not driver.aborted
    assert {shed.reason for shed in driver.shed} <= OURS
    assert [one.id for one in driver.dispatched] == sorted(one.id for one in driver.dispatched)
    for one in driver.dispatched:
        assert one.instead_of != one.id
    driver.drain()
    assert inside.leftovers(driver.core) == {}


@given(SEEDS, LENGTHS, st.integers(1, 5), st.sampled_from(["Shared", "Reject"]))
def test_what_shadow_would_have_refused_touches_no_limit(
    seed: int, length: int, seats: int, spillover: str
) -> None:
    """A limit is charged for what Enforce lets in, so its `refused` goes on telling the truth.

    Time stands still: what is missing is the sum of the charges of what was not refused.
    """
    limits = {"requestsPerMinute": 5, "tokensPerMinute": 20_000}
    tiers = [{"name": t, "priority": p, "limits": limits} for t, p in TIERS.items()]
    contract = {"uid": "1", "name": "c", "tenants": TENANTS[:1], "declared": {"percent": 1}}
    more = {"granted": 300, "spillover": {"action": spillover}}
    plan = make_plan(enforcement="Shadow", tiers=tiers, reservations=[contract | more])
    driver = drive(seats, plan)
    for _ in stir(driver, seed, length, without=("pass", "abort", "engine")):
        pass
    while driver.running:
        driver.finish(min(driver.running))
    for tenant in TENANTS:
        mine = [s for s in driver.settled if driver.known[s.id].tenant == tenant]
        charged = [s.id for s in mine if driver.last[s.id].refused is None]
        charged = [request for request in charged if request not in driver.unsent]
        shown = driver.core.headroom(driver.now, tenant)
        assert shown.requests is not None
        assert shown.tokens is not None
        assert shown.requests.remaining == 5 - len(charged)
        if all(driver.tokens[request][2] for request in charged):
            used = sum(sum(driver.tokens[request][::2]) for request in charged)
            assert shown.tokens.remaining == max(0, 20_000 - used)
