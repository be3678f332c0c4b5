from datetime import timedelta
from typing import Any

from tests.property.admission.driver import WALL
from tests.unit.admission.replica import Replica, reservation, tiers
from tierfleet.admission.types import Partition, Progress


def reserved(seats: int = 1, **changes: Any) -> Replica:
    return Replica(seats, reservations=[reservation(**changes)])


def test_a_reserved_tenant_goes_before_every_tier_while_it_is_owed() -> None:
    replica = reserved()
    running = replica.send("silver-0")
    replica.send("gold-0")
    owed = replica.send("bronze-0")
    replica.end(running)
    assert replica.running == [owed]
    decision = replica.dispatch[owed]
    assert (decision.partition, decision.reservation) == (Partition.RESERVED, "contract")


def test_beyond_the_guarantee_it_competes_in_its_own_tier() -> None:
    replica = reserved()
    replica.end(replica.send("bronze-0", 1000))
    running = replica.send("silver-0")
    replica.send("bronze-0")
    gold = replica.send("gold-0")
    replica.end(running)
    assert replica.running == [gold]


def test_a_request_conforms_if_it_can_start_within_the_wait_that_is_promised() -> None:
    """150 are saved: with them spent, 15 more are earned in half of 100 ms, and 16 are not."""
    replica = reserved()
    replica.send("gold-0")
    replica.send("bronze-0", 165)
    within = replica.send("bronze-0")
    beyond = replica.send("bronze-0")
    replica.drain(3)
    assert (replica.dispatch[within].conforming, replica.dispatch[beyond].conforming) == (
        True,
        False,
    )


def test_one_of_four_replicas_saves_half_of_the_burst() -> None:
    """It earns 300 of 1,200 a second; 300 of 600 are saved, and 15 more come in half of 100 ms."""
    four = {"name": "h100", "accelerator": "h100", "desired": 4, "serviceTokensPerSecond": 1000}
    replica = Replica(1, groups=[four], reservations=[reservation(granted=1200)])
    replica.send("gold-0")
    replica.send("bronze-0", 315)
    within = replica.send("bronze-0")
    beyond = replica.send("bronze-0")
    replica.drain(3)
    assert (replica.dispatch[within].conforming, replica.dispatch[beyond].conforming) == (
        True,
        False,
    )


def test_what_exceeds_a_guarantee_is_served_under_it_from_what_would_be_lost() -> None:
    """At 0 ms 300 of 150 are drawn, so at 1,000 ms the balance is full again."""
    replica = reserved()
    running = replica.send("gold-0")
    first, second, overflow = replica.many(3, "bronze-0", 150)
    gold = replica.many(3, "gold-1")
    replica.end(running)
    replica.end(first)
    replica.wait(999)
    replica.end(second)
    assert replica.started[-3:] == [first, second, gold[0]]
    replica.wait(1)
    replica.end(gold[0])
    assert replica.started[-1] == overflow
    assert replica.is_reserved(overflow)
    assert not replica.dispatch[overflow].conforming


def test_a_guarantee_is_kept_though_seats_come_free_at_odd_times() -> None:
    """A tag that began anew at each dispatch would lose what passes between owed and served."""
    replica = reserved()
    replica.many(200, "gold-0", 30)
    replica.many(200, "bronze-0", 30)
    for _ in range(100):
        replica.wait(90)
        replica.end_oldest()
    served = sum(replica.is_reserved(request) for request in replica.started)
    assert 300 * 9 // 30 - 1 <= served <= (150 + 300 * 9) // 30 + 1


def test_a_reserved_request_may_use_every_seat() -> None:
    replica = reserved(4, granted=1000)
    replica.many(3, "bronze-0")
    last = replica.send("bronze-0")
    assert replica.is_reserved(last)
    assert len(replica.running) == 4


def test_nothing_fills_around_a_guarantee_that_waits_for_seats() -> None:
    replica = reserved(2)
    running = replica.many(2, "gold-0")
    wide = replica.send("bronze-0", sequences=2)
    narrow = replica.send("gold-0")
    replica.end(running[0])
    assert narrow in replica.waiting
    replica.end(running[1])
    assert replica.running == [wide]


def test_of_two_guarantees_the_one_with_the_least_start_tag_goes_first() -> None:
    both = [
        reservation("one", tenants=["bronze-0"]),
        reservation("two", tenants=["silver-0"]),
    ]
    replica = Replica(1, reservations=both)
    replica.end(replica.send("bronze-0", 100))
    replica.end(replica.send("silver-0", 50))
    running = replica.send("gold-0")
    replica.send("bronze-0", 10)
    owed_more = replica.send("silver-0", 10)
    replica.end(running)
    assert replica.running == [owed_more]


def test_tenants_of_one_reservation_take_turns_by_what_they_have_drawn() -> None:
    shared = reservation(tenants=["bronze-0", "silver-0"], granted=1000)
    replica = Replica(1, reservations=[shared])
    replica.send("gold-0")
    replica.many(4, "bronze-0", 20)
    replica.many(4, "silver-0", 10)
    turns = replica.drain(6)
    assert turns == ["bronze-0", "silver-0", "silver-0", "bronze-0", "silver-0", "silver-0"]


