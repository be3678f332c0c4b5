"""Events that should not have been, clocks that go back, and new plans."""

from typing import Any

from tests.unit.admission.replica import Replica, reservation, tiers
from tierfleet.admission.types import Outcome, Progress, ShedReason

SECOND = 1_000_000_000

# Ids and clocks


def test_unknown_ids_change_nothing() -> None:
    replica = Replica()
    replica.send("gold-0")
    before = replica.core.load()
    for request in (-1, 0, 99):
        replica.take(replica.core.first_byte(0, request))
        replica.progress(Progress(request, output_tokens=5))
        replica.take(replica.core.finish(0, request, Outcome.COMPLETED))
        replica.take(replica.core.abort(0, request))
    assert replica.core.load() == before


def test_a_request_that_ends_twice_frees_its_seat_once() -> None:
    replica = Replica(2)
    first, _ = replica.many(2, "gold-0")
    replica.end(first)
    for _ in range(3):
        replica.take(replica.core.finish(0, first, Outcome.COMPLETED))
        replica.take(replica.core.abort(0, first))
    replica.many(5, "gold-0")
    assert len(replica.running) == 2
    assert list(replica.settled) == [first]


def test_a_request_that_waits_cannot_end_in_the_engine() -> None:
    replica = Replica()
    replica.send("gold-0")
    waiting = replica.send("gold-0")
    replica.take(replica.core.finish(0, waiting, Outcome.COMPLETED))
    replica.end_oldest()
    assert replica.running == [waiting]


def test_a_clock_that_goes_back_stands_still() -> None:
    replica = Replica()
    running = replica.send("gold-0")
    replica.wait(10_000)
    replica.tick()
    replica.now = 0
    waiting = replica.send("gold-0")
    replica.now = 11 * SECOND
    replica.end(running)
    assert replica.dispatch[waiting].waited == SECOND


def test_a_guarantee_earns_nothing_twice_when_the_clock_goes_back() -> None:
    replica = Replica(reservations=[reservation()])
    replica.end(replica.send("bronze-0", 450))  # 300 behind: 1 s
    replica.wait(900)
    replica.tick()
    replica.now = 0
    replica.tick()
    replica.now = 900_000_000
    assert not replica.is_reserved(replica.send("bronze-0", 0))


# New plans


def test_a_reservation_that_is_deleted_and_made_again_finds_its_debt() -> None:
    plans = [reservation()]
    replica = Replica(reservations=plans)
    replica.end(replica.send("bronze-0", 450))
    replica.replan()
    replica.replan(reservations=plans)
    early = replica.send("bronze-0", 0)
    assert not replica.is_reserved(early)
    replica.end(early)
    replica.wait(1_000)
    assert replica.is_reserved(replica.send("bronze-0"))


def test_what_was_prepaid_is_not_filled_up_by_a_plan_without_it() -> None:
    declared = {"prepaid": {"serviceTokens": 100, "period": "Hour", "serviceTokensPerSecond": 300}}
    plans = [reservation(declared=declared)]
    replica = Replica(reservations=plans)
    spent = replica.send("bronze-0", 100)
    replica.end_at_a_cost_of(spent, 100, 100)
    replica.replan()
    replica.replan(reservations=plans)
    assert not replica.is_reserved(replica.send("bronze-0"))


def test_another_reservation_begins_with_its_burst() -> None:
    replica = Replica(reservations=[reservation()])
    replica.end(replica.send("bronze-0", 450))
    replica.replan(reservations=[reservation("other")])
    assert replica.is_reserved(replica.send("bronze-0"))


def test_a_changed_rate_converts_no_debt() -> None:
    """300 behind is half a second at twice the rate."""
    replica = Replica(reservations=[reservation()])
    replica.end(replica.send("bronze-0", 450))
    replica.replan(reservations=[reservation(granted=600)])
    replica.wait(499)
    early = replica.send("bronze-0", 0)
    assert not replica.is_reserved(early)
    replica.end(early)
    replica.wait(1)
    assert replica.is_reserved(replica.send("bronze-0"))


def test_what_waits_is_served_by_a_reservation_that_is_new() -> None:
    replica = Replica()
    running = replica.send("gold-0")
    mine = replica.send("bronze-0")
    replica.send("gold-0")
    replica.replan(reservations=[reservation()])
    replica.end(running)
    assert replica.running == [mine]
    assert replica.is_reserved(mine)


def test_what_waits_for_a_reservation_that_is_gone_competes_in_its_tier() -> None:
    replica = Replica(reservations=[reservation()])
    running = replica.send("gold-0")
    mine = replica.send("bronze-0")
    gold = replica.send("gold-0")
    replica.replan()
    replica.end(running)
    assert replica.running == [gold]
    replica.end(gold)
    assert replica.running == [mine]
    assert not replica.is_reserved(mine)


