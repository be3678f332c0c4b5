import pytest

from tests.unit.admission.replica import Replica, reservation, tiers
from tierfleet.admission.types import Partition, Progress

# Tiers and shares


def test_a_higher_tier_goes_first_whatever_a_lower_one_has_had() -> None:
    replica = Replica()
    replica.end(replica.send("gold-0", 10_000))
    running = replica.send("gold-0")
    replica.send("bronze-0")
    gold = replica.send("gold-0")
    replica.end(running)
    assert replica.running == [gold]


def test_tenants_of_a_tier_are_served_by_their_weights() -> None:
    tenants = [
        {"name": "heavy", "tier": "gold", "weight": 3},
        {"name": "light", "tier": "gold"},
    ]
    replica = Replica(tenants=tenants)
    replica.send("light")
    replica.many(40, "heavy", 12)
    replica.many(40, "light", 12)
    assert replica.drain(20).count("heavy") == 15


def test_a_tenants_weight_counts_where_it_has_one_and_its_tiers_elsewhere() -> None:
    tenants = [{"name": "own", "tier": "gold", "weight": 1}, {"name": "tiers", "tier": "gold"}]
    replica = Replica(tiers=tiers(gold={"weight": 3}), tenants=tenants)
    replica.send("own")
    replica.many(40, "own", 12)
    replica.many(40, "tiers", 12)
    assert replica.drain(20).count("tiers") == 15


def test_fairness_is_of_service_tokens_and_not_of_requests() -> None:
    replica = Replica()
    replica.send("gold-0")
    replica.many(40, "gold-0", 40)
    replica.many(40, "gold-1", 10)
    assert replica.drain(20).count("gold-1") == 16


def test_who_was_idle_has_saved_up_nothing() -> None:
    replica = Replica()
    for _ in range(50):
        replica.end(replica.send("gold-0"))
    replica.send("gold-0")
    replica.many(20, "gold-0")
    replica.many(20, "gold-1")
    assert replica.drain(10).count("gold-1") == 5


def test_who_is_ahead_of_the_clock_stays_ahead_over_a_pause() -> None:
    replica = Replica(2)
    replica.send("gold-0", 1000)
    replica.send("gold-1", 10)
    replica.many(9, "gold-0")
    replica.many(9, "gold-1")
    replica.end(replica.running[1])
    assert replica.tenants(2) == ["gold-1"]


def test_refunds_of_old_work_give_no_head_start_to_who_comes_back() -> None:
    """Without the floor 100 dispatches in a row, paid for by service of long ago."""
    replica = Replica(2)
    dear = replica.send("gold-0", 1000)
    for _ in range(150):
        replica.end(replica.send("gold-1"))
    busy = replica.send("gold-1")
    replica.many(30, "gold-0")
    replica.many(30, "gold-1")
    replica.end_at_a_cost_of(dear, 0, charged=1000)
    assert busy in replica.running
    assert 4 <= replica.drain(10).count("gold-0") <= 6


def test_refunds_reach_who_has_been_charged_too_much() -> None:
    replica = Replica(2)
    dear = replica.send("gold-0", 1000)
    replica.send("gold-1")
    replica.many(30, "gold-0")
    replica.many(30, "gold-1")
    replica.end_at_a_cost_of(dear, 10, charged=1000)
    assert 4 <= replica.drain(10).count("gold-0") <= 6


def test_a_refund_while_nothing_waits_gives_its_tenant_its_place_back() -> None:
    tenants = [{"name": name, "tier": "gold"} for name in "xyz"]
    burndown = {"input": "1", "output": "1"}
    replica = Replica(3, tenants=tenants, burndown=burndown)
    dear = replica.send("x", 0, max_tokens=256)
    replica.many(2, "z", 0)
    replica.hang_up(replica.send("x"))
    replica.many(8, "y", 20)
    replica.progress(Progress(dear, output_tokens=1))
    replica.end(dear)
    back = replica.send("x")
    replica.end_oldest()
    assert back in replica.running


def test_each_priority_has_a_clock_of_its_own() -> None:
    """Lifted to the clock of gold, the one that comes back would wait for 10,000 tokens."""
    replica = Replica()
    replica.many(20, "bronze-0")
    replica.many(3, "gold-0", 10_000)
    for _ in range(3):
        replica.end_oldest()
    replica.send("bronze-1")
    assert "bronze-1" in replica.drain(2)


