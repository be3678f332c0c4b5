"""How many replicas a pool wants with scaling mode Automatic, and what is said about it."""

import math
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.planning.world import (
    B200,
    B200_THEN_H100,
    H100,
    NAMESPACE,
    NOTHING_KNOWN,
    NOW,
    accelerator,
    bound,
    changed,
    nodes,
    placements,
    plan_of,
    policy,
    pool,
    reservation,
    world,
    written,
)
from tierfleet import plan
from tierfleet.api import InferencePool
from tierfleet.manifests import disruption
from tierfleet.planning.measured import Measurement, Rate, Sample, Sight
from tierfleet.planning.scaling import STABLE, Load, load, recommend, stabilised
from tierfleet.planning.snapshot import Snapshot
from tierfleet.planning.status import summarise_pool

POOL = (NAMESPACE, "pool")
RATES = {"h100": Rate(1000)}
FOUR = {"h100": 4}
ENTERPRISE = plan.Tier(
    name="enterprise", priority=9, objectives=plan.Objectives(queue_p99_milliseconds=100)
)


def automatic(*accelerators: Any, least: int | None = None, most: int = 8, **spec: Any) -> Any:
    bounds = {"maxReplicas": most} | ({} if least is None else {"minReplicas": least})
    return pool("pool", *accelerators, scaling={"mode": "Automatic", **bounds}, **spec)


def asked(served: float, seen: int = 4, waits: dict[str, float] | None = None) -> int | None:
    found = Load(served, {"h100": seen}, waits or {})
    return recommend(automatic(most=100), FOUR, RATES, (ENTERPRISE,), found)


def test_replicas_follow_utilisation_as_the_hpa_has_it() -> None:
    """4 replicas of 1000, target 80 %: ceil(4 x utilisation / 0.8), within 10 % of it nothing."""
    assert asked(3200) == 4
    assert asked(3500) == asked(2900) == 4, "within the tolerance"
    assert asked(3600) == 5
    assert asked(4000) == 5
    assert asked(2800) == 4
    assert asked(2400) == 3
    assert asked(0) == 0
    assert asked(10**6) == 8, "four more at a time"


def test_another_target_is_another_number() -> None:
    half = pool(
        "pool", scaling={"mode": "Automatic", "maxReplicas": 99, "targetUtilizationPercent": 50}
    )
    assert recommend(half, FOUR, RATES, (), Load(3200, FOUR, {})) == 7


def test_replicas_that_are_not_seen_are_idle_when_growing_and_busy_when_shrinking() -> None:
    assert asked(2000, seen=2) == 4, "the two others are starting"
    assert asked(400, seen=2) == 3, "the two others may be busy"
    assert asked(1000, seen=0) is None
    assert recommend(automatic(), FOUR, {"h100": Rate(0)}, (), Load(1000, FOUR, {})) is None


def test_waits_beyond_the_objective_ask_for_more_and_near_it_for_no_less() -> None:
    assert asked(3200, waits={"enterprise": 0.15}) == 6
    assert asked(3200, waits={"enterprise": 60.0}) == 8, "twice as many at a time"
    assert asked(3200, seen=2, waits={"enterprise": 60.0}) == 4, "the new ones are still starting"
    assert asked(800, waits={"enterprise": 0.1}) == 4
    assert asked(800, waits={"enterprise": 0.06}) == 4
    assert asked(800, waits={"enterprise": 0.01}) == 1
    assert asked(3200, waits={"retail": 60.0}) == 4, "it has no objective"


def test_the_load_is_of_all_replicas_and_a_wait_of_those_that_were_full_at_times() -> None:
    def sample(name: str, served: float, full: float, wait: float) -> tuple[str, Sample]:
        return "h100", Sample(name, NOW, served, full, {"enterprise": wait}, {})

    found = load(
        [
            sample("a", 100.0, 1.0, 3.0),
            sample("b", 200.0, 0.1, 1.0),
            sample("c", 300.0, 0.5, 2.0),
            sample("idle", 0.0, 0.0, 60.0),
            sample("wrong", math.nan, 1.0, 60.0),
            sample("mad", -1.0, 1.0, 60.0),
        ]
    )
    assert found == Load(600.0, {"h100": 4}, {"enterprise": 2.0})


def test_it_grows_at_once_and_shrinks_by_the_highest_of_five_minutes() -> None:
    def at(minutes: float, wish: int) -> Any:
        return NOW + timedelta(minutes=minutes), wish

    now = NOW + timedelta(minutes=6)
    assert timedelta(minutes=5) == STABLE
    assert stabilised(4, [at(0, 4), at(6, 7)], now) == 7
    assert stabilised(4, [at(0.9, 9), at(1, 3), at(3, 2), at(6, 1)], now) == 3
    assert stabilised(4, [at(5, 6), at(6, 1)], now) == 4, "it does not grow by what is over"