def test_overflow_moves_to_the_tier_that_a_new_plan_names() -> None:
    spill = reservation(tenants=["gold-0"], granted=1)
    replica = Replica(reservations=[spill])
    replica.end(replica.send("gold-0", 1000))
    running = replica.send("gold-1")
    overflow = replica.send("gold-0")
    silver = replica.send("silver-0")
    moved = {"spillover": {"action": "Shared", "tier": "bronze"}}
    replica.replan(reservations=[spill | moved])
    replica.end(running)
    assert replica.running == [silver]
    replica.end(silver)
    assert replica.dispatch[overflow].tier == "bronze"


def test_more_seats_are_filled_and_fewer_are_not_taken_from_anybody() -> None:
    replica = Replica(2)
    replica.many(6, "gold-0")
    replica.replan(seats=4)
    assert len(replica.running) == 4
    replica.replan(seats=1)
    assert not replica.thrown
    for _ in range(4):
        assert len(replica.waiting) == 2
        replica.end_oldest()
    assert len(replica.waiting) == 1


def test_a_tier_that_is_gone_still_serves_what_waits_in_it() -> None:
    replica = Replica()
    running = replica.send("gold-0")
    left = replica.send("bronze-0")
    names = {"gold": 100, "silver": 50}
    replica.replan(
        tiers=[{"name": name, "priority": number} for name, number in names.items()],
        tenants=[{"name": "gold-0", "tier": "gold"}],
    )
    replica.end(running)
    assert replica.running == [left]
    assert replica.dispatch[left].tier == "bronze"
    refused = replica.send("bronze-0")
    assert replica.reason(refused) is ShedReason.UNKNOWN_TENANT


def test_a_tier_that_is_gone_still_counts_what_its_reservation_has_waiting() -> None:
    replica = Replica(reservations=[reservation()])
    running = replica.send("gold-0")
    left = replica.send("bronze-0")
    replica.replan(
        tiers=[{"name": "gold", "priority": 100}], tenants=[{"name": "gold-0", "tier": "gold"}]
    )
    replica.end(running)
    assert replica.dispatch[left].tier == "bronze"


def test_what_comes_back_to_a_reservation_counts_though_its_tenant_has_left_it() -> None:
    """c is owed again after 3.3 s, d after 2 s; then all of c's cost comes back."""
    wait = {"burstWindowMilliseconds": 0, "maxWaitMilliseconds": 10_000}
    d = reservation("d", tenants=["bronze-1"], granted=100, **wait)
    c = reservation("c", tenants=["bronze-0", "silver-0"], **wait)
    replica = Replica(2, reservations=[c, d])
    leaver = replica.send("bronze-0", 1000)
    replica.send("bronze-1", 200)
    replica.replan(reservations=[c | {"tenants": ["silver-0"]}, d])
    owed = replica.send("silver-0")
    replica.send("bronze-1")
    replica.send("gold-0")
    replica.wait(500)
    replica.end_at_a_cost_of(leaver, 10, 1000)
    assert replica.started[-1] == owed
    assert replica.is_reserved(owed)


def test_a_new_plan_keeps_what_a_reservation_has_waiting() -> None:
    """170 of the 165 that can start in time wait: the rest finds a full queue, before and after."""
    plan: dict[str, Any] = {
        "tiers": tiers(bronze={"queue": {"maxRequests": 0}}),
        "reservations": [reservation()],
    }
    replica = Replica(**plan)
    running = replica.send("gold-0")
    mine = replica.send("bronze-0", 170)
    before = replica.send("bronze-0")
    replica.replan(**plan)
    after = replica.send("bronze-0")
    assert list(replica.shed) == [before, after]
    replica.end(running)
    assert replica.running == [mine]
    assert replica.is_reserved(mine)


def test_what_no_longer_fits_the_engine_is_turned_away_and_holds_up_nobody() -> None:
    replica = Replica(4)
    running = replica.send("gold-0", sequences=4)
    large = replica.send("gold-0", sequences=4)
    small = replica.send("gold-0")
    replica.replan(seats=2)
    assert list(replica.shed) == [large]
    assert replica.reason(large) is ShedReason.TOO_MANY_SEATS
    replica.end(running)
    assert replica.running == [small]


def test_a_changed_limit_is_obeyed_at_once() -> None:
    replica = Replica(4)
    replica.send("gold-0")
    replica.replan(tiers=tiers(gold={"limits": {"requestsPerMinute": 1}}))
    replica.send("gold-0")
    refused = replica.send("gold-0")
    assert replica.reason(refused) is ShedReason.REQUEST_LIMIT
    assert replica.shed[refused].retry_after == 60 * SECOND


def test_a_new_plan_leaves_what_tenants_have_had_as_it_was() -> None:
    replica = Replica()
    replica.send("gold-0", 1000)
    replica.many(9, "gold-0", 100)
    replica.many(9, "gold-1", 100)
    replica.replan()
    assert replica.drain(8).count("gold-1") == 8


def test_a_place_in_a_tier_that_was_gone_for_a_while_is_in_that_tier() -> None:
    both = tiers()
    replica = Replica(tiers=both)
    replica.end(replica.send("gold-0", tier="silver"))
    replica.replan(tiers=[both[0], both[2]], tenants=[{"name": "gold-0", "tier": "gold"}])
    replica.replan(tiers=both)
    again = replica.send("gold-0", tier="silver")
    assert replica.dispatch[again].tier == "silver"


