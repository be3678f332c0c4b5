from typing import Any

import pytest

from tests.property.admission import inside
from tests.unit.admission.replica import Replica, reservation, tiers
from tierfleet.admission.holdback import HoldBack, held_back
from tierfleet.plan import MICRO

SECOND = 1_000_000_000
WAIT = SECOND // 10


@pytest.mark.parametrize(
    ("share", "margin", "seats"),
    [(0.3, 0.0, 6), (0.6, 0.0, 14), (0.3, 2.0, 5), (0.3, 6.0, 1), (0.3, 7.0, 0), (0.3, 50.0, 0)],
)
def test_as_many_seats_are_held_back_as_the_tail_of_the_wait_asks_for(
    share: float, margin: float, seats: int
) -> None:
    """The least h with 0.3^h <= 0.001 is 6; each completion within the wait divides by e."""
    assert held_back(share, margin) == seats


def rolled(
    *,
    arrived: int = 3,
    ended: int = 23,
    reserved: int = 3,
    shared: int = 7,
    seats: int = 100,
    burst: int = 0,
) -> HoldBack:
    """After two minutes of the same counts in each second."""
    hold = HoldBack(0)
    for second in range(1, 121):
        hold.arrived, hold.ended, hold.cost = arrived, ended, arrived * 1000
        hold.reserved, hold.shared = reserved, shared
        hold.roll(second * SECOND, WAIT, seats, 0.3, burst)
    return hold


def test_rates_are_measured_each_second() -> None:
    assert rolled().seats == held_back(0.3, 2.0) == 5
    assert rolled().due == 121 * SECOND


def test_an_engine_that_ends_many_requests_needs_fewer_seats_held_back() -> None:
    assert rolled(ended=63).seats == held_back(0.3, 6.0) == 1


def test_what_may_come_at_once_is_added() -> None:
    assert rolled(burst=3500).seats == held_back(0.3, 2.0) + 4


def test_no_more_than_a_quarter_of_the_seats_is_held_back() -> None:
    assert rolled(seats=16).seats == 4


def test_what_was_promised_counts_where_less_was_measured() -> None:
    assert rolled(reserved=1, shared=9).seats == rolled().seats
    assert rolled(reserved=6, shared=4).seats == held_back(0.6, 2.0)


def test_while_nothing_comes_free_the_reserved_part_of_the_seats_is_kept() -> None:
    hold = HoldBack(0)
    hold.roll(SECOND, WAIT, 100, 0.3, 0)
    assert hold.seats == 30
    hold.running = 10
    hold.roll(2 * SECOND, WAIT, 100, 0.3, 0)
    assert hold.seats == 20
    hold.ended = 5
    hold.roll(3 * SECOND, WAIT, 100, 0.3, 0)
    assert hold.seats < 10


def test_nothing_is_held_back_a_minute_after_the_last_reserved_arrival() -> None:
    hold = rolled()
    hold.roll(179 * SECOND, WAIT, 100, 0.3, 0)
    assert hold.seats > 0
    hold.roll(180 * SECOND, WAIT, 100, 0.3, 0)
    assert hold.seats == 0


# In the core


def held(reclaim: str = "Abort", **silver: object) -> Replica:
    """8 seats, of which it holds back 2, and all are free."""
    plan = reservation(lending={"reclaim": reclaim})
    replica = Replica(8, tiers=tiers(silver=silver), reservations=[plan])
    for _ in range(12):
        for tenant in ("bronze-0", "gold-0", "gold-0"):
            replica.end(replica.send(tenant))
        replica.wait(100)
    replica.many(9, "gold-0")
    while replica.running:
        replica.end_oldest()
    assert replica.core.held_back == 2
    return replica


def test_ordinary_work_stops_at_the_seats_that_are_held_back() -> None:
    replica = held()
    replica.many(8, "gold-0")
    assert len(replica.running) == 6
    reserved = replica.many(2, "bronze-0")
    assert replica.running[6:] == reserved


