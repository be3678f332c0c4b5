"""Seats that were lent are taken back from those who run in them."""

from typing import Any

import pytest

from tests.unit.admission.replica import Replica, lent, reservation, tiers

ABORT: dict[str, Any] = {"lending": {"reclaim": "Abort"}}


def ids(replica: Replica) -> list[int]:
    return [abort.id for abort in replica.thrown]


def test_a_guarantee_that_has_waited_20_ms_throws_out_what_may_be_thrown_out() -> None:
    replica = lent(silver="Anytime")
    victim = replica.send("silver-0")
    owed = replica.send("bronze-0")
    replica.wait(19.9)
    assert not replica.thrown
    replica.wait(0.1)
    assert ids(replica) == [victim]
    replica.let_go(victim)
    assert replica.running == [owed]


def test_a_seat_that_comes_free_before_spares_the_victim() -> None:
    replica = lent(2, silver="Anytime")
    replica.send("silver-0")
    other = replica.send("gold-0")
    replica.send("bronze-0")
    replica.wait(19)
    replica.end(other)
    replica.wait(1000)
    assert not replica.thrown


def test_the_wait_begins_anew_for_the_next_guarantee() -> None:
    replica = lent(2, silver="Anytime")
    replica.send("silver-0")
    other = replica.send("gold-0")
    replica.send("bronze-0")
    replica.wait(19)
    replica.end(other)
    replica.send("bronze-0")
    replica.wait(19.9)
    assert not replica.thrown
    replica.wait(0.1)
    assert len(replica.thrown) == 1


def test_a_reservation_that_takes_the_next_seat_throws_nobody_out() -> None:
    replica = lent(reclaim="NextSeat", silver="Anytime")
    replica.send("silver-0")
    replica.send("bronze-0")
    replica.wait(1000)
    assert not replica.thrown


def test_a_guarantee_that_is_owed_nothing_throws_nobody_out() -> None:
    replica = lent(silver="Anytime")
    replica.end(replica.send("bronze-0", 160))
    replica.send("silver-0")
    replica.send("bronze-0")  # owed a seat at 34 ms
    replica.wait(33)
    assert not replica.thrown
    replica.wait(1)
    replica.tick()
    replica.wait(20)
    assert len(replica.thrown) == 1


def test_tiers_that_are_not_preemptible_keep_their_seats() -> None:
    replica = lent()
    replica.send("silver-0")
    replica.send("bronze-0")
    replica.wait(1000)
    assert not replica.thrown


def test_what_a_guarantee_pays_for_is_never_thrown_out() -> None:
    plans = [
        reservation("one", tenants=["silver-0"], **ABORT),
        reservation("two", **ABORT),
    ]
    replica = Replica(1, tiers=tiers(silver={"preemption": "Anytime"}), reservations=plans)
    replica.send("silver-0")
    replica.send("bronze-0")
    replica.wait(1000)
    assert not replica.thrown


def test_anytime_goes_before_before_first_byte_and_the_lowest_tier_before_higher_ones() -> None:
    """Gold and silver at any time, bronze before its first byte."""
    replica = lent(3, gold="Anytime", silver="Anytime", bronze="BeforeFirstByte")
    bronze, silver, gold = (replica.send(f"{tier}-1") for tier in ("bronze", "silver", "gold"))
    replica.many(3, "bronze-0")
    replica.wait(20)
    assert ids(replica) == [silver, gold, bronze]


def test_of_one_tier_the_newest_goes_first() -> None:
    replica = lent(3, silver="Anytime")
    oldest, middle, newest = replica.many(3, "silver-0")
    replica.many(2, "bronze-0")
    replica.wait(20)
    assert ids(replica) == [newest, middle]
    assert oldest not in ids(replica)


def test_of_before_first_byte_nobody_loses_an_answer_that_has_begun() -> None:
    replica = lent(2, silver="BeforeFirstByte")
    quiet, answered = replica.many(2, "silver-0")
    replica.first_byte(answered)
    replica.many(2, "bronze-0")
    replica.wait(1000)
    assert ids(replica) == [quiet]


def test_a_seat_that_is_on_its_way_back_is_not_taken_twice() -> None:
    replica = lent(3, silver="Anytime")
    replica.many(3, "silver-0")
    replica.send("bronze-0")
    for _ in range(50):
        replica.wait(20)
        replica.tick()
    assert len(replica.thrown) == 1


def test_as_many_are_thrown_out_as_seats_are_owed() -> None:
    """100 are saved: requests of 60 tokens find 150, 90 and 30 left, and then nothing."""
    replica = lent(5, silver="Anytime")
    replica.many(5, "silver-0")
    replica.many(5, "bronze-0", 60)
    replica.wait(20)
    assert len(replica.thrown) == 3


