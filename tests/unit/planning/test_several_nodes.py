"""Replicas of several nodes: which places they get, and what is said where there are too few."""

from dataclasses import replace
from typing import Any

from tests.unit.planning.world import (
    B200,
    H100,
    NAMESPACE,
    NOTHING_KNOWN,
    accelerator,
    nodes,
    placements,
    plan_of,
    pool,
    replica,
    stranger,
    summaries,
    worker,
    world,
)
from tierfleet.api.conditions import Condition, find
from tierfleet.planning.capacity import preferred
from tierfleet.planning.difference import difference
from tierfleet.planning.placement import Limit, Shortfall
from tierfleet.planning.preview import preview
from tierfleet.planning.snapshot import Fault, Pod, Snapshot, Trouble
from tierfleet.planning.status import summarise_pool

KEY = (NAMESPACE, "pool")
NODE = "nvidia-h100-80gb-hbm3-{}".format


def of_two(**more: Any) -> Any:
    """An accelerator whose replicas take eight devices on each of two nodes."""
    return accelerator("h100", H100, 8, nodesPerReplica=2, **more)


def shortfall(fleet: Snapshot) -> Shortfall | None:
    return placements(fleet)[KEY].accelerators[0].shortfall


def condition(fleet: Snapshot, name: str) -> Condition:
    found = find(summarise_pool(fleet, plan_of(fleet), NOTHING_KNOWN).conditions, name)
    assert found is not None
    return found


def pair(number: int, *at: int, **changes: Any) -> tuple[Pod, Pod]:
    """The two pods of a replica, on the nodes of these numbers."""
    led, working = at
    return (
        replica("pool", "h100", NODE(led), 8, name=f"pool-h100-{number}", **changes),
        worker("pool", "h100", NODE(working), 8, name=f"pool-h100-{number}-1", **changes),
    )


def test_a_replica_takes_its_devices_on_each_of_its_nodes() -> None:
    fleet = world(pool("pool", of_two(), replicas=2), nodes=nodes(H100, 5))
    assert summaries(fleet) == {"pool": "h100:2"}
    one_more = replace(fleet, pools={KEY: pool("pool", of_two(), replicas=3)})
    assert summaries(one_more) == {"pool": "h100:2"}
    assert shortfall(one_more) == Shortfall(Limit.INSUFFICIENT_DEVICES, 3, 2, stranded=8)


def test_one_node_is_too_few_and_the_condition_says_wanted_and_found() -> None:
    fleet = world(pool("pool", of_two()), nodes=nodes(H100, 1))
    assert summaries(fleet) == {"pool": "none"}
    placed = condition(fleet, "Placed")
    assert (placed.status, placed.reason) == ("False", "InsufficientDevices")
    assert (
        "1 replica wanted with 8 nvidia.com/gpu on each of 2 nodes, room found for 0. "
        "8 more are free, which are not enough or not together."
    ) in placed.message


def test_devices_that_are_left_over_on_many_nodes_are_no_place() -> None:
    used = tuple(stranger(NODE(number), 1) for number in range(4))
    fleet = world(pool("pool", of_two()), nodes=nodes(H100, 5), pods=used)
    assert summaries(fleet) == {"pool": "none"}
    assert shortfall(fleet) == Shortfall(Limit.INSUFFICIENT_DEVICES, 1, 0, stranded=36)


def test_a_node_that_is_large_enough_may_have_two_of_its_places() -> None:
    fleet = world(pool("pool", of_two()), nodes=nodes(H100, 1, devices=16))
    assert summaries(fleet) == {"pool": "h100:1"}


def test_both_pods_of_a_replica_hold_their_devices_against_whoever_wants_them() -> None:
    rich = pool("rich", accelerator(devices=8), placementWeight=1000, age=99)
    fleet = world(pool("pool", of_two()), rich, nodes=nodes(H100, 2), pods=pair(0, 0, 1))
    assert summaries(fleet) == {"pool": "h100:1", "rich": "none"}


def test_a_worker_is_no_replica() -> None:
    fleet = world(pool("pool", of_two()), nodes=nodes(H100, 2), pods=pair(0, 0, 1, ready=True))
    status = summarise_pool(fleet, plan_of(fleet), NOTHING_KNOWN)
    assert (status.replicas, status.ready_replicas, status.ready_summary) == (1, 1, "1/1")
    alone = replace(fleet, pods=fleet.pods[1:])
    assert condition(alone, "Ready").message.startswith("0 of 1 replicas are ready")


def test_the_places_of_pods_that_leave_go_to_their_successors() -> None:
    leaving = pair(0, 0, 1, terminating=True)
    fleet = world(pool("pool", of_two()), nodes=nodes(H100, 2), pods=leaving)
    assert summaries(fleet) == {"pool": "h100:1"}
    drained = {
        name: replace(node, schedulable=name != NODE(1)) for name, node in fleet.nodes.items()
    }
    assert summaries(replace(fleet, nodes=drained)) == {"pool": "none"}


