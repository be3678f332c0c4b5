"""What exceeds a reservation, and what of its tenants it has nothing to do with."""

from tests.unit.admission.replica import MILLISECOND, Replica, reservation, tiers
from tierfleet.admission.types import ShedReason


def test_overflow_competes_in_the_tier_that_spillover_names() -> None:
    plan = reservation(tenants=["gold-0"], spillover={"action": "Shared", "tier": "bronze"})
    replica = Replica(1, reservations=[plan])
    replica.end(replica.send("gold-0", 300))
    running = replica.send("gold-1")
    overflow = replica.send("gold-0")
    silver = replica.send("silver-0")
    replica.end(running)
    assert replica.running == [silver]
    replica.end(silver)
    assert replica.running == [overflow]
    assert replica.dispatch[overflow].tier == "bronze"


def test_what_conforms_is_of_its_own_tier_wherever_the_rest_spills_over_to() -> None:
    """It has the priority that its tenant pays for, and no bound of the other tier stops it."""
    plan = reservation(tenants=["gold-0"], spillover={"action": "Shared", "tier": "bronze"})
    bound = {"longContext": {"aboveTokens": 10, "maxConcurrentRequests": 1}}
    replica = Replica(2, tiers=tiers(bronze=bound), reservations=[plan])
    conforming = replica.dispatch[replica.send("gold-0")]
    assert conforming.conforming
    assert (conforming.tier, conforming.priority) == ("gold", 100)
    assert replica.send("bronze-0") in replica.running


def test_overflow_that_queues_has_the_lowest_weight_of_its_tier() -> None:
    plan = reservation(granted=1, spillover={"action": "Queue"})
    replica = Replica(1, tiers=tiers(bronze={"weight": 4}), reservations=[plan])
    replica.end(replica.send("bronze-0", 1000))
    replica.send("gold-0")
    replica.many(20, "bronze-0")
    replica.many(20, "bronze-1")
    assert replica.drain(10).count("bronze-0") == 2


def test_overflow_that_is_rejected_is_told_why_and_when_to_come_again() -> None:
    plan = reservation(spillover={"action": "Reject"})
    replica = Replica(1, reservations=[plan])
    replica.end(replica.send("bronze-0", 300))
    refused = replica.send("bronze-0")
    assert replica.reason(refused) is ShedReason.OVER_GUARANTEE
    assert "contract" in replica.shed[refused].message
    told = replica.shed[refused].retry_after
    assert told is not None
    replica.wait((told - 1) / MILLISECOND)
    assert replica.send("bronze-0") in replica.shed
    replica.wait(1 / MILLISECOND)
    assert replica.send("bronze-0") in replica.running


def test_a_tier_that_is_asked_for_by_name_is_none_of_the_reservations_business() -> None:
    """Neither is it refused when the reservation rejects what exceeds it, nor does it use it up."""
    plan = reservation(tenants=["gold-0"], spillover={"action": "Reject"})
    replica = Replica(2, reservations=[plan])
    asked = replica.dispatch[replica.send("gold-0", 1000, tier="bronze")]
    assert (asked.tier, asked.conforming, asked.reservation) == ("bronze", False, None)
    assert replica.is_reserved(replica.send("gold-0"))


def test_naming_ones_own_tier_changes_nothing() -> None:
    plan = reservation(tenants=["gold-0"], spillover={"action": "Shared", "tier": "bronze"})
    replica = Replica(2, reservations=[plan])
    assert replica.dispatch[replica.send("gold-0", tier="gold")].conforming


def test_naming_ones_own_tier_does_not_escape_spillover() -> None:
    plan = reservation(tenants=["gold-0"], spillover={"action": "Shared", "tier": "bronze"})
    replica = Replica(2, reservations=[plan])
    replica.end(replica.send("gold-0", 1000))
    assert replica.dispatch[replica.send("gold-0", tier="gold")].tier == "bronze"


def test_what_has_spilled_over_comes_home_when_the_reservation_ends() -> None:
    to_bronze = reservation(tenants=["gold-0"], spillover={"action": "Shared", "tier": "bronze"})
    replica = Replica(reservations=[to_bronze])
    replica.end(replica.send("gold-0", 1000))
    running = replica.send("silver-1")
    spilled = replica.send("gold-0")
    replica.send("silver-0")
    replica.replan()
    replica.end(running)
    assert replica.running == [spilled]
    assert replica.dispatch[spilled].tier == "gold"


def test_in_a_tier_that_is_asked_for_its_weight_counts() -> None:
    """Each of gold's costs ten of silver's in the end, whatever gold's weight in its own tier."""
    weighed = tiers(gold={"weight": 10}, silver={"weight": 1})
    replica = Replica(tiers=weighed)
    running = replica.send("gold-1")
    replica.many(20, "gold-0", tier="silver")
    replica.many(40, "silver-0")
    replica.end(running)
    for _ in range(33):
        running = replica.running[0]
        if replica.dispatch[running].tenant == "gold-0":
            replica.end_at_a_cost_of(running, 100, 10)
        else:
            replica.end(running)
    assert replica.tenants()[1:].count("gold-0") in {3, 4}
