"""Whom a full queue turns away, deadlines, and what is said about coming back."""

from typing import Any

import pytest

from tests.unit.admission.replica import Replica, reservation, tiers
from tierfleet.admission.drain import LEAST, MOST, UNKNOWN
from tierfleet.admission.types import Outcome, ShedReason

SECOND = 1_000_000_000
WEIGHTED: list[dict[str, Any]] = [
    {"name": "a", "tier": "gold", "weight": 4},
    {"name": "b", "tier": "gold"},
]


def full(most: int, tenants: list[dict[str, Any]] | None = None) -> Replica:
    """One seat, which is taken, and a queue of so many in gold."""
    bound = tiers(gold={"queue": {"maxRequests": most}})
    named = tenants or [{"name": name, "tier": "gold"} for name in ("a", "b")]
    others = [{"name": "other", "tier": "silver"}]
    replica = Replica(tiers=bound, tenants=[*named, *others])
    replica.send("other")
    return replica


def test_a_full_queue_turns_away_the_newest_of_who_has_the_largest_backlog() -> None:
    replica = full(4)
    flood = replica.many(4, "a", 100)
    light = replica.send("b", 100)
    assert list(replica.shed) == [flood[-1]]
    assert replica.reason(flood[-1]) is ShedReason.QUEUE_FULL
    assert light in replica.waiting


def test_the_largest_backlog_is_of_service_tokens_and_not_of_requests() -> None:
    replica = full(4)
    small = replica.many(3, "a", 10)
    large = replica.send("b", 1000)
    replica.send("a", 10)
    assert list(replica.shed) == [large]
    assert replica.waiting[:3] == small


def test_who_may_not_run_at_all_is_pushed_out_too() -> None:
    """The heaviest is at its concurrency and not next, but it is the one who floods."""
    limits = {"limits": {"maxConcurrentRequests": 1}, "queue": {"maxRequests": 3}}
    replica = Replica(3, tiers=tiers(gold=limits))
    flood = replica.many(4, "gold-1", 2000)
    replica.many(2, "silver-0")
    replica.many(2, "gold-0")
    assert list(replica.shed) == [flood[3], flood[2]]


def test_a_flood_with_a_large_weight_does_not_push_out_who_sends_little() -> None:
    replica = full(9, WEIGHTED)
    light = replica.send("b", 10)
    flood = replica.many(9, "a", 10)
    assert list(replica.shed) == [flood[-1]]
    assert light in replica.waiting


def test_a_backlog_counts_by_the_weight_of_its_tenant() -> None:
    """40 over 4 against 20 over 1."""
    replica = full(5, WEIGHTED)
    replica.many(3, "a", 10)
    mine = replica.many(2, "b", 10)
    replica.send("a", 10)
    assert list(replica.shed) == [mine[-1]]


def test_who_is_heaviest_is_judged_with_the_request_that_has_just_come() -> None:
    replica = full(4)
    first = replica.many(3, "a", 100)
    replica.many(2, "b", 140)
    third = replica.send("b", 30)
    assert list(replica.shed) == [first[2], third]


def test_a_conforming_request_is_turned_away_by_no_full_queue_and_counts_in_none() -> None:
    plan = reservation(tenants=["gold-0"])
    replica = Replica(tiers=tiers(gold={"queue": {"maxRequests": 1}}), reservations=[plan])
    replica.send("silver-0")
    conforming = replica.send("gold-0", 170)
    ordinary = replica.send("gold-1", 10)
    assert not replica.shed
    replica.many(3, "gold-1", 10)
    assert conforming in replica.waiting
    assert ordinary in replica.waiting


def test_what_expires_says_whether_it_conformed() -> None:
    queue = {"queue": {"maxWaitMilliseconds": 1000}}
    plan = reservation(tenants=["gold-0"])
    replica = Replica(tiers=tiers(gold=queue), reservations=[plan])
    replica.send("silver-0")
    conforming, ordinary = replica.send("gold-0", 170), replica.send("gold-1", 10)
    replica.wait(1000)
    assert {one.id: one.conforming for one in replica.shed.values()} == {
        conforming: True,
        ordinary: False,
    }


def test_one_full_queue_turns_nobody_of_another_tier_away() -> None:
    replica = full(0)
    assert replica.send("other") in replica.waiting
    replica.send("a")
    assert len(replica.shed) == 1


def test_a_queue_of_none_still_uses_free_seats() -> None:
    replica = Replica(tiers=tiers(gold={"queue": {"maxRequests": 0}}))
    first, second = replica.many(2, "gold-0")
    assert (replica.running, list(replica.shed)) == ([first], [second])


def test_a_request_for_more_seats_than_there_are_is_refused() -> None:
    replica = Replica(4)
    wide = replica.send("gold-0", sequences=5)
    assert replica.reason(wide) is ShedReason.TOO_MANY_SEATS
    assert replica.shed[wide].retry_after is None


# Deadlines


