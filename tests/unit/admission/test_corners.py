"""Corners where two rules of the core meet; each was a fault once."""

from typing import Any

from tests.unit.admission.replica import Replica, reservation, tiers
from tierfleet.admission.types import Outcome


def test_held_back_seats_are_lent_to_nobody_while_throwing_out_takes_long() -> None:
    """Half of the promised wait of 100 ms is 50; one abort in 8 counts, so 800 ms are 100."""
    replica = Replica(
        8,
        tiers=tiers(silver={"preemption": "Anytime"}),
        reservations=[reservation(lending={"reclaim": "Abort"}, granted=600)],
    )
    for _ in range(12):
        for tenant in ("bronze-0", "gold-0"):
            replica.end(replica.send(tenant))
        replica.wait(100)
    replica.many(9, "silver-0")
    replica.send("bronze-0")
    replica.wait(20)
    (thrown,) = replica.thrown
    replica.wait(800)
    replica.let_go(thrown.id)
    replica.wait(2000)
    while replica.waiting or replica.running:
        replica.end_oldest()
    assert replica.core.held_back == 2
    replica.many(9, "silver-0")
    assert len(replica.running) == 6


def lent(seats: int = 1, **preemption: str) -> Replica:
    changes: dict[str, Any] = {name: {"preemption": how} for name, how in preemption.items()}
    contract = reservation(lending={"reclaim": "Abort"})
    return Replica(seats, tiers=tiers(**changes), reservations=[contract])


def test_a_full_engine_is_woken_when_a_guarantee_begins_to_be_owed() -> None:
    replica = lent(silver="Anytime")
    replica.end(replica.send("bronze-0", 160))
    replica.send("silver-0")
    replica.send("bronze-0")  # owed a seat at 67 ms
    replica.wait(55)
    assert len(replica.thrown) == 1


def test_a_guarantee_earns_nothing_in_a_stall_even_if_its_requests_arrive_meanwhile() -> None:
    """2,000 behind is 20 s; 15 s of the 25 are of the stall."""
    replica = Replica(4, reservations=[reservation(granted=100)])
    first = replica.send("bronze-0", 2050)
    replica.engine(tokens=5)
    replica.wait(10_000)
    replica.send("gold-0")
    replica.wait(14_000)
    replica.hang_up(replica.send("bronze-0"))
    replica.wait(1_000)
    replica.engine(tokens=6)
    replica.end(first)
    assert not replica.is_reserved(replica.send("bronze-0"))


def test_naming_ones_own_tier_changes_nothing() -> None:
    plan = reservation(tenants=["gold-0"], spillover={"action": "Shared", "tier": "bronze"})
    replica = Replica(2, reservations=[plan])
    assert replica.dispatch[replica.send("gold-0", tier="gold")].conforming


def test_naming_ones_own_tier_does_not_escape_spillover() -> None:
    plan = reservation(tenants=["gold-0"], spillover={"action": "Shared", "tier": "bronze"})
    replica = Replica(2, reservations=[plan])
    replica.end(replica.send("gold-0", 1000))
    assert replica.dispatch[replica.send("gold-0", tier="gold")].tier == "bronze"


def test_seats_not_lent_serve_their_owner_while_another_guarantee_waits() -> None:
    plans = [
        reservation("one", lending={"lendablePercent": 0}),
        reservation("two", tenants=["silver-0"], granted=600),
    ]
    replica = Replica(10, reservations=plans)
    replica.end(replica.send("bronze-0", 100))
    replica.many(8, "silver-0", 1)
    assert len(replica.running) == 7
    assert replica.send("bronze-0") in replica.running


def test_a_deadline_survives_being_thrown_out() -> None:
    replica = lent(silver="Anytime")
    victim = replica.send("silver-0", deadline=100_000_000)
    replica.send("bronze-0")
    replica.wait(20)
    replica.let_go(victim)
    replica.wait(100)
    assert victim in replica.shed


def test_old_places_do_not_depend_on_the_order_of_letting_go() -> None:
    replica = lent(2, silver="Anytime")
    a, b = replica.many(2, "silver-0")
    replica.many(2, "bronze-0")
    replica.wait(20)
    replica.let_go(a)
    replica.let_go(b)
    replica.end_oldest()
    assert replica.running[-1] == a