def test_tiers_of_the_same_priority_share_a_clock() -> None:
    equal = tiers(silver={"priority": 5}, bronze={"priority": 5})
    replica = Replica(tiers=equal)
    for _ in range(50):
        replica.end(replica.send("silver-0"))
    replica.send("silver-0")
    replica.many(20, "silver-0")
    replica.many(20, "bronze-0")
    assert replica.drain(10).count("bronze-0") == 5


def test_tiers_of_the_same_priority_are_served_as_one_in_order_of_arrival() -> None:
    equal = {name: {"priority": 5} for name in ("gold", "silver", "bronze")}
    replica = Replica(tiers=tiers(**equal))
    arrived = [replica.send(f"{tier}-0") for tier in ("bronze", "silver", "gold", "bronze")]
    replica.drain(3)
    assert replica.started == arrived


def test_ties_go_by_arrival_and_not_by_id() -> None:
    replica = Replica()
    running = replica.send("gold-0", known_as=9)
    replica.end(running)
    replica.end(replica.send("gold-1", known_as=8))
    running = replica.send("silver-0", known_as=7)
    older = replica.send("gold-0", known_as=6)
    replica.send("gold-1", known_as=5)
    replica.end(running)
    assert replica.running == [older]


def test_a_tenants_own_requests_go_in_order_of_arrival() -> None:
    replica = Replica()
    arrived = [replica.send("gold-0", cost, known_as=20 - cost) for cost in (5, 1, 9, 3)]
    replica.drain(3)
    assert replica.started == arrived


def test_a_request_may_ask_for_a_lower_tier_and_for_no_higher_one() -> None:
    replica = Replica(9)
    lower = replica.send("silver-0", tier="bronze")
    higher = replica.send("silver-0", tier="gold")
    unknown = replica.send("silver-0", tier="platinum")
    charged = [replica.dispatch[one].tier for one in (lower, higher, unknown)]
    assert charged == ["bronze", "silver", "silver"]


def test_a_tenant_at_its_concurrency_is_passed_over_and_served_when_it_may_run() -> None:
    replica = Replica(5, tiers=tiers(gold={"limits": {"maxConcurrentRequests": 2}}))
    mine = replica.many(3, "gold-0")
    others = [replica.send("gold-1"), replica.send("bronze-0")]
    assert replica.running == [*mine[:2], *others]
    replica.end(mine[0])
    assert replica.running[-1] == mine[2]


# Borrowing


def borrower() -> tuple[Replica, int]:
    """10 tokens behind at 0 ms, so that its next request is owed a seat at 34 ms."""
    replica = Replica(reservations=[reservation()])
    replica.end(replica.send("bronze-0", 160))
    return replica, replica.send("bronze-0", 20)


def test_a_seat_that_nobody_wants_is_lent_to_a_guarantee_before_its_time() -> None:
    replica, early = borrower()
    decision = replica.dispatch[early]
    assert decision.borrowed
    assert decision.conforming
    assert decision.partition is Partition.SHARED
    assert decision.reservation is None


def test_borrowing_is_charged_to_the_share_and_not_to_the_guarantee() -> None:
    replica, early = borrower()
    replica.end(early)
    replica.wait(34)
    assert replica.is_reserved(replica.send("bronze-0", 10))


def test_what_was_borrowed_counts_among_the_tenants_of_the_tier() -> None:
    replica = Replica(reservations=[reservation(granted=3000)])
    replica.end(replica.send("bronze-0", 1600))
    early = replica.send("bronze-0", 200)
    assert replica.dispatch[early].borrowed
    replica.many(20, "bronze-0", 290)  # the first of them conforms, the others do not
    replica.many(40, "bronze-1", 10)
    replica.end(early)
    assert replica.drain(18).count("bronze-1") == 18


def test_ordinary_work_of_any_tier_goes_before_borrowing() -> None:
    replica = Replica(tiers=tiers(gold={"priority": -5}), reservations=[reservation()])
    replica.end(replica.send("bronze-0", 160))
    running = replica.send("gold-0")
    early = replica.send("bronze-0", 20)
    ordinary = replica.send("gold-0")
    replica.end(running)
    assert replica.running == [ordinary]
    replica.wait(34)
    replica.end(ordinary)
    assert replica.is_reserved(early)


@pytest.mark.parametrize("wait", [33, 34])
def test_a_guarantee_is_served_as_reserved_from_its_start_tag_on(wait: int) -> None:
    replica = Replica(reservations=[reservation()])
    replica.end(replica.send("bronze-0", 160))
    running = replica.send("gold-0")
    early = replica.send("bronze-0", 20)
    replica.wait(wait)
    replica.end(running)
    assert replica.is_reserved(early) is (wait == 34)