def test_a_request_waits_no_longer_than_its_tier_or_its_deadline_allows() -> None:
    replica = Replica()
    replica.send("gold-0")
    patient = replica.send("gold-0")
    hurried = replica.send("gold-0", deadline=5 * SECOND)
    gone: list[int] = []
    for seconds, request in ((5, hurried), (25, patient)):
        replica.wait(1000 * seconds - 1)
        assert list(replica.shed) == gone
        replica.wait(1)
        gone.append(request)
        assert list(replica.shed) == gone
    assert replica.shed[patient].waited == 30 * SECOND


def with_a_rate() -> Replica:
    """One end a second is measured; the seat is taken and nothing waits."""
    replica = Replica()
    replica.many(4, "gold-0")
    while replica.waiting:
        replica.wait(1000)
        replica.end_oldest()
    return replica


def test_a_deadline_that_cannot_be_met_is_refused_at_arrival() -> None:
    """Two before it and itself: three seconds."""
    replica = with_a_rate()
    replica.many(2, "gold-0")
    in_time = replica.send("silver-0", deadline=replica.now + 3 * SECOND)
    replica.hang_up(in_time)
    late = replica.send("silver-0", deadline=replica.now + 3 * SECOND - 1)
    assert in_time not in replica.shed
    assert replica.reason(late) is ShedReason.INFEASIBLE


def test_lower_tiers_do_not_count_for_a_deadline() -> None:
    replica = with_a_rate()
    replica.many(9, "bronze-0")
    hurried = replica.send("gold-0", deadline=replica.now + SECOND)
    assert hurried in replica.waiting


def test_a_conforming_request_is_not_refused_for_its_deadline() -> None:
    replica = Replica(reservations=[reservation(tenants=["bronze-0"])])
    replica.many(4, "gold-0")
    while replica.waiting:
        replica.wait(1000)
        replica.end_oldest()
    replica.many(9, "gold-0")
    assert replica.send("bronze-0", deadline=replica.now + SECOND) in replica.waiting


def test_before_any_rate_is_known_no_deadline_is_refused() -> None:
    replica = Replica()
    replica.many(9, "gold-0")
    assert replica.send("gold-0", deadline=1) in replica.waiting


def test_who_waited_too_long_goes_before_anybody_is_served() -> None:
    replica = Replica()
    running = replica.send("gold-0")
    hurried = replica.send("gold-0", deadline=5 * SECOND)
    replica.now = 5 * SECOND
    replica.end(running)
    assert replica.reason(hurried) is ShedReason.EXPIRED
    assert replica.shed[hurried].waited == 5 * SECOND


# Retry times


def told(replica: Replica, tenant: str = "gold-0") -> int:
    request = replica.send(tenant)
    retry = replica.shed[request].retry_after
    assert retry is not None
    return retry


def refusing(every: float) -> Replica:
    """Its queue holds two, and a request ends each so many milliseconds."""
    queue = {"maxRequests": 2, "maxWaitMilliseconds": 600_000}
    replica = Replica(tiers=tiers(gold={"queue": queue}))
    replica.many(3, "gold-0")
    for _ in range(60):
        replica.wait(every)
        replica.end_oldest()
        replica.send("gold-0")
    return replica


def test_a_retry_time_is_what_the_measured_rate_says_and_an_eighth_more_at_most() -> None:
    """Two wait and the one that is refused: three seconds."""
    replica = refusing(1000)
    times = [told(replica) for _ in range(50)]
    assert all(3 * SECOND <= time <= 3 * SECOND * 9 // 8 for time in times)


def test_callers_that_were_refused_together_do_not_come_back_together() -> None:
    replica = refusing(1000)
    assert len({told(replica) for _ in range(50)}) > 40


def test_the_same_seed_gives_the_same_retry_times_and_another_one_others() -> None:
    bound = tiers(gold={"queue": {"maxRequests": 0}})

    def times(seed: int) -> list[int]:
        replica = Replica(seed=seed, tiers=bound)
        replica.send("gold-0")
        return [told(replica) for _ in range(9)]

    assert times(1) == times(1)
    assert times(1) != times(2)


@pytest.mark.parametrize(("every", "bound"), [(0.01, LEAST), (29_000, MOST)])
def test_retry_times_have_bounds(every: float, bound: int) -> None:
    replica = refusing(every)
    assert bound <= told(replica) <= min(MOST, bound * 9 // 8)


def test_before_any_rate_is_known_a_second_is_said() -> None:
    replica = full(0)
    assert UNKNOWN <= told(replica, "a") <= UNKNOWN * 9 // 8


def test_a_limit_says_exactly_when_it_lets_the_next_request_in() -> None:
    replica = Replica(9, tiers=tiers(gold={"limits": {"requestsPerMinute": 2}}))
    replica.many(2, "gold-0")
    wait = told(replica)
    assert wait == 30 * SECOND
    replica.wait(30_000)
    assert replica.send("gold-0") in replica.running


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
