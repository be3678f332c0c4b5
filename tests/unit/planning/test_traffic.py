"""What a request costs at the mean, and what is judged by it."""

import math
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.planning.test_reservations import reason, verdicts
from tests.unit.planning.world import (
    H100,
    NAMESPACE,
    NOTHING_KNOWN,
    NOW,
    accelerator,
    changed,
    nodes,
    plan_of,
    policy,
    pool,
    remembered,
    reservation,
    world,
    written,
)
from tierfleet.plan.parts import INDEX, split
from tierfleet.planning import traffic
from tierfleet.planning.measured import (
    FEWEST_SUB_WINDOWS,
    HIGHEST,
    MeanCost,
    Measurement,
    Sample,
    Sight,
)
from tierfleet.planning.published import Recorded
from tierfleet.planning.record import read
from tierfleet.planning.snapshot import Snapshot
from tierfleet.planning.status import summarise_pool
from tierfleet.planning.traffic import FEWEST, Served

POOL = (NAMESPACE, "pool")
RATES = "1"
"""The version that a policy's rates have unless it says otherwise."""


def sample(**changes: Any) -> Sample:
    return Sample("pod", NOW, 1000.0, 0.0, {}, {}, 2.0)._replace(**changes)


def windows(*served: tuple[float, float]) -> dict[datetime, Served]:
    """Sub-windows with so many service tokens and requests, the last one ends now."""
    last = len(served) - 1
    return {NOW - timedelta(minutes=last - n): Served(*one) for n, one in enumerate(served)}


def test_a_replica_with_room_says_what_requests_cost_and_so_does_one_in_which_none_ended() -> None:
    assert traffic.of(sample(), 60) == (60_000, 120)
    assert traffic.of(sample(requests=0.0), 60) == (60_000, 0)
    assert traffic.of(sample(served=0.0, requests=0.0), 60) == (0, 0)


@pytest.mark.parametrize("impossible", [math.nan, math.inf, -1.0, HIGHEST * 2.0])
def test_what_cannot_be_says_nothing(impossible: float) -> None:
    assert traffic.of(sample(requests=impossible), 60) is None
    assert traffic.of(sample(served=impossible), 60) is None
    assert traffic.of(sample(requests=None), 60) is None, "a sidecar that does not count them"


def test_the_mean_is_of_requests_and_not_of_sub_windows() -> None:
    """One with a single request of 100,000 tokens weighs as much as that request."""
    many = [(100_000.0, 200.0)] * 4
    found = traffic.estimate(windows((100_000, 1), *many), RATES)
    assert found == MeanCost(round(500_000 / 801), NOW, RATES)


def test_few_requests_are_no_mean_nor_is_one_moment_of_many() -> None:
    assert traffic.estimate({}, RATES) is None
    each = FEWEST / FEWEST_SUB_WINDOWS
    enough = [(1000 * each, each)] * FEWEST_SUB_WINDOWS
    assert traffic.estimate(windows(*enough), RATES) == MeanCost(1000, NOW, RATES)
    assert traffic.estimate(windows((1000 * each, each - 1), *enough[1:]), RATES) is None
    assert traffic.estimate(windows((5000 * each, 5 * each), *[(0.0, 0.0)] * 9), RATES) is None


def test_an_idle_sub_window_makes_a_mean_no_newer() -> None:
    enough = [(100_000.0, 100.0)] * FEWEST_SUB_WINDOWS
    found = traffic.estimate(windows(*enough, (0, 0)), RATES)
    assert found == MeanCost(1000, NOW - timedelta(minutes=1), RATES)


def test_a_mean_is_at_least_one_and_what_no_request_can_cost_is_none() -> None:
    cheap = [(1.0, 100.0)] * FEWEST_SUB_WINDOWS
    assert traffic.estimate(windows(*cheap), RATES) == MeanCost(1, NOW, RATES)
    dear = [(HIGHEST * 200.0, 100.0)] * FEWEST_SUB_WINDOWS
    assert traffic.estimate(windows(*dear), RATES) is None


def test_chance_makes_no_other_mean_but_a_quarter_does() -> None:
    before, later = MeanCost(1000, NOW, RATES), NOW + timedelta(hours=1)
    for same in (750, 1000, 1250):
        assert traffic.settled(before, MeanCost(same, later, RATES)) == before
    for other in (749, 1251):
        found = MeanCost(other, later, RATES)
        assert traffic.settled(before, found) == found
    assert traffic.settled(before, None) == before
    assert traffic.settled(None, before) == before