FLEET = nodes(B200, 2) | nodes(H100, 2)


def placed(snapshot: Snapshot, asks: int | None, **facts: Any) -> Any:
    """The pool's placement when its load asks for so many."""
    seen = {POOL: Measurement(Sight.CLEAR, replicas=asks)}
    return placements(changed(snapshot, measured=seen, **facts))[POOL]


def fleet(*objects: Any, found: InferencePool | None = None) -> Snapshot:
    found = found or automatic(accelerator(), least=2, most=6, replicas=9)
    return world(found, *objects, nodes=FLEET)


@pytest.mark.parametrize(("asks", "wanted"), [(1, 2), (2, 2), (4, 4), (6, 6), (7, 6)])
def test_the_load_decides_within_bounds_and_the_spec_does_not(asks: int, wanted: int) -> None:
    found = placed(fleet(), asks)
    assert (found.wanted, found.total) == (wanted, wanted)


def test_without_metrics_it_stays_as_it_is() -> None:
    assert placed(fleet(), None).wanted == 2, "a new pool begins with its minimum"
    for count in (2, 3, 6):
        found = placed(fleet(), None, replicas={POOL: {"h100": count}})
        assert (found.wanted, found.desired) == (count, {"h100": count})
    assert placed(fleet(), None, replicas={POOL: {"h100": 7}}).wanted == 6


def test_a_pool_that_is_not_accepted_keeps_what_it_has() -> None:
    held = changed(fleet(), policies={}, replicas={POOL: {"h100": 3}})
    found = placed(held, 6)
    assert (found.wanted, found.desired) == (3, {"h100": 3})


def test_what_was_promised_is_backed_whatever_the_load() -> None:
    """Sellable is 90 % of all replicas but the largest: 3000 take four and a spare one."""
    roomy = fleet(reservation("acme", 2900))
    roomy = written(changed(roomy, measured={POOL: Measurement(Sight.CLEAR, replicas=6)}))
    assert placed(roomy, 1).desired == {"h100": 5}
    later = changed(roomy, now=NOW)
    assert placed(later, 1) == placed(roomy, 1)
    assert placed(fleet(), 1).desired == {"h100": 2}


@pytest.mark.parametrize("before_it", ["a percent", "a floor"])
def test_what_is_served_before_a_rate_counts_when_the_rate_asks_for_replicas(
    before_it: str,
) -> None:
    """At 1000 each, 90 % sellable, 1200/s fit beside half of three and not beside half of two."""
    floor = {"minimumPercent": 50} if before_it == "a floor" else {}
    tiers = ({"name": "enterprise", "priority": 9}, {"name": "retail", "priority": 0, **floor})
    contracts = [reservation("rate", 1200, age=4)]
    if before_it == "a percent":
        contracts.append(reservation("half", "50%"))
    found = automatic(accelerator(), most=3, partitioning={"spareReplicas": 0})

    def asks(snapshot: Snapshot, replicas: int) -> Snapshot:
        return changed(snapshot, measured={POOL: Measurement(Sight.CLEAR, replicas=replicas)})

    idle = asks(written(asks(fleet(policy(*tiers), *contracts, found=found), 3)), 1)
    assert plan_of(idle).placement.total == 3
    assert {c.name: c.granted for c in plan_of(idle).plan.reservations}["rate"] == 1200  # type: ignore[union-attr]


def test_a_percent_asks_for_no_replicas_since_it_grows_with_them() -> None:
    six = {POOL: Measurement(Sight.CLEAR, replicas=6)}
    snapshot = written(changed(fleet(reservation("acme", "70%")), measured=six))
    assert placed(snapshot, 1).total == 2


def test_replicas_for_a_promise_come_before_its_term_by_the_time_that_they_load() -> None:
    term = {"start": NOW + timedelta(hours=2)}
    engine = {"image": "vllm:1", "startupTimeoutSeconds": 3600}
    found = automatic(accelerator(), least=2, most=6, engine=engine)
    six = {POOL: Measurement(Sight.CLEAR, replicas=6)}
    snapshot = fleet(reservation("acme", 2900, term=term), found=found)
    snapshot = written(changed(snapshot, measured=six))
    assert placed(snapshot, 1).total == 2
    assert placed(snapshot, 1, now=NOW + timedelta(minutes=59)).total == 2
    assert placed(snapshot, 1, now=NOW + timedelta(minutes=60)).total == 5