def test_who_comes_back_to_a_reservation_gets_no_more_than_its_turn() -> None:
    shared = reservation(
        tenants=["bronze-0", "silver-0"], granted=1000, burstWindowMilliseconds=5000
    )
    replica = Replica(1, reservations=[shared])
    replica.end(replica.send("silver-0", 20))
    for _ in range(50):
        replica.end(replica.send("bronze-0", 20))
    running = replica.send("bronze-0", 20)
    replica.many(6, "bronze-0", 20)
    replica.many(6, "silver-0", 20)
    assert replica.running == [running]
    assert replica.drain(6).count("silver-0") == 3


def test_a_tenant_at_its_concurrency_holds_up_no_other_tenant_of_its_reservation() -> None:
    limited = tiers(bronze={"limits": {"maxConcurrentRequests": 1}})
    shared = reservation(tenants=["bronze-0", "silver-0"])
    replica = Replica(4, tiers=limited, reservations=[shared])
    first, second = replica.many(2, "bronze-0")
    other = replica.send("silver-0")
    assert replica.running == [first, other]
    replica.end(first)
    assert replica.running == [other, second]
    assert replica.is_reserved(second)


def test_a_guarantee_is_settled_by_what_was_really_used() -> None:
    replica = reserved()
    request = replica.send("bronze-0", 1000)
    replica.end_at_a_cost_of(request, 100, charged=1000)
    assert replica.is_reserved(replica.send("bronze-0"))


def test_what_is_produced_beyond_the_estimate_is_charged_before_the_end() -> None:
    """Output at 1 a token: 300 of 150 are drawn while the first still runs."""
    replica = Replica(2, reservations=[reservation()], burndown={"input": "1", "output": "1"})
    first = replica.send("bronze-0", 100)
    replica.progress(Progress(first, output_tokens=200))
    assert not replica.is_reserved(replica.send("bronze-0"))


def test_overflow_behind_a_tenant_at_its_limit_is_owed_no_more_than_would_be_lost() -> None:
    """bronze-0 conforms and may not run; bronze-1's overflow is paid by another balance."""
    limits = {"limits": {"maxConcurrentRequests": 1}}
    replica = Replica(
        9,
        tiers=tiers(silver=limits),
        reservations=[reservation(tenants=["silver-0", "bronze-1"])],
    )
    at_its_limit = replica.send("silver-0")
    waits = replica.send("silver-0", 400)
    replica.many(99, "gold-0", 1)
    theirs = replica.many(99, "bronze-1", 100)
    for _ in range(100):
        replica.wait(50)
        replica.many(9, "gold-0", 1)
        for request in [one for one in replica.running if one != at_its_limit]:
            replica.end(request)
    assert waits in replica.waiting
    reserved = [one for one in theirs if one in replica.dispatch and replica.is_reserved(one)]
    assert 10 <= len(reserved) <= (300 * 5 + 300 * 1.1 + 200) // 100


def test_a_guarantee_that_cannot_be_served_hides_no_wake_up_of_another() -> None:
    """One's overflow may not sit in seats that are held back; two conforms and is owed in 33 ms."""
    one, two = (
        reservation(name, tenants=[tenant])
        for name, tenant in (("one", "bronze-0"), ("two", "bronze-1"))
    )
    replica = Replica(8, reservations=[one, two])
    replica.wait(1_500)
    replica.many(40, "gold-0", 1)
    spent = replica.send("bronze-0", 170)
    replica.send("bronze-0")
    replica.end(spent)
    replica.wait(650)
    replica.end(replica.send("bronze-1", 160))
    owed = replica.send("bronze-1")
    assert owed in replica.waiting
    replica.wait(34)
    assert replica.is_reserved(owed)


def test_what_is_owed_sooner_once_nothing_conforming_waits_goes_before_others_in_time() -> None:
    """e saves for its overflow while that waits; when its conforming one goes, that is owed."""
    patient = {"queue": {"maxRequests": 1000, "maxWaitMilliseconds": 600_000}}
    slow: dict[str, Any] = {"granted": 100, "maxWaitMilliseconds": 4_000}
    replica = Replica(
        4,
        tiers=tiers(bronze=patient, gold=patient),
        reservations=[
            reservation("c", tenants=["bronze-1"], **slow),
            reservation("e", **slow),
        ],
    )
    replica.send("bronze-1", 1_600)
    golden = replica.many(24, "gold-0", 1)
    replica.send("bronze-0", 245)
    gone = replica.send("bronze-0")
    overflow = replica.many(3, "bronze-0")
    replica.end(golden[0])
    replica.hang_up(gone)
    replica.wait(14_000)
    replica.send("bronze-1", 1)
    replica.send("bronze-0", 240)
    last = replica.send("bronze-0", 1)
    replica.end(golden[1])
    replica.hang_up(last)
    replica.wait(10)
    replica.end_oldest()
    assert replica.started[-1] == overflow[0]
    assert replica.is_reserved(overflow[0])


