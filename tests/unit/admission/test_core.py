from datetime import timedelta
from typing import Any

import pytest

from tests.property.admission.driver import SECOND, WALL, Driver, drive, make_plan
from tierfleet.admission.core import Core
from tierfleet.admission.drain import UNKNOWN
from tierfleet.admission.supported import unsupported
from tierfleet.admission.types import EngineLimits, Outcome, Partition, Progress, ShedReason
from tierfleet.plan import PlanError


def contract(**changes: Any) -> dict[str, Any]:
    return {
        "uid": "1",
        "name": "contract",
        "tenants": ["bronze-0"],
        "declared": {"percent": 30},
        "granted": 300,
    } | changes


def reserved(**changes: Any) -> Driver:
    return drive(1, make_plan(reservations=[contract(**changes)]))


def test_a_reserved_tenant_goes_before_every_tier_while_it_is_owed() -> None:
    driver = reserved()
    running = driver.arrive("silver-0")
    driver.arrive("gold-0")
    owed = driver.arrive("bronze-0")
    driver.finish(running)
    assert driver.dispatched[-1].id == owed
    assert driver.dispatched[-1].partition is Partition.RESERVED
    assert driver.dispatched[-1].reservation == "contract"


def test_beyond_the_guarantee_it_competes_in_its_own_tier() -> None:
    driver = reserved()
    driver.finish(driver.arrive("bronze-0", prompt_tokens=100_000))
    running = driver.arrive("silver-0")
    driver.arrive("bronze-0")
    gold = driver.arrive("gold-0")
    driver.finish(running)
    assert driver.dispatched[-1].id == gold


def test_before_its_term_and_after_it_a_reservation_is_nothing() -> None:
    start, end = WALL + timedelta(seconds=10), WALL + timedelta(seconds=20)
    driver = reserved(term={"start": start.isoformat(), "end": end.isoformat()})

    def partition_after(seconds: int) -> Partition:
        driver.now = seconds * SECOND
        driver.finish(driver.arrive("bronze-0"))
        return driver.dispatched[-1].partition

    assert partition_after(9) is Partition.SHARED
    assert partition_after(10) is Partition.RESERVED
    assert partition_after(19) is Partition.RESERVED
    assert partition_after(20) is Partition.SHARED


def test_a_reservation_that_starts_during_a_flood_serves_what_waits_already() -> None:
    start = WALL + timedelta(seconds=10)
    driver = reserved(term={"start": start.isoformat()})
    running = driver.arrive("gold-0")
    waiting = driver.arrive("bronze-0")
    driver.arrive("gold-0")
    driver.now = 11 * SECOND
    driver.finish(running)
    assert driver.dispatched[-1].id == waiting


def test_a_reservation_that_rejects_what_exceeds_it_says_so() -> None:
    driver = reserved(spillover={"action": "Reject"})
    driver.finish(driver.arrive("bronze-0", prompt_tokens=100_000))
    driver.arrive("bronze-0")
    assert driver.shed[-1].reason is ShedReason.OVER_GUARANTEE
    assert "contract" in driver.shed[-1].message


def test_a_full_queue_turns_away_its_own_tier_but_no_conforming_reserved_request() -> None:
    tiers = [
        {"name": "gold", "priority": 9},
        {"name": "silver", "priority": 5},
        {"name": "bronze", "priority": 0, "queue": {"maxRequests": 1}},
    ]
    driver = drive(1, make_plan(tiers=tiers, reservations=[contract()]))
    driver.arrive("gold-0")
    driver.arrive("bronze-1")
    driver.arrive("bronze-1")
    assert [shed.reason for shed in driver.shed] == [ShedReason.QUEUE_FULL]
    driver.arrive("bronze-0")
    assert len(driver.shed) == 1
    driver.arrive("silver-0")
    assert len(driver.shed) == 1


def test_a_queue_of_none_still_uses_free_seats() -> None:
    tiers = [{"name": "gold", "priority": 9, "queue": {"maxRequests": 0}}]
    driver = drive(1, make_plan(tiers=tiers, tenants=[{"name": "gold-0", "tier": "gold"}]))
    driver.arrive("gold-0")
    driver.arrive("gold-0")
    assert (len(driver.dispatched), len(driver.shed)) == (1, 1)