def test_shadow_throws_nobody_out() -> None:
    replica = Replica(
        1,
        enforcement="Shadow",
        tiers=tiers(silver={"preemption": "Anytime"}),
        reservations=[reservation(lending={"reclaim": "Abort"})],
    )
    replica.send("silver-0")
    replica.send("bronze-0")
    replica.wait(1000)
    assert not replica.thrown


def test_shadow_gives_back_no_limit_that_it_did_not_take() -> None:
    replica = Replica(
        9, enforcement="Shadow", tiers=tiers(gold={"limits": {"tokensPerMinute": 1000}})
    )
    replica.send("gold-0", 900)
    over = replica.send("gold-0", 900)
    before = replica.core.headroom(0, "gold-0")
    replica.end(over, Outcome.UNSENT)
    assert replica.core.headroom(0, "gold-0") == before


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


def test_a_floor_is_kept_when_seats_come_free_rarely() -> None:
    """20 % of 1000/s; a request of 800 ends every 800 ms: one of five should be bronze."""
    replica = Replica(
        tiers=tiers(
            bronze={"minimumPercent": 20, "queue": {"maxWaitMilliseconds": 3600000}},
            gold={"queue": {"maxWaitMilliseconds": 3600000}},
        )
    )
    replica.many(120, "gold-0", 800)
    replica.many(120, "bronze-0", 800)
    for _ in range(100):
        replica.wait(800)
        replica.end_oldest()
    assert replica.tenants().count("bronze-0") >= 18


def test_a_guarantee_of_next_seat_does_not_stop_another_from_taking_back() -> None:
    plans = [
        reservation("one", tenants=["silver-0"]),
        reservation("two", lending={"reclaim": "Abort"}),
    ]
    replica = Replica(2, tiers=tiers(gold={"preemption": "Anytime"}), reservations=plans)
    replica.many(2, "gold-0")
    replica.send("silver-0")
    replica.send("bronze-0")
    replica.wait(1000)
    assert replica.thrown


def test_unsent_requests_say_nothing_of_the_drain_rate() -> None:
    replica = Replica(tiers=tiers(gold={"queue": {"maxRequests": 1}}))
    first = replica.send("gold-0")
    replica.send("gold-0")
    replica.wait(1000)
    replica.end(first)
    replica.send("gold-0")
    for _ in range(30):
        replica.wait(1)
        replica.end(replica.running[0], Outcome.UNSENT)
        replica.send("gold-0")
    over = replica.send("gold-0")
    told = replica.shed[over].retry_after
    assert told is not None
    assert told > 500_000_000


def test_what_was_earned_before_a_stall_is_not_lost() -> None:
    """2,000 behind is 20 s: 10 before the stall, 15 that do not count, 10 after it."""
    replica = Replica(4, reservations=[reservation(granted=100)])
    first = replica.send("bronze-0", 2050)
    replica.engine(tokens=5)
    replica.wait(10_000)
    replica.send("gold-0")
    replica.wait(15_000)
    replica.engine(tokens=6)
    replica.end(first)
    replica.wait(5_000)
    replica.engine(tokens=7)
    replica.wait(5_000)
    assert replica.is_reserved(replica.send("bronze-0"))


def test_a_request_that_was_thrown_out_waits_once_under_a_new_plan() -> None:
    replica = lent(silver="Anytime")
    victim = replica.send("silver-0")
    replica.send("bronze-0")
    replica.wait(20)
    replica.let_go(victim)
    replica.replan()
    assert sum(tier.queued for tier in replica.core.load()) == 1


def test_held_back_seats_are_lent_while_throwing_out_takes_less_than_half_of_the_wait() -> None:
    """abort_to_free is 300/8 = 37.5 ms, less than half of 100."""
    replica = Replica(
        8,
        tiers=tiers(silver={"preemption": "Anytime"}),
        reservations=[reservation(lending={"reclaim": "Abort"}, granted=600)],
    )
    replica.many(9, "silver-0")
    replica.send("bronze-0")
    replica.wait(20)
    (thrown,) = replica.thrown
    replica.wait(300)
    replica.let_go(thrown.id)
    replica.wait(2000)
    replica.send("gold-0")
    assert replica.core._order.lends_held
