"""The capacity arithmetic, by hand."""

import pytest

from tests.unit.planning.world import B200_THEN_H100, accelerator, pool
from tierfleet.planning import capacity

DESIRED = {"b200": 4, "h100": 2}


def test_total_is_over_desired_replicas_and_sellable_survives_the_largest() -> None:
    found = capacity.of(pool("pool", *B200_THEN_H100), DESIRED)
    assert (found.total, found.survivable, found.sellable) == (124_000, 100_000, 90_000)


@pytest.mark.parametrize(("spare", "survivable"), [(0, 124_000), (5, 14_000), (9, 14_000)])
def test_spare_replicas_are_set_aside_largest_first_but_never_the_last(
    spare: int, survivable: int
) -> None:
    found = pool("pool", *B200_THEN_H100, partitioning={"spareReplicas": spare})
    assert capacity.of(found, DESIRED).survivable == survivable


def test_sellable_is_rounded_down() -> None:
    found = pool(
        "pool", accelerator(rate=1001), partitioning={"spareReplicas": 0, "sellablePercent": 33}
    )
    assert capacity.of(found, {"h100": 1}).sellable == 330


def test_a_pool_without_replicas_has_nothing_to_sell() -> None:
    found = capacity.of(pool(), {"h100": 0})
    assert (found.total, found.survivable, found.sellable, found.unknown) == (0, 0, 0, ())


def test_what_is_not_declared_counts_nothing_and_is_named_once_it_is_used() -> None:
    found = pool("pool", accelerator(rate=1000), accelerator("tpu", "tpu-v5p-slice", rate=None))
    assert capacity.of(found, {"h100": 2, "tpu": 0}).unknown == ()
    mixed = capacity.of(found, {"h100": 2, "tpu": 3})
    assert (mixed.total, mixed.unknown) == (2000, ("tpu",))


def test_the_preferred_placement_knows_minimums_and_maximums_but_no_nodes() -> None:
    both = (accelerator("a", "A", maxReplicas=2), accelerator("b", "B", minReplicas=1))
    assert capacity.preferred(pool("pool", *both, replicas=5)) == {"a": 2, "b": 3}
    assert capacity.preferred(pool("pool", *both, replicas=2)) == {"a": 1, "b": 1}
