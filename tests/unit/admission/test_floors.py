"""The floor of a tier (`minimumPercent`)."""

from tests.unit.admission.replica import Replica, reservation, tiers


def test_a_tier_with_a_floor_gets_it_under_a_flood_from_above() -> None:
    """10 % of 1,000 a second are 10 requests of 10 tokens."""
    replica = Replica(tiers=tiers(bronze={"minimumPercent": 10}))
    replica.many(900, "gold-0")
    replica.many(300, "bronze-0")
    for _ in range(500):
        replica.wait(10)
        replica.end_oldest()
    assert 48 <= replica.tenants().count("bronze-0") <= 57


def test_without_a_floor_a_flood_from_above_starves_a_tier() -> None:
    replica = Replica()
    replica.many(900, "gold-0")
    replica.many(300, "bronze-0")
    for _ in range(500):
        replica.wait(10)
        replica.end_oldest()
    assert "bronze-0" not in replica.tenants()


def test_a_guarantee_goes_before_a_floor() -> None:
    floors = tiers(silver={"minimumPercent": 50})
    replica = Replica(tiers=floors, reservations=[reservation()])
    running = replica.send("gold-0")
    replica.wait(100)
    floor = replica.send("silver-0")
    owed = replica.send("bronze-0")
    gold = replica.send("gold-0")
    replica.end(running)
    assert replica.running == [owed]
    replica.end(owed)
    assert replica.running == [floor]
    assert gold in replica.waiting


def test_a_floor_saves_up_half_a_second_at_most() -> None:
    """100 a second: 50 tokens after an hour, so 6 requests of 10 before the rest waits."""
    replica = Replica(tiers=tiers(bronze={"minimumPercent": 10}))
    running = replica.send("gold-0")
    replica.wait(3_600_000)
    replica.many(20, "gold-0")
    replica.many(20, "bronze-0")
    replica.end(running)
    assert replica.drain(9).count("bronze-0") + 1 == 6


def slow() -> Replica:
    """One seat, in which gold's request of 4,000 runs; a floor of 30 %, for which bronze waits."""
    patient = {"queue": {"maxWaitMilliseconds": 3_600_000}}
    replica = Replica(tiers=tiers(gold=patient, bronze={"minimumPercent": 30, **patient}))
    replica.many(200, "gold-0", 4000)
    replica.many(100, "bronze-0", 4000)
    return replica


def test_a_floor_loses_nothing_while_its_tier_waits_for_a_seat() -> None:
    """Three of ten that end every 4 s, and the first: often a seat is earned before it is free."""
    replica = slow()
    for _ in range(100):
        replica.wait(4000)
        replica.end_oldest()
    assert replica.tenants().count("bronze-0") == 31


def test_a_new_plan_takes_nothing_from_a_floor_whose_tier_waits() -> None:
    """5 s at 300 a second are 1,500: one that costs 1,400 in the end, and a head start."""
    replica = slow()
    replica.wait(5000)
    replica.replan(tiers=tiers(bronze={"minimumPercent": 30}))
    replica.end_oldest()
    replica.end_at_a_cost_of(replica.running[0], 1400, 4000)
    assert replica.tenants() == ["gold-0", "bronze-0", "bronze-0"]


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


def test_a_floor_that_becomes_owed_wakes_the_core_for_a_free_seat() -> None:
    """100 behind at 100 a second; the gold request in front needs more seats than are free."""
    replica = Replica(4, tiers=tiers(bronze={"minimumPercent": 10}))
    replica.end(replica.send("bronze-0", 150))
    replica.send("silver-0")
    replica.send("gold-0", sequences=4)
    waiting = replica.send("bronze-0")
    replica.wait(2000)
    assert waiting in replica.running
