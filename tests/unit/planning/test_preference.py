"""Where a pool's replicas go when there is a choice, and when they move."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.planning.world import (
    B200,
    H100,
    NAMESPACE,
    accelerator,
    bound,
    changed,
    nodes,
    placements,
    pool,
    summaries,
    world,
)
from tierfleet.api import InferencePool
from tierfleet.planning.placement import Limit, Placement, Shortfall
from tierfleet.planning.snapshot import Snapshot

POOL = (NAMESPACE, "pool")
B200_THEN_H100 = (accelerator("b200", B200, 2), accelerator("h100", H100, 4))
BOTH = nodes(H100, 4) | nodes(B200, 2)


def running(made: InferencePool, on: dict[str, Any]) -> Snapshot:
    """A world in which the pool is placed and all its replicas are ready."""
    fleet = world(made, nodes=on)
    return bound(fleet, placements(fleet), spread=True)


def with_b200(**spec: Any) -> Snapshot:
    """Four replicas run on H100, because the B200 nodes came later."""
    return changed(
        running(pool("pool", *B200_THEN_H100, replicas=4, **spec), nodes(H100, 4)), nodes=BOTH
    )


def settled(fleet: Snapshot) -> Placement:
    return placements(fleet, settled={POOL})[POOL]


def unready(fleet: Snapshot, count: int, on: str = "h100") -> Snapshot:
    chosen = [pod.uid for pod in fleet.pods if pod.accelerator == on][:count]
    return changed(
        fleet,
        pods=tuple(replace(p, ready=p.ready and p.uid not in chosen) for p in fleet.pods),
    )


def test_replicas_stay_where_they_are_when_a_preferred_accelerator_comes_free() -> None:
    placed = placements(with_b200())[POOL]
    assert placed.summary == "h100:4"
    assert placed.movable == 4
    assert placed.accelerators[0].shortfall == Shortfall(Limit.MOVING, 4, 0)


def test_once_that_has_lasted_one_moves_and_the_next_when_it_is_ready() -> None:
    fleet = with_b200()
    seen = []
    for _ in range(4):
        placed = settled(fleet)
        seen.append(placed.summary)
        fleet = bound(fleet, {POOL: placed}, spread=True)
        loading = unready(fleet, len(fleet.pods), on="b200")
        assert settled(loading).summary == placed.summary, "none moves while one is loading"
    assert seen == ["b200:1 h100:3", "b200:2 h100:2", "b200:3 h100:1", "b200:4"]
    assert settled(fleet).movable == 0


def test_one_that_is_yet_to_be_asked_for_is_missing_as_well() -> None:
    """Its Deployment waits until the others have smaller shares (`shares.py`)."""
    fleet = with_b200()
    placed = settled(fleet)
    assert placed.summary == "b200:1 h100:3"
    gone = [pod for pod in fleet.pods if pod.accelerator == "h100"][:1]
    waits = changed(
        fleet,
        pods=tuple(pod for pod in fleet.pods if pod not in gone),
        replicas={POOL: {"b200": 0, "h100": 3}},
    )
    assert settled(waits).summary == "b200:1 h100:3"


@pytest.mark.parametrize(("at_once", "moved"), [(2, "b200:2 h100:2"), (9, "b200:4")])
def test_as_many_move_at_once_as_may_be_missing(at_once: int, moved: str) -> None:
    assert settled(with_b200(disruption={"maxUnavailable": at_once})).summary == moved


def test_a_replica_that_is_missing_anyway_moves_and_no_other() -> None:
    assert settled(unready(with_b200(), 1)).summary == "b200:1 h100:3"
    assert settled(unready(with_b200(), 3)).summary == "b200:3 h100:1"


def test_replicas_of_a_node_that_is_gone_do_not_wait() -> None:
    fleet = with_b200()
    gone = [pod for pod in fleet.pods if not pod.node or pod.node.endswith("-0")]
    left = {name: node for name, node in fleet.nodes.items() if name.startswith("nvidia-b200")}
    none = changed(fleet, nodes=left, pods=())
    assert placements(none)[POOL].summary == "b200:4"
    assert len(gone) == 1
    one = changed(
        fleet,
        nodes={name: node for name, node in fleet.nodes.items() if name != gone[0].node},
        pods=tuple(pod for pod in fleet.pods if pod not in gone),
    )
    assert placements(one)[POOL].summary == "h100:4", "a standing one finds devices of its kind"


def test_what_is_added_goes_where_the_pool_prefers_it() -> None:
    fleet = with_b200()
    more = pool("pool", *B200_THEN_H100, replicas=6)
    assert placements(changed(fleet, pools={POOL: more}))[POOL].summary == "b200:2 h100:4"


def test_what_is_taken_away_is_what_it_prefers_least() -> None:
    fleet = running(pool("pool", *B200_THEN_H100, replicas=10), BOTH)
    assert summaries(fleet) == {"pool": "b200:8 h100:2"}
    fewer = pool("pool", *B200_THEN_H100, replicas=7)
    assert placements(changed(fleet, pools={POOL: fewer}))[POOL].summary == "b200:7"


def test_a_minimum_that_is_raised_later_is_reached_by_moving_too() -> None:
    fleet = running(pool("pool", *B200_THEN_H100, replicas=4), BOTH)
    b200, h100 = B200_THEN_H100
    raised = changed(
        fleet, pools={POOL: pool("pool", b200, {**h100, "minReplicas": 2}, replicas=4)}
    )
    assert placements(raised)[POOL].summary == "b200:4"
    assert placements(raised)[POOL].movable == 2
    assert settled(raised).summary == "b200:3 h100:1"


def test_a_minimum_is_not_moved_away_from() -> None:
    b200, h100 = B200_THEN_H100
    made = pool(
        "pool", b200, {**h100, "minReplicas": 3}, replicas=4, disruption={"maxUnavailable": 4}
    )
    fleet = changed(running(made, nodes(H100, 4)), nodes=BOTH)
    assert placements(fleet)[POOL].movable == 1
    assert settled(fleet).summary == "b200:1 h100:3"


def test_a_maximum_is_not_exceeded_by_moving() -> None:
    b200, h100 = B200_THEN_H100
    made = pool(
        "pool", {**b200, "maxReplicas": 1}, h100, replicas=4, disruption={"maxUnavailable": 4}
    )
    fleet = changed(running(made, nodes(H100, 4)), nodes=BOTH)
    placed = settled(fleet)
    assert placed.summary == "b200:1 h100:3"
    assert placed.accelerators[0].shortfall == Shortfall(Limit.MAX_REPLICAS, 4, 1)


def test_devices_that_are_left_are_not_anybodys_before_the_replica_is_gone() -> None:
    fleet = with_b200(disruption={"maxUnavailable": 4})
    other = pool("other", accelerator("h100", H100, 8), replicas=1)
    both = changed(
        fleet, pools={**fleet.pools, other.key: other}, nodes=nodes(H100, 2) | nodes(B200, 2)
    )
    both = bound(both, placements(both), spread=False)
    found = placements(both, settled={POOL})
    assert found[POOL].summary == "b200:4"
    assert found[other.key].summary == "none"