def test_a_request_waits_no_longer_than_its_tier_or_its_deadline_allows() -> None:
    driver = drive(1)
    driver.arrive("gold-0")
    patient = driver.arrive("gold-0")
    hurried = driver.arrive("gold-0", deadline=5 * SECOND)
    assert driver.wake == 5 * SECOND
    driver.pass_time(5 * SECOND)
    assert [shed.id for shed in driver.shed] == [hurried]
    assert driver.wake == 30 * SECOND
    driver.pass_time(25 * SECOND)
    assert [shed.id for shed in driver.shed] == [hurried, patient]
    assert driver.shed[-1].waited == 30 * SECOND


def test_concurrency_of_one_tenant_does_not_hold_up_another() -> None:
    tiers = [{"name": "gold", "priority": 9, "limits": {"maxConcurrentRequests": 1}}]
    tenants = [{"name": name, "tier": "gold"} for name in ("a", "b")]
    driver = drive(4, make_plan(tiers=tiers, tenants=tenants))
    first, second, other = driver.arrive("a"), driver.arrive("a"), driver.arrive("b")
    assert list(driver.running) == [first, other]
    driver.finish(first)
    assert list(driver.running) == [other, second]


def test_tiers_of_the_same_priority_are_served_as_one_in_order_of_arrival() -> None:
    tiers = [{"name": name, "priority": 5} for name in ("gold", "silver", "bronze")]
    driver = drive(1, make_plan(tiers=tiers))
    arrived = [driver.arrive(f"{tier}-0") for tier in ("bronze", "silver", "gold", "bronze")]
    while driver.running:
        driver.finish(next(iter(driver.running)))
    assert [decision.id for decision in driver.dispatched] == arrived


def test_a_request_for_more_seats_than_there_are_is_refused() -> None:
    driver = drive(4)
    driver.arrive("gold-0", sequences=5)
    assert driver.shed[-1].reason is ShedReason.TOO_MANY_SEATS
    assert driver.shed[-1].retry_after is None


def test_callers_that_the_plan_does_not_serve_are_told_apart() -> None:
    tenants = [{"name": "barred", "tier": "gold", "access": False}]
    driver = drive(1, make_plan(tenants=tenants))
    for tenant in ("barred", "nobody", None):
        driver.arrive(tenant)
    reasons = [shed.reason for shed in driver.shed]
    assert reasons == [ShedReason.NO_ACCESS, ShedReason.UNKNOWN_TENANT, ShedReason.UNKNOWN_TENANT]


def test_anonymous_callers_get_the_tier_that_the_plan_gives_them() -> None:
    anonymous = {"anonymous": {"action": "Tier", "tier": "bronze"}}
    driver = drive(1, make_plan(identification=anonymous))
    driver.arrive(None)
    assert driver.dispatched[-1].tier == "bronze"


def test_output_beyond_the_estimate_is_charged_as_it_comes() -> None:
    tiers = [{"name": "gold", "priority": 9, "limits": {"tokensPerMinute": 10_000}}]
    driver = drive(4, make_plan(tiers=tiers, tenants=[{"name": "a", "tier": "gold"}]))

    def remaining() -> int:
        tokens = driver.core.headroom(driver.now, "a").tokens
        assert tokens is not None
        return tokens.remaining

    request = driver.arrive("a", max_tokens=50)
    assert remaining() == 10_000 - 150
    driver.take(driver.core.progress(0, [Progress(request, output_tokens=80)]))
    assert remaining() == 10_000 - 180
    driver.finish(request, output=0)
    assert remaining() == 10_000 - 180
    refunded = driver.arrive("a")
    driver.finish(refunded, output=20)
    assert remaining() == 10_000 - 180 - 120


def test_the_estimate_of_the_output_follows_what_a_tenant_really_gets() -> None:
    tiers = [{"name": "gold", "priority": 9, "limits": {"tokensPerMinute": 1_000_000}}]
    driver = drive(4, make_plan(tiers=tiers, tenants=[{"name": "a", "tier": "gold"}]))
    for _ in range(50):
        driver.finish(driver.arrive("a"), output=2000)
    before = driver.core.headroom(0, "a").tokens
    driver.arrive("a")
    after = driver.core.headroom(0, "a").tokens
    assert before is not None
    assert after is not None
    assert 1900 <= before.remaining - after.remaining - 100 <= 2000