def test_a_replica_that_runs_keeps_its_place_on_a_cordoned_node() -> None:
    fleet = world(
        pool("pool", of_two()),
        nodes=nodes(H100, 2, schedulable=False),
        pods=pair(0, 0, 1),
    )
    assert summaries(fleet) == {"pool": "h100:1"}


def test_half_a_replica_is_completed_from_what_is_free_or_given_up() -> None:
    led = pair(0, 0, 1)[:1]
    fleet = world(pool("pool", of_two()), nodes=nodes(H100, 2), pods=led)
    assert summaries(fleet) == {"pool": "h100:1"}
    taken = replace(fleet, pods=(*led, stranger(NODE(1), 1)))
    assert summaries(taken) == {"pool": "none"}


def test_without_leader_worker_set_there_is_none_and_what_fits_elsewhere_runs() -> None:
    elsewhere = accelerator("b200", B200, 8, maxReplicas=1)
    wanted = pool("pool", of_two(), elsewhere, replicas=2)
    everywhere = nodes(H100, 4) | nodes(B200, 2)
    fleet = world(wanted, nodes=everywhere, leader_worker_sets=False)
    assert summaries(fleet) == {"pool": "b200:1"}
    placed = condition(fleet, "Placed")
    assert (placed.status, placed.reason) == ("False", "LeaderWorkerSetMissing")
    assert "leaderworkersets.leaderworkerset.x-k8s.io (v1)" in placed.message
    assert "Install LeaderWorkerSet 0.9" in placed.message
    assert summaries(replace(fleet, leader_worker_sets=True)) == {"pool": "h100:2"}


def test_what_runs_stays_while_leader_worker_set_is_not_there() -> None:
    """It may be there again in a moment, and whole groups would have loaded their model anew."""
    fleet = world(
        pool("pool", of_two(), replicas=2),
        nodes=nodes(H100, 4),
        pods=pair(0, 0, 1),
        leader_worker_sets=False,
    )
    assert summaries(fleet) == {"pool": "h100:1"}
    half = replace(fleet, pods=pair(0, 0, 1)[:1])
    assert summaries(half) == {"pool": "none"}


def test_a_worker_that_no_node_takes_or_that_cannot_start_is_told() -> None:
    led, working = pair(0, 0, 1)
    waiting = replace(working, node=None, unschedulable=True, message="0/2 nodes are available.")
    fleet = world(pool("pool", of_two()), nodes=nodes(H100, 2), pods=(led, waiting))
    placed = condition(fleet, "Placed")
    assert placed.reason == "Unschedulable"
    assert "pod pool-h100-0-1: 0/2 nodes" in placed.message
    crashing = replace(working, trouble=Trouble(Fault.CRASH, "engine", "1"))
    fleet = replace(fleet, pods=(led, crashing))
    assert condition(fleet, "Ready").message.startswith(
        "0 of 1 replicas are ready. Pod pool-h100-0-1 cannot start"
    )


def test_room_where_replicas_are_preferred_is_counted_in_whole_replicas() -> None:
    elsewhere = accelerator("b200", B200, 8)
    there = replica("pool", "b200", "nvidia-b200-0", 8)
    fleet = world(
        pool("pool", of_two(), elsewhere),
        nodes=nodes(H100, 1) | nodes(B200, 1),
        pods=(there,),
        replicas={KEY: {"b200": 1}},
    )
    assert placements(fleet)[KEY].movable == 0
    both = replace(fleet, nodes={**fleet.nodes, **nodes(H100, 2)})
    assert placements(both)[KEY].movable == 1
    assert placements(both, settled={KEY})[KEY].summary == "h100:1"


def test_capacity_is_of_replicas_whatever_number_of_nodes_they_take() -> None:
    wanted = pool("pool", of_two(rate=5000), replicas=3)
    assert preferred(wanted) == {"h100": 3}
    fleet = world(wanted, nodes=nodes(H100, 4))
    assert plan_of(fleet).capacity.total == 10_000


def test_a_new_template_replaces_replicas_and_names_the_pods_that_lead() -> None:
    before, after = (
        world(
            pool("pool", of_two(), engine={"image": image}),
            nodes=nodes(H100, 2),
            pods=pair(0, 0, 1),
        )
        for image in ("vllm:1", "vllm:2")
    )
    ((_, change),) = difference(preview(before), preview(after)).pools.items()
    assert [(pods.accelerator, pods.replaced, pods.pods) for pods in change.pods] == [
        ("h100", True, ("pool-h100-0",))
    ]
    assert not difference(preview(before), preview(before))


def test_other_pools_get_what_a_whole_replica_leaves() -> None:
    small = pool("small", accelerator("h100", H100, 1), replicas=99)
    fleet = world(pool("pool", of_two(), age=99), small, nodes=nodes(H100, 3))
    assert summaries(fleet) == {"pool": "h100:1", "small": "h100:8"}