def test_what_was_counted_at_other_rates_is_no_value_any_more() -> None:
    before, found = MeanCost(1000, NOW, RATES), MeanCost(1000, NOW, "2")
    assert traffic.settled(before, found) == found
    cheap = {"version": "2", "input": "0.01", "output": "0.04"}
    remembering = written(seen(bursty(), 700))
    changed_rates = changed(remembering, policies=world(policy(burndown=cheap)).policies)
    assert plan_of(changed_rates).mean_cost == MeanCost(20, burndown="2")
    assert plan_of(seen(changed_rates, 700)).mean_cost == MeanCost(20, burndown="2")


def test_what_requests_are_assumed_to_cost_follows_the_burndown() -> None:
    rates = {"version": "2", "input": "2", "output": "10"}
    free = {"version": "3", "input": "0", "output": "0"}
    assert plan_of(world(policy(), pool())).mean_cost == MeanCost(2000, burndown=RATES)
    assert plan_of(world(policy(burndown=rates), pool())).mean_cost == MeanCost(4500, burndown="2")
    assert plan_of(world(policy(burndown=free), pool())).mean_cost == MeanCost(0, burndown="3")


def bursty() -> Snapshot:
    """A contract of which four replicas, of sixteen seats each, must start a burst of 10,000."""
    return world(
        pool("pool", accelerator(rate=10_000, engine={"maxSequences": 16}), replicas=4),
        reservation("a", 10_000, burst={"windowMilliseconds": 1000}),
        nodes=nodes(H100, 1),
    )


def seen(snapshot: Snapshot, cost: float | None, sight: Sight = Sight.CLEAR) -> Snapshot:
    mean = None if cost is None else MeanCost(cost, NOW, RATES)
    return changed(snapshot, measured={POOL: Measurement(sight, mean_cost=mean)})


def test_a_burst_is_judged_by_what_requests_cost_here() -> None:
    assert reason(bursty(), "a") == "Fits"
    small = seen(bursty(), 500)
    assert reason(small, "a") == "BurstNotBacked"
    assert "(500 service tokens each, as measured)" in verdicts(small)["a"].accepted.message


def test_what_was_accepted_is_not_judged_by_what_requests_turn_out_to_cost() -> None:
    assert reason(seen(written(bursty()), 500), "a") == "Fits"


@pytest.mark.parametrize("sight", [sight for sight in Sight if sight is not Sight.OFF])
def test_the_mean_cost_outlives_prometheus_and_the_operator(sight: Sight) -> None:
    first = plan_of(written(seen(bursty(), 700))).plan
    assert first is not None
    again = plan_of(seen(written(seen(bursty(), 700)), None, sight))
    assert again.mean_cost == MeanCost(700, NOW, RATES)
    assert again.plan == first, "and no plan moves"


def test_without_measuring_what_was_measured_is_forgotten() -> None:
    off = changed(bursty(), recorded={POOL: remembered(MeanCost(700, NOW, RATES))})
    found = written(seen(off, None, Sight.OFF))
    assert plan_of(found).mean_cost == MeanCost(2000, burndown=RATES)
    assert found.recorded_of(POOL).mean_cost is None


def test_a_damaged_record_is_none() -> None:
    document = plan_of(seen(bursty(), 700)).plan
    assert document is not None
    index = split(document)[INDEX]
    assert read(index).mean_cost == MeanCost(700, NOW, RATES)
    assert read(index.replace(b'"serviceTokens": 700', b'"serviceTokens": 0')) == Recorded()


def test_status_says_what_a_request_costs_and_where_that_comes_from() -> None:
    for snapshot, expected in (
        (bursty(), {"source": "Assumed", "serviceTokens": 2000}),
        (seen(bursty(), 700), {"source": "Measured", "since": NOW, "serviceTokens": 700}),
    ):
        status = summarise_pool(snapshot, plan_of(snapshot), NOTHING_KNOWN)
        assert status.capacity is not None
        assert status.capacity.mean_cost is not None
        found = status.capacity.mean_cost.model_dump(by_alias=True, exclude_none=True)
        assert found == expected