def test_a_plan_without_the_group_is_refused_and_the_old_one_stays() -> None:
    driver = drive(1)
    with pytest.raises(PlanError, match="no group 'b200'"):
        driver.core.replan(0, make_plan(), EngineLimits("b200", 1))
    with pytest.raises(PlanError, match="no group 'b200'"):
        Core(make_plan(), EngineLimits("b200", 1))
    driver.arrive("gold-0")
    assert len(driver.dispatched) == 1


def test_a_changed_limit_is_obeyed_at_once() -> None:
    driver = drive(4)
    driver.arrive("gold-0")
    tiers = [
        {"name": name, "priority": 1, "limits": {"requestsPerMinute": 1}}
        for name in ("gold", "silver", "bronze")
    ]
    driver.take(driver.core.replan(0, make_plan(tiers=tiers), EngineLimits("h100", 4)))
    driver.arrive("gold-0")
    driver.arrive("gold-0")
    assert driver.shed[-1].reason is ShedReason.REQUEST_LIMIT
    assert driver.shed[-1].retry_after == 60 * SECOND


def test_what_cannot_be_obeyed_is_said_with_its_path() -> None:
    groups = [{"name": "h100", "accelerator": "h100", "desired": 1}]
    tiers = [
        {"name": "gold", "priority": 9, "minimumPercent": 10},
        {"name": "silver", "priority": 5},
        {"name": "bronze", "priority": 1},
    ]
    gateway = {"secretSha256": "0" * 64, "secretHeader": "a", "tenantHeader": "b"}
    asked = {
        "tiers": tiers,
        "identification": {"gateway": gateway},
        "reservations": [contract(lending={"lendablePercent": 50})],
    }
    paths = {message.split(":")[0] for message in unsupported(make_plan(groups=groups, **asked))}
    assert paths == {
        "identification.gateway",
        "tiers[gold].minimumPercent",
        "reservations[contract].lending.lendablePercent",
    }
    assert len(unsupported(make_plan(**asked))) == 1
    assert unsupported(make_plan(reservations=[contract()])) == ()


def remaining(driver: Driver, tenant: str) -> int:
    tokens = driver.core.headroom(driver.now, tenant).tokens
    assert tokens is not None
    return tokens.remaining


def metered(**limits: int) -> Driver:
    tiers = [{"name": "gold", "priority": 9, "limits": {"tokensPerMinute": 100_000, **limits}}]
    return drive(4, make_plan(tiers=tiers, tenants=[{"name": "a", "tier": "gold"}]))


def test_a_reservation_is_settled_by_what_was_really_used() -> None:
    """150 are saved; the estimate of 1,124 is charged at first, 100 in the end."""
    driver = reserved()
    for expected in (Partition.RESERVED, Partition.RESERVED, Partition.SHARED):
        request = driver.arrive("bronze-0")
        assert driver.dispatched[-1].partition is expected
        driver.take(driver.core.finish(0, request, Outcome.FAILED))
        driver.running.clear()


def test_the_reservation_that_is_owed_most_is_served_first() -> None:
    other = contract(uid="2", name="other", tenants=["silver-0"])
    driver = drive(1, make_plan(reservations=[contract(), other]))
    first = driver.arrive("bronze-0")
    driver.take(driver.core.finish(0, first, Outcome.FAILED))
    driver.running.clear()
    running = driver.arrive("gold-0")
    driver.arrive("bronze-0")
    owed = driver.arrive("silver-0")
    driver.finish(running)
    assert driver.dispatched[-1].id == owed


def test_a_plan_change_keeps_what_a_reservation_has_waiting() -> None:
    tiers = [
        {"name": "gold", "priority": 9},
        {"name": "silver", "priority": 5},
        {"name": "bronze", "priority": 0, "queue": {"maxRequests": 0}},
    ]
    plan = make_plan(tiers=tiers, reservations=[contract()])
    driver = drive(1, plan)
    running = driver.arrive("gold-0")
    owed = driver.arrive("bronze-0")
    driver.arrive("bronze-0")  # beyond what can start in time, and the queue is full
    assert [shed.reason for shed in driver.shed] == [ShedReason.QUEUE_FULL]
    driver.take(driver.core.replan(0, plan, EngineLimits("h100", 1)))
    driver.arrive("bronze-0")
    assert len(driver.shed) == 2
    driver.finish(running)
    assert (driver.dispatched[-1].id, driver.dispatched[-1].reservation) == (owed, "contract")