def test_seats_that_are_held_back_are_free_again_after_a_quiet_minute() -> None:
    replica = held()
    replica.many(8, "gold-0", 1)
    waiting = list(replica.waiting)
    replica.wait(29_000)
    assert replica.waiting == waiting
    for request in waiting:
        replica.hang_up(request)
    replica.wait(29_000)
    last = replica.many(2, "gold-0", 1)
    assert replica.waiting == last
    replica.wait(4_000)
    assert not replica.waiting
    assert len(replica.running) == 8


def test_work_that_can_be_thrown_out_at_any_time_may_sit_in_held_back_seats() -> None:
    replica = held(preemption="Anytime")
    replica.many(8, "silver-0")
    assert len(replica.running) == 8


def test_seats_that_are_held_back_for_who_throws_nobody_out_are_not_lent() -> None:
    replica = held("NextSeat", preemption="Anytime")
    replica.many(8, "silver-0")
    assert len(replica.running) == 6


@pytest.mark.parametrize(("lost", "lent"), [(1500, 8), (1501, 6)])
def test_seats_that_are_held_back_are_lent_while_as_much_again_may_be_lost(
    lost: int, lent: int
) -> None:
    """3,000 a minute at 1,000 a second."""
    replica = held(preemption="Anytime")
    inside.lose(replica.core, replica.now, lost * MICRO)
    replica.wait(1000)
    replica.many(8, "silver-0")
    assert len(replica.running) == lent


def test_work_that_can_be_thrown_out_only_before_its_first_byte_may_not() -> None:
    replica = held(preemption="BeforeFirstByte")
    replica.many(8, "silver-0")
    assert len(replica.running) == 6


def test_lent_seats_are_not_taken_from_higher_tiers() -> None:
    """Gold may have what is not held back, whatever sits in the held-back seats."""
    replica = held(preemption="Anytime")
    first = replica.many(2, "silver-0")
    replica.many(8, "gold-0")
    assert replica.tenants()[-6:] == ["gold-0"] * 6
    replica.many(4, "silver-0")
    replica.end(replica.running[2])
    assert replica.tenants()[-1] == "gold-0"
    replica.end(first[0])
    assert replica.tenants()[-1] == "silver-0"


@pytest.mark.parametrize(("let_go", "lent"), [(300, 8), (800, 6)])
def test_held_back_seats_are_lent_while_throwing_out_takes_less_than_half_of_the_wait(
    let_go: int, lent: int
) -> None:
    """Half of the promised wait of 100 ms is 50; one abort in 8 counts: 37.5 ms, and 100."""
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
    replica.wait(let_go)
    replica.let_go(thrown.id)
    replica.wait(2000)
    while replica.waiting or replica.running:
        replica.end_oldest()
    assert replica.core.held_back == 2
    replica.many(9, "silver-0")
    assert len(replica.running) == lent


@pytest.mark.parametrize("reclaim", ["Abort", "NextSeat"])
def test_a_request_of_all_seats_runs_when_the_engine_is_empty(reclaim: str) -> None:
    replica = held(reclaim, preemption="Anytime")
    replica.many(8, "silver-1")
    large = replica.send("silver-0", sequences=8)
    while replica.running and large not in replica.running:
        replica.end_oldest()
    assert large in replica.running


def test_seats_held_back_go_to_anytime_work_of_a_higher_priority_first() -> None:
    """Gold and silver are of one priority, and gold's next request finds no seat for itself."""
    same = [
        {"name": "gold", "priority": 50},
        {"name": "silver", "priority": 50, "preemption": "Anytime"},
        {"name": "bronze", "priority": 0, "preemption": "Anytime"},
    ]
    lending: dict[str, Any] = {"lending": {"reclaim": "Abort"}, "maxWaitMilliseconds": 1000}
    contract = reservation(tenants=["gold-1"], granted=500, **lending)
    replica = Replica(8, tiers=same, reservations=[contract])
    for milliseconds in (1000, 500):
        replica.end(replica.send("gold-1", 1))
        replica.wait(milliseconds)
    replica.many(7, "gold-0", 1)
    assert len(replica.running) < 7
    replica.send("silver-0", 500)
    silver = replica.send("silver-0")
    assert silver in replica.running