def test_what_asks_for_a_lower_tier_saves_nothing_up_for_its_reservation() -> None:
    """The first conforms and uses all that was saved; nothing was saved for a second."""
    replica = Replica(reservations=[reservation(tenants=["gold-0"])])
    running = replica.send("silver-0")
    replica.send("gold-0", tier="bronze")
    replica.wait(5_000)
    first, second = replica.many(2, "gold-0", 170)
    replica.end(running)
    replica.end(first)
    assert replica.is_reserved(first)
    assert not replica.is_reserved(second)


# Terms and prepaid balances


def after(seconds: int) -> str:
    return (WALL + timedelta(seconds=seconds)).isoformat()


def test_before_its_term_and_after_it_a_reservation_is_nothing() -> None:
    replica = reserved(term={"start": after(10), "end": after(20)})
    found = []
    for milliseconds in (9_000, 1_000, 9_000, 1_000):
        replica.wait(milliseconds)
        request = replica.send("bronze-0")
        found.append(replica.is_reserved(request))
        replica.end(request)
    assert found == [False, True, True, False]


def test_a_reservation_that_starts_during_a_flood_serves_what_waits_already() -> None:
    replica = reserved(term={"start": after(10)})
    running = replica.send("gold-0")
    mine = replica.send("bronze-0")
    replica.send("gold-0")
    replica.wait(11_000)
    replica.end(running)
    assert replica.running == [mine]


def test_when_its_term_ends_what_waits_for_it_competes_in_its_tier() -> None:
    replica = reserved(term={"end": after(10)})
    running = replica.send("gold-0")
    replica.wait(9_990)
    mine = replica.send("bronze-0")
    gold = replica.send("gold-0")
    replica.wait(10)
    replica.end(running)
    assert replica.running == [gold]
    replica.end(gold)
    assert replica.running == [mine]
    assert not replica.is_reserved(mine)
    assert replica.dispatch[mine].reservation is None


def test_a_prepaid_balance_that_is_used_up_guarantees_nothing_until_its_period_turns() -> None:
    declared = {"prepaid": {"serviceTokens": 100, "period": "Hour", "serviceTokensPerSecond": 300}}
    replica = reserved(declared=declared)
    within = replica.send("bronze-0", 100)
    replica.end(within)
    replica.wait(2_000)
    after = replica.send("bronze-0", 100)
    replica.end(after)
    replica.wait(3_600_000 - 2_001)
    before_the_turn = replica.send("bronze-0")
    replica.end(before_the_turn)
    replica.wait(1)
    turned = replica.send("bronze-0")
    partitions = [replica.is_reserved(one) for one in (within, after, before_the_turn, turned)]
    assert partitions == [True, False, False, True]


def test_a_clock_that_was_far_ahead_does_not_keep_a_prepaid_period_open() -> None:
    declared = {"prepaid": {"serviceTokens": 100, "period": "Hour", "serviceTokensPerSecond": 300}}
    replica = Replica()
    replica.core.tick(0, WALL + timedelta(days=365))
    replica.replan(reservations=[reservation(declared=declared)])
    replica.tick()
    replica.end(replica.send("bronze-0", 100))
    replica.wait(2 * 3_600_000)
    assert replica.is_reserved(replica.send("bronze-0"))


def test_a_prepaid_balance_pays_for_what_its_tenant_borrows_too() -> None:
    declared = {"prepaid": {"serviceTokens": 300, "period": "Hour", "serviceTokensPerSecond": 300}}
    replica = reserved(declared=declared)
    for _ in range(3):
        replica.end(replica.send("bronze-0", 160))  # the second and third are beyond the rate
    replica.wait(5_000)
    assert not replica.is_reserved(replica.send("bronze-0"))


def test_what_runs_when_a_prepaid_balance_is_used_up_is_drawn_from_the_next_one() -> None:
    """300 are served of 100: what the next hour brings is used up as well, and the one after."""
    declared = {"prepaid": {"serviceTokens": 100, "period": "Hour", "serviceTokensPerSecond": 300}}
    contract = reservation(declared=declared, burstWindowMilliseconds=10_000)
    replica = Replica(3, reservations=[contract])
    for request in replica.many(3, "bronze-0", 100):
        assert replica.is_reserved(request)
    for request in list(replica.running):
        replica.end(request)
    served = []
    for _ in range(3):
        replica.wait(3_600_000)
        replica.tick()
        request = replica.send("bronze-0", 0)
        served.append(replica.is_reserved(request))
        replica.end(request)
    assert served == [False, False, True]


def test_refunds_of_old_work_give_a_tenant_of_a_reservation_no_head_start() -> None:
    contract = reservation(tenants=["bronze-0", "bronze-1"], granted=10**6)
    replica = Replica(2, reservations=[contract])
    old = replica.send("bronze-0", 1000)
    running = replica.send("bronze-1", 10)
    for _ in range(150):
        replica.send("bronze-1", 10)
        replica.end(running)
        running = next(one for one in replica.running if one != old)
    replica.many(20, "bronze-0", 10)
    replica.many(20, "bronze-1", 10)
    replica.end_at_a_cost_of(old, 1, 1000)
    assert replica.drain(20).count("bronze-0") <= 12