def test_a_request_that_no_longer_fits_the_engine_is_shed_and_holds_up_nobody() -> None:
    driver = drive(4)
    driver.arrive("gold-0", sequences=4)
    large = driver.arrive("gold-0", sequences=4)
    small = driver.arrive("gold-0")
    driver.take(driver.core.replan(0, make_plan(), EngineLimits("h100", 2)))
    assert [(shed.id, shed.reason) for shed in driver.shed] == [(large, ShedReason.TOO_MANY_SEATS)]
    driver.finish(min(driver.running))
    assert driver.dispatched[-1].id == small


def test_a_full_queue_gives_the_limits_back_and_says_when_to_come_again() -> None:
    tiers = [
        {
            "name": "gold",
            "priority": 9,
            "limits": {"requestsPerMinute": 9, "tokensPerMinute": 10_000},
            "queue": {"maxRequests": 0},
        }
    ]
    driver = drive(1, make_plan(tiers=tiers, tenants=[{"name": "a", "tier": "gold"}]))
    driver.arrive("a")
    before = driver.core.headroom(0, "a")
    driver.arrive("a")
    (full,) = driver.shed
    assert full.reason is ShedReason.QUEUE_FULL
    assert full.retry_after is not None
    assert UNKNOWN <= full.retry_after <= UNKNOWN * 9 // 8
    assert driver.core.headroom(0, "a") == before


def test_what_a_rejecting_reservation_says_about_coming_back_is_true() -> None:
    driver = reserved(spillover={"action": "Reject"})
    driver.finish(driver.arrive("bronze-0", prompt_tokens=3000), output=1)
    driver.arrive("bronze-0")
    told = driver.shed[-1].retry_after
    assert told is not None
    driver.pass_time(told - 1)
    driver.arrive("bronze-0")
    assert len(driver.shed) == 2
    driver.pass_time(1)
    driver.arrive("bronze-0")
    assert len(driver.shed) == 2


def test_what_the_engine_never_got_costs_nothing() -> None:
    driver = metered(requestsPerMinute=5)
    before = driver.core.headroom(0, "a")
    request = driver.arrive("a")
    driver.take(driver.core.finish(0, request, Outcome.UNSENT))
    assert driver.core.headroom(0, "a") == before


def test_hanging_up_before_an_unstreamed_answer_is_not_free() -> None:
    driver = metered()
    driver.abort(driver.arrive("a", max_tokens=50))
    assert remaining(driver, "a") == 100_000 - 150
    request = driver.arrive("a", max_tokens=50)
    driver.take(driver.core.progress(0, [Progress(request, output_tokens=5)]))
    driver.abort(request)
    assert remaining(driver, "a") == 100_000 - 150 - 105


def test_output_is_estimated_for_each_sequence() -> None:
    driver = metered()
    driver.arrive("a", sequences=2)
    assert remaining(driver, "a") == 100_000 - 100 - 2 * 256
    for _ in range(60):
        driver.finish(max(driver.running), output=20)
        driver.arrive("a", sequences=2, prompt_tokens=0)
    before = remaining(driver, "a")
    driver.arrive("a", prompt_tokens=0)
    assert before - remaining(driver, "a") == 10


def test_a_replica_takes_its_share_of_queues_and_of_concurrency() -> None:
    tiers = [
        {
            "name": "gold",
            "priority": 9,
            "limits": {"maxConcurrentRequests": 4},
            "queue": {"maxRequests": 6},
        }
    ]
    groups = [{"name": "h100", "accelerator": "h100", "desired": 2}]
    tenants = [{"name": "a", "tier": "gold"}]
    driver = drive(9, make_plan(tiers=tiers, groups=groups, tenants=tenants))
    for _ in range(9):
        driver.arrive("a")
    assert (len(driver.running), len(driver.waiting), len(driver.shed)) == (2, 3, 4)
