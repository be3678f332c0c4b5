"""Seats that a reservation does not lend (`lendablePercent`)."""

import pytest

from tests.unit.admission.replica import Replica, reservation, tiers


def test_seats_that_are_not_lent_are_free_for_their_owner() -> None:
    plan = reservation(lending={"lendablePercent": 0})
    replica = Replica(10, reservations=[plan])
    replica.many(10, "gold-0")
    assert len(replica.running) == 7
    owner = replica.many(3, "bronze-0")
    assert replica.running[7:] == owner
    replica.end(owner[0])
    assert len(replica.running) == 9


def test_seats_that_their_owner_uses_are_not_kept_twice() -> None:
    """Work that may be thrown out at any time is stopped by these seats alone."""
    plan = reservation(lending={"lendablePercent": 0, "reclaim": "Abort"})
    replica = Replica(10, tiers=tiers(gold={"preemption": "Anytime"}), reservations=[plan])
    replica.many(3, "bronze-0")
    replica.many(10, "gold-0")
    assert len(replica.running) == 10


@pytest.mark.parametrize(("lendable", "lent"), [(100, 10), (50, 9), (0, 7)])
def test_as_many_seats_are_lent_as_the_reservation_allows(lendable: int, lent: int) -> None:
    plan = reservation(lending={"lendablePercent": lendable})
    replica = Replica(10, reservations=[plan])
    replica.wait(61_000)  # nothing is held back any more
    replica.many(10, "gold-0")
    assert len(replica.running) == lent


def test_reservations_that_lend_nothing_leave_a_seat_for_others() -> None:
    one = reservation("one", granted=500, lending={"lendablePercent": 0})
    two = reservation("two", tenants=["silver-0"], granted=500, lending={"lendablePercent": 0})
    replica = Replica(2, reservations=[one, two])
    replica.send("bronze-0")
    replica.wait(61_000)  # nothing is held back any more
    assert replica.send("gold-0") in replica.running


def test_reservations_that_are_due_less_than_a_seat_keep_none_idle() -> None:
    plans = [
        reservation(f"{n}", tenants=[f"{tier}-0"], granted=10, lending={"lendablePercent": 0})
        for n, tier in enumerate(("bronze", "silver"))
    ]
    replica = Replica(8, reservations=plans)
    replica.wait(61_000)
    replica.many(8, "gold-0")
    assert len(replica.running) == 8


def test_one_reservation_does_not_use_the_seats_that_another_does_not_lend() -> None:
    plans = [
        reservation("one", lending={"lendablePercent": 0}),
        reservation("two", tenants=["silver-0"], lending={"lendablePercent": 100}),
    ]
    replica = Replica(10, reservations=plans)
    replica.many(10, "silver-0", 1)
    assert len(replica.running) == 7


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


def test_a_reserved_request_larger_than_what_others_lend_goes_when_the_engine_is_empty() -> None:
    one = reservation("one", granted=500, lending={"lendablePercent": 0})
    two = reservation("two", tenants=["silver-0"])
    replica = Replica(8, reservations=[one, two])
    assert replica.send("silver-0", sequences=5) in replica.running
