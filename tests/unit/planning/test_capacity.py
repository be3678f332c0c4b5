"""The capacity arithmetic, by hand."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.planning.world import (
    B200_THEN_H100,
    NOW,
    accelerator,
    pool,
    remembered,
    world,
)
from tierfleet.api import InferencePool
from tierfleet.api.poolstatus import CapacitySource
from tierfleet.planning import capacity
from tierfleet.planning.capacity import Capacity
from tierfleet.planning.measured import NOT_MEASURED, Measurement, Rate, Sight

DESIRED = {"b200": 4, "h100": 2}
CLEAR = Measurement(Sight.CLEAR)


def of(found: InferencePool, desired: dict[str, int], **facts: Any) -> Capacity:
    return capacity.of(found, desired, capacity.rates(world(found, **facts), found))


def test_total_is_over_desired_replicas_and_sellable_survives_the_largest() -> None:
    found = of(pool("pool", *B200_THEN_H100), DESIRED)
    assert (found.total, found.survivable, found.sellable) == (124_000, 100_000, 90_000)


@pytest.mark.parametrize(("spare", "survivable"), [(0, 124_000), (5, 14_000), (9, 14_000)])
def test_spare_replicas_are_set_aside_largest_first_but_never_the_last(
    spare: int, survivable: int
) -> None:
    found = pool("pool", *B200_THEN_H100, partitioning={"spareReplicas": spare})
    assert of(found, DESIRED).survivable == survivable


def test_sellable_is_rounded_down() -> None:
    found = pool(
        "pool", accelerator(rate=1001), partitioning={"spareReplicas": 0, "sellablePercent": 33}
    )
    assert of(found, {"h100": 1}).sellable == 330


def test_a_pool_without_replicas_has_nothing_to_sell() -> None:
    found = of(pool(), {"h100": 0})
    assert (found.total, found.survivable, found.sellable, found.unknown) == (0, 0, 0, ())


def test_what_is_not_declared_counts_nothing_and_is_named_once_it_is_used() -> None:
    found = pool("pool", accelerator(rate=1000), accelerator("tpu", "tpu-v5p-slice", rate=None))
    assert of(found, {"h100": 2, "tpu": 0}).unknown == ()
    mixed = of(found, {"h100": 2, "tpu": 3})
    assert (mixed.total, mixed.unknown) == (2000, ("tpu",))


def test_the_preferred_placement_knows_minimums_and_maximums_but_no_nodes() -> None:
    both = (accelerator("a", "A", maxReplicas=2), accelerator("b", "B", minReplicas=1))
    assert capacity.preferred(pool("pool", *both, replicas=5)) == {"a": 2, "b": 3}
    assert capacity.preferred(pool("pool", *both, replicas=2)) == {"a": 1, "b": 1}


def test_what_is_measured_wins_over_what_is_declared() -> None:
    found = pool("pool", *B200_THEN_H100)
    later = NOW + timedelta(hours=1)
    both = {"b200": Rate(20_000, NOW), "h100": Rate(10_000, later)}
    measured = of(found, DESIRED, measured={found.key: Measurement(Sight.CLEAR, both)})
    assert (measured.total, measured.source) == (100_000, CapacitySource.MEASURED)
    assert measured.since == later
    half = Measurement(Sight.CLEAR, {"b200": Rate(20_000, NOW)})
    mixed = of(found, DESIRED, measured={found.key: half})
    assert (mixed.total, mixed.source) == (108_000, CapacitySource.DECLARED)
    alone = of(found, {"b200": 4, "h100": 0}, measured={found.key: half})
    assert (alone.source, alone.since) == (CapacitySource.MEASURED, NOW)


@pytest.mark.parametrize("sight", [s for s in Sight if s is not Sight.OFF])
def test_what_was_measured_before_stays_whatever_can_be_seen_now(sight: Sight) -> None:
    found = pool("pool", *B200_THEN_H100)
    record = {found.key: remembered(b200=Rate(20_000, NOW))}
    kept = of(found, DESIRED, recorded=record, measured={found.key: Measurement(sight)})
    assert kept.total == 4 * 20_000 + 2 * 14_000


def test_without_a_prometheus_it_is_as_declared() -> None:
    found = pool("pool", *B200_THEN_H100)
    record = {found.key: remembered(b200=Rate(20_000, NOW))}
    off = {found.key: NOT_MEASURED}
    assert of(found, DESIRED, recorded=record, measured=off).total == 124_000
    assert of(found, DESIRED, recorded=record).total == 108_000, (
        "who looks on sees what is in force"
    )


def test_measuring_makes_known_what_is_not_declared() -> None:
    found = pool("pool", accelerator(rate=None))
    assert of(found, {"h100": 2}, measured={found.key: CLEAR}).unknown == ("h100",)
    rates = Measurement(Sight.CLEAR, {"h100": Rate(700, NOW)})
    known = of(found, {"h100": 2}, measured={found.key: rates})
    assert (known.total, known.unknown) == (1400, ())