def test_what_waits_expires_wherever_plans_have_moved_its_tenant() -> None:
    known = {name: {"name": name, "priority": at} for name, at in (("a", 2), ("b", 1), ("c", 0))}

    def plan(names: str, tier: str) -> dict[str, Any]:
        return {
            "tiers": [known[name] for name in names],
            "tenants": [{"name": "x", "tier": tier}, {"name": "y", "tier": "c"}],
            "reservations": [reservation(tenants=["x"])],
        }

    replica = Replica(**plan("abc", "a"))
    replica.end(replica.send("x", tier="b"))
    replica.send("y")
    waiting = replica.send("x")
    for names, tier in (("bc", "b"), ("bc", "c"), ("c", "c")):
        replica.replan(**plan(names, tier))
    replica.wait(30_000)
    assert waiting in replica.shed


# Tenants that are idle


def test_tenants_that_are_idle_are_forgotten_and_lose_nothing_by_it() -> None:
    replica = Replica(tiers=tiers(gold={"limits": {"requestsPerMinute": 2}}))
    replica.end(replica.send("gold-0"))
    for _ in range(3):
        replica.tick()
    headroom = replica.core.headroom(replica.now, "gold-0")
    assert headroom.requests is not None
    assert headroom.requests.remaining == 1


def test_a_plan_that_changes_the_rate_of_a_prepaid_balance_does_not_fill_it_up() -> None:
    prepaid = {"serviceTokens": 100, "period": "Hour", "serviceTokensPerSecond": 300}
    replica = Replica(reservations=[reservation(declared={"prepaid": prepaid})])
    spent = replica.send("bronze-0", 100)
    replica.end_at_a_cost_of(spent, 100, 100)
    changed = {"prepaid": {**prepaid, "serviceTokensPerSecond": 301}}
    replica.replan(reservations=[reservation(declared=changed)])
    assert not replica.is_reserved(replica.send("bronze-0"))


def test_a_plan_without_a_tenant_gives_it_no_new_limits() -> None:
    limited = tiers(gold={"limits": {"requestsPerMinute": 2}})
    few = [{"name": "gold-1", "tier": "gold"}]
    replica = Replica(9, tiers=limited)
    for request in replica.many(2, "gold-0"):
        replica.end(request)
    replica.replan(tiers=limited, tenants=few)
    replica.replan(tiers=limited)
    assert replica.send("gold-0") in replica.shed


def test_what_a_tenant_was_served_goes_with_it_to_another_tier() -> None:
    moved = [
        {"name": "gold-0", "tier": "silver"},
        {"name": "silver-0", "tier": "silver"},
        {"name": "gold-1", "tier": "gold"},
    ]
    replica = Replica()
    replica.end(replica.send("silver-0"))
    running = replica.send("gold-1")
    replica.end_at_a_cost_of(running, 10, 10)
    replica.end(replica.send("gold-0", 1000))
    replica.replan(tenants=moved)
    running = replica.send("gold-1")
    replica.many(3, "gold-0")
    replica.many(3, "silver-0")
    replica.end(running)
    assert replica.drain(2) == ["silver-0", "silver-0"]


def test_what_waits_goes_with_its_tenant_to_another_tier() -> None:
    moved = [{"name": "gold-0", "tier": "bronze"}, {"name": "silver-0", "tier": "silver"}]
    replica = Replica()
    running = replica.send("silver-0")
    mine, other = replica.send("gold-0"), replica.send("silver-0")
    replica.replan(tenants=moved)
    replica.end(running)
    assert replica.running == [other]
    replica.end(other)
    assert replica.dispatch[mine].tier == "bronze"


def test_what_waits_for_a_reservation_goes_with_its_tenant_to_another_tier() -> None:
    plans = [reservation(tenants=["gold-0"])]
    replica = Replica(reservations=plans)
    running = replica.send("silver-0")
    mine = replica.send("gold-0")
    replica.replan(reservations=plans, tenants=[{"name": "gold-0", "tier": "bronze"}])
    replica.end(running)
    assert replica.is_reserved(mine)
    assert replica.dispatch[mine].tier == "bronze"


def test_a_queue_that_is_made_smaller_turns_away_what_no_longer_fits() -> None:
    replica = Replica()
    replica.many(6, "gold-0")
    replica.replan(tiers=tiers(gold={"queue": {"maxRequests": 2}}))
    assert len(replica.waiting) == 2
    assert len(replica.shed) == 3


def test_counts_that_cannot_be_are_not_believed() -> None:
    replica = Replica(reservations=[reservation()])
    request = replica.send("bronze-0", 100)
    replica.progress(Progress(request, prompt_tokens=-500, cached_tokens=900, output_tokens=1))
    replica.end(request)
    assert replica.settled[request].cost == 0
    assert replica.settled[request].billed == 0