def test_nobody_is_thrown_out_for_what_its_tenant_may_not_have_running() -> None:
    one = {"limits": {"maxConcurrentRequests": 1}}
    plan = reservation(lending={"reclaim": "Abort"})
    replica = Replica(
        4, tiers=tiers(silver={"preemption": "Anytime"}, bronze=one), reservations=[plan]
    )
    replica.many(4, "silver-0")
    replica.many(4, "bronze-0")
    replica.wait(20)
    assert len(replica.thrown) == 1


def test_seats_are_owed_to_tenants_of_a_reservation_in_the_order_of_their_turns() -> None:
    """150 are saved: 60, 60 and 200 of who has drawn more go, not the 200 alone."""
    plan = reservation(tenants=["bronze-0", "bronze-1"], lending={"reclaim": "Abort"})
    replica = Replica(5, tiers=tiers(silver={"preemption": "Anytime"}), reservations=[plan])
    replica.end(replica.send("bronze-0", 100))
    replica.wait(1000)
    replica.many(5, "silver-0")
    replica.many(2, "bronze-1", 60)
    replica.send("bronze-0", 200)
    replica.wait(20)
    assert len(replica.thrown) == 3


def test_a_request_is_thrown_out_once_in_its_life() -> None:
    replica = lent(silver="Anytime")
    victim = replica.send("silver-0")
    owed = replica.send("bronze-0")
    replica.wait(20)
    replica.let_go(victim)
    replica.end(owed)
    assert replica.running == [victim]
    replica.send("bronze-0")
    replica.wait(1000)
    assert ids(replica) == [victim]


@pytest.mark.parametrize(("prompt", "thrown"), [(1500, 2), (1501, 1), (3001, 0)])
def test_at_most_5_percent_of_a_minutes_work_is_thrown_away(prompt: int, thrown: int) -> None:
    """1,000 a second are 60,000 in a minute, of which 3,000 may be lost."""
    replica = lent(4, silver="Anytime")
    replica.many(4, "silver-0", prompt)
    replica.many(4, "bronze-0")
    replica.wait(1000)
    assert len(replica.thrown) == thrown


def two_that_may_not_both_be_lost() -> tuple[Replica, int, int]:
    """Two requests of 3,000, of which one may be lost in a minute, in the way of two that wait."""
    patient = {"queue": {"maxWaitMilliseconds": 600_000}}
    silver: dict[str, Any] = {"preemption": "Anytime"}
    plan = reservation(**ABORT)
    replica = Replica(2, tiers=tiers(silver=silver, bronze=patient), reservations=[plan])
    first, second = replica.many(2, "silver-0", 3000)
    replica.many(2, "bronze-0")
    return replica, first, second


def test_a_minute_later_work_may_be_lost_again() -> None:
    replica, first, second = two_that_may_not_both_be_lost()
    replica.wait(20)
    assert ids(replica) == [second]
    replica.let_go(second)
    replica.wait(59_000)
    assert ids(replica) == [second]
    replica.wait(1_000)
    replica.tick()
    assert ids(replica) == [second, first]


def test_a_request_for_several_seats_throws_out_as_many() -> None:
    replica = lent(4, silver="Anytime")
    replica.many(4, "silver-0")
    wide = replica.send("bronze-0", sequences=3)
    replica.wait(20)
    assert len(replica.thrown) == 3
    for abort in list(replica.thrown):
        replica.let_go(abort.id)
    assert wide in replica.running


def test_a_full_engine_is_woken_when_a_guarantee_begins_to_be_owed() -> None:
    replica = lent(silver="Anytime")
    replica.end(replica.send("bronze-0", 160))
    replica.send("silver-0")
    replica.send("bronze-0")  # owed a seat at 67 ms
    replica.wait(55)
    assert len(replica.thrown) == 1


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


def test_the_wait_does_not_begin_with_who_has_gone() -> None:
    replica = lent(2, silver="Anytime")
    replica.many(2, "silver-0")
    gone = replica.send("bronze-0")
    replica.wait(5)
    replica.hang_up(gone)
    replica.wait(10_000)
    replica.send("bronze-0")
    assert not replica.thrown


def test_a_guarantee_that_may_lose_no_more_is_woken_when_it_may_again() -> None:
    """Nothing else happens: the core asks to be woken when the loss is a minute old."""
    replica, first, second = two_that_may_not_both_be_lost()
    replica.wait(62_000)
    assert ids(replica) == [second, first]
