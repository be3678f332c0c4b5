"""What becomes of a request that was thrown out, and of what it has cost."""

from typing import Any

from tests.unit.admission.replica import Replica, lent, reservation, tiers
from tierfleet.admission.types import Outcome, Progress, ShedReason


def test_what_the_caller_has_seen_nothing_of_waits_again_at_its_old_place() -> None:
    replica = lent(2, silver="Anytime")
    victim = replica.send("silver-0")
    first = replica.send("gold-0")
    replica.send("bronze-1")
    replica.end(first)
    newer = replica.send("silver-0")
    owed = replica.send("bronze-0")
    replica.wait(20)
    assert [abort.requeued for abort in replica.thrown] == [True]
    replica.let_go(victim)
    replica.end(owed)
    assert replica.running[1:] == [victim]
    assert replica.waiting == [newer]
    assert replica.dispatch[victim].waited == 20_000_000


def test_old_places_do_not_depend_on_the_order_of_letting_go() -> None:
    replica = lent(2, silver="Anytime")
    a, b = replica.many(2, "silver-0")
    replica.many(2, "bronze-0")
    replica.wait(20)
    replica.let_go(a)
    replica.let_go(b)
    replica.end_oldest()
    assert replica.running[-1] == a


def test_between_equals_who_was_thrown_out_is_the_older_one() -> None:
    """Though a newer request of the same tenant waited longer than it in the tier's queue."""
    replica = lent(silver="Anytime")
    victim = replica.send("silver-0")
    replica.send("silver-1")
    replica.send("silver-0")
    owed = replica.send("bronze-0")
    replica.wait(20)
    replica.let_go(victim)
    replica.end(owed)
    assert replica.running == [victim]


def test_what_the_caller_has_seen_a_part_of_ends_and_costs_nothing() -> None:
    limits = {"limits": {"requestsPerMinute": 9, "tokensPerMinute": 10_000}}
    plan = reservation(lending={"reclaim": "Abort"})
    silver: dict[str, Any] = {"preemption": "Anytime", **limits}
    replica = Replica(1, tiers=tiers(silver=silver), reservations=[plan])
    before = replica.core.headroom(0, "silver-0")
    victim = replica.send("silver-0")
    replica.first_byte(victim)
    replica.progress(Progress(victim, output_tokens=30))
    replica.send("bronze-0")
    replica.wait(20)
    assert [abort.requeued for abort in replica.thrown] == [False]
    replica.let_go(victim)
    assert (replica.settled[victim].cost, replica.settled[victim].billed) == (0, 0)
    assert replica.core.headroom(replica.now, "silver-0") == before


def test_lost_work_is_not_charged_to_the_share_of_who_lost_it() -> None:
    """Thrown out at a cost of 500, it is as far as its equal that has had nothing."""
    replica = lent(silver="Anytime")
    victim = replica.send("silver-0", 500)
    owed = replica.send("bronze-0")
    replica.many(9, "silver-1")
    replica.wait(20)
    replica.let_go(victim)
    replica.end(owed)
    assert replica.running == [victim]


def test_who_hangs_up_while_thrown_out_pays_nothing_and_frees_the_seat_once() -> None:
    replica = lent(silver="Anytime")
    victim = replica.send("silver-0")
    owed = replica.send("bronze-0")
    replica.wait(20)
    replica.hang_up(victim)
    assert replica.running == [owed]
    assert replica.settled[victim].cost == 0
    replica.take(replica.core.finish(replica.now, victim, Outcome.ABORTED))
    assert replica.running == [owed]
    assert replica.send("bronze-1") in replica.waiting


def test_a_deadline_survives_being_thrown_out() -> None:
    replica = lent(silver="Anytime")
    victim = replica.send("silver-0", deadline=100_000_000)
    replica.send("bronze-0")
    replica.wait(20)
    replica.let_go(victim)
    replica.wait(100)
    assert victim in replica.shed


def test_a_borrowed_conforming_request_that_is_thrown_out_still_conforms() -> None:
    """It waits among the conforming ones again, and a full queue does not turn it away."""
    plans = [
        reservation("one", tenants=["silver-0"]),
        reservation("two", lending={"reclaim": "Abort"}),
    ]
    replica = Replica(
        1,
        tiers=tiers(silver={"preemption": "Anytime", "queue": {"maxRequests": 0}}),
        reservations=plans,
    )
    replica.end(replica.send("silver-0", 160))
    victim = replica.send("silver-0")
    assert replica.dispatch[victim].borrowed
    replica.send("bronze-0")
    replica.wait(20)
    replica.let_go(victim)
    replica.send("silver-1")
    assert victim not in replica.shed


def test_a_request_that_was_thrown_out_waits_once_under_a_new_plan() -> None:
    replica = lent(silver="Anytime")
    victim = replica.send("silver-0")
    replica.send("bronze-0")
    replica.wait(20)
    replica.let_go(victim)
    replica.replan()
    assert sum(tier.queued for tier in replica.core.load()) == 1


def test_who_was_thrown_out_of_an_engine_that_has_become_too_small_is_turned_away() -> None:
    replica = lent(4, silver="Anytime")
    victim = replica.send("silver-0", sequences=4)
    replica.send("bronze-0")
    replica.wait(25)
    plan = {"tiers": tiers(silver={"preemption": "Anytime"})}
    replica.replan(seats=2, **plan, reservations=[reservation(lending={"reclaim": "Abort"})])
    replica.let_go(victim)
    assert replica.reason(victim) is ShedReason.TOO_MANY_SEATS