def test_the_promised_floor_is_of_what_is_placed_and_leaves_what_stands_where_it_is() -> None:
    """Two of 14,000 and one more: 2 x 14,000 x 90 % = 25,200; on B200 one of 24,000 would do."""
    found = automatic(*B200_THEN_H100, most=6)
    stands = {POOL: {"b200": 0, "h100": 3}}
    contract = reservation("acme", 25_000)
    big = {POOL: Measurement(Sight.CLEAR, replicas=6)}
    snapshot = written(changed(fleet(contract, found=found), measured=big))
    assert placed(snapshot, 1, replicas=stands).desired == {"b200": 0, "h100": 3}


def said(snapshot: Snapshot, replicas: int | None, sight: Sight = Sight.CLEAR) -> tuple[str, ...]:
    snapshot = changed(snapshot, measured={POOL: Measurement(sight, replicas=replicas)})
    status = summarise_pool(snapshot, plan_of(snapshot), NOTHING_KNOWN)
    (condition,) = [c for c in status.conditions if c.type == "Scaled"]
    assert "spec.replicas is not used" in condition.message
    assert "kubectl scale" in condition.message
    return condition.status, condition.reason, condition.message


def test_the_condition_says_why_it_has_so_many_and_how_to_change_that() -> None:
    status, reason, message = said(fleet(), 4)
    assert (status, reason) == ("True", "AtTarget")
    assert message.startswith("4 wanted, of 2 to 6, as load and promises ask for.")
    assert said(fleet(), 1)[:2] == ("True", "MinReplicas")
    status, reason, message = said(fleet(), 7)
    assert (status, reason) == ("False", "MaxReplicas")
    assert "raise it" in message
    assert said(fleet(), 7) == said(fleet(), 9), "no number that moves with the load"
    status, reason, message = said(fleet(), None, Sight.OFF)
    assert (status, reason) == ("Unknown", "NoMetrics")
    assert "--prometheus-url" in message
    assert "CapacityKnown" in said(fleet(), None, Sight.UNAVAILABLE)[2]
    poor = changed(fleet(), nodes=nodes(H100, 1, devices=3))
    status, reason, message = said(poor, 5)
    assert (status, reason) == ("False", "InsufficientDevices")
    assert "3 are placed" in message


def test_the_condition_says_what_promises_ask_for() -> None:
    six = {POOL: Measurement(Sight.CLEAR, replicas=6)}
    snapshot = written(changed(fleet(reservation("acme", 2900)), measured=six))
    assert said(snapshot, 1)[:2] == ("True", "Promised")
    smaller = automatic(accelerator(), least=2, most=4)
    assert said(changed(snapshot, pools={POOL: smaller}), 1)[:2] == ("False", "MaxReplicas")


def test_other_modes_have_no_such_condition() -> None:
    for found in (pool(), pool("pool", scaling={"mode": "External"})):
        snapshot = fleet(found=found)
        types = [
            c.type for c in summarise_pool(snapshot, plan_of(snapshot), NOTHING_KNOWN).conditions
        ]
        assert "Scaled" not in types


def test_status_budget_and_deployments_agree_about_the_number() -> None:
    snapshot = changed(fleet(), measured={POOL: Measurement(Sight.CLEAR, replicas=4)})
    snapshot = bound(snapshot, placements(snapshot), spread=True)
    decided = plan_of(snapshot)
    status = summarise_pool(snapshot, decided, NOTHING_KNOWN)
    assert (status.replicas, status.ready_summary) == (4, "4/4")
    budget = disruption.budget(snapshot.pools[POOL], decided.placement)
    assert budget["spec"]["minAvailable"] == 3
    poor = changed(snapshot, pods=(), nodes=nodes(H100, 1, devices=3))
    conditions = summarise_pool(poor, plan_of(poor), NOTHING_KNOWN).conditions
    assert "lower scaling.maxReplicas" in " ".join(c.message for c in conditions)


def test_a_reservation_that_does_not_fit_makes_no_pool_larger_and_says_what_would() -> None:
    (verdict,) = plan_of(fleet(reservation("acme", 2900))).reservations.values()
    assert verdict.accepted.reason == "InsufficientCapacity"
    assert "raise scaling.minReplicas" in verdict.accepted.message


def test_a_pool_that_may_grow_takes_no_prepaid_balance() -> None:
    prepaid = {"serviceTokens": 10**9, "period": "Month", "serviceTokensPerSecond": 100}
    contract = reservation("acme", {"prepaid": prepaid})
    one = automatic(accelerator(), most=1, partitioning={"spareReplicas": 0})
    (verdict,) = plan_of(fleet(contract, found=one)).reservations.values()
    assert verdict.accepted.reason == "Fits"
    (verdict,) = plan_of(fleet(contract)).reservations.values()
    assert verdict.accepted.reason == "LedgerRequired"
    assert "6 replicas" in verdict.accepted.message
