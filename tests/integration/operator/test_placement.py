"""Pools on fake GPU nodes: the real API server, scheduler and controllers, the real operator."""

from pathlib import Path

from e2e import nodes
from e2e.wait import wait_until
from e2e.world import (
    B200,
    H100,
    PATIENCE_SECONDS,
    World,
    policy,
    pool,
    tenant,
)
from tests.integration.operator.process import Operator
from tests.integration.operator.recorder import recording


def test_a_pool_fills_what_it_prefers_and_goes_on_where_it_may(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(policy(), tenant("acme"), pool("llama", 6))
    fleet.wait_ready("llama", "b200:4 h100:2")
    assert sorted(name[:4] for name in fleet.nodes_of("llama")) == ["b200"] * 4 + ["h100"] * 2
    shown = fleet.kubectl("get", "tpool", "llama", "--no-headers").split()
    assert shown[:6] == ["llama", "llama", "6/6", "b200:4", "h100:2", "124000"]


def test_a_pool_moves_off_cordoned_nodes_as_far_as_devices_go_and_says_what_is_missing(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(policy(), pool("llama", 6))
    fleet.wait_ready("llama", "b200:4 h100:2")
    fleet.cluster.cordon("b200-0", "b200-1")
    fleet.kubectl("delete", "pods", "--selector=tierfleet.dev/accelerator=b200", "--wait=false")

    wait_until(
        lambda: (
            fleet.placement("llama") == "h100:4"
            and [name[:4] for name in fleet.nodes_of("llama")] == ["h100"] * 4
        ),
        timeout=PATIENCE_SECONDS,
        why="four pods on H100 and none elsewhere",
    )
    placed = fleet.wait_for_condition("tpool", "llama", "Placed", "False", "InsufficientDevices")
    assert "4 of 6 replicas" in placed["message"]
    status = fleet.status("tpool", "llama")
    missing = {a["name"]: a.get("message", "") for a in status["accelerators"]}
    assert "cordoned" in missing["b200"]
    assert "room found for 4" in missing["h100"]

    fleet.cluster.uncordon("b200-0", "b200-1")
    fleet.wait_ready("llama", "b200:2 h100:4")
    status = fleet.status("tpool", "llama")
    told = {a["name"]: a.get("message", "") for a in status["accelerators"]}
    assert "4 replicas wanted, and there is room again" in told["b200"]


def test_a_node_is_drained_one_replica_after_the_other(
    operator: Operator, world: World, tmp_path: Path
) -> None:
    world.cluster.add_nodes([nodes.h100("full"), nodes.h100("half", devices=4)])
    world.apply(policy(), pool("llama", 3, H100, load="1s"))
    world.wait_ready("llama", "h100:3")
    world.cluster.add_nodes([nodes.h100("spare")])
    with recording(world, tmp_path) as recorder:
        # Both pods of the node may go, but by the budget not at once; kubectl tries again.
        world.kubectl("drain", "full", "--delete-emptydir-data", "--timeout=60s")
        world.wait_ready("llama", "h100:3")
        wait_until(
            lambda: world.nodes_of("llama") == ["half", "spare", "spare"],
            timeout=PATIENCE_SECONDS,
            why="the replicas of the node to be on another one",
        )
        world.wait_ready("llama", "h100:3")
        assert recorder.fewest_ready("llama", 3) == 2
        assert recorder.most_devices({"llama-h100": 4}) == 12


def test_free_devices_that_no_single_node_can_give_are_not_counted(
    operator: Operator, world: World
) -> None:
    world.cluster.add_nodes([nodes.h100(f"h100-{i}", devices=3) for i in range(4)])
    world.apply(policy(), pool("llama", 1, H100))
    placed = world.wait_for_condition("tpool", "llama", "Placed", "False", "InsufficientDevices")
    assert world.pods("llama") == []
    assert "0 of 1" in placed["message"]
    world.cluster.add_nodes([nodes.h100("whole", devices=4)])
    world.wait_ready("llama", "h100:1")
    assert world.nodes_of("llama") == ["whole"]


def test_devices_that_strangers_use_are_not_granted(operator: Operator, world: World) -> None:
    world.cluster.add_nodes([nodes.h100("shared")])
    world.kubectl("create", "namespace", f"{world.namespace}-other")
    stranger = World(world.cluster, f"{world.namespace}-other")
    try:
        stranger.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "training"},
                "spec": {
                    "tolerations": [{"key": nodes.GPU, "operator": "Exists"}],
                    "containers": [
                        {
                            "name": "train",
                            "image": "train",
                            "resources": {"limits": {nodes.GPU: "5"}},
                        }
                    ],
                },
            }
        )
        wait_until(
            lambda: stranger.get("pod", "training")["spec"].get("nodeName"),
            timeout=PATIENCE_SECONDS,
            why="the stranger's pod to be bound",
        )
        world.apply(policy(), pool("llama", 1, H100))
        world.wait_for_condition("tpool", "llama", "Placed", "False", "InsufficientDevices")
        stranger.kubectl("delete", "pod", "training", "--wait=false")
        world.wait_ready("llama", "h100:1")
    finally:
        world.kubectl("delete", "namespace", stranger.namespace, "--wait=false")


def test_a_product_that_no_node_has_is_named(operator: Operator, fleet: World) -> None:
    exotic = B200 | {"name": "b300", "products": ["NVIDIA-B300"]}
    fleet.apply(policy(), pool("llama", 2, exotic))
    placed = fleet.wait_for_condition("tpool", "llama", "Placed", "False", "NoSuchAccelerator")
    assert "NVIDIA-B300" in placed["message"]


def test_two_pools_that_race_for_the_same_devices_never_ask_for_more_than_there_are(
    operator: Operator, world: World, tmp_path: Path
) -> None:
    world.cluster.add_nodes([nodes.h100("only")])
    with recording(world, tmp_path) as recorder:
        world.apply(policy(), pool("first", 2, H100), pool("second", 2, H100))
        wait_until(
            lambda: {placed(world, "first"), placed(world, "second")} == {0, 2},
            timeout=PATIENCE_SECONDS,
            why="one pool to have all devices",
        )
        winner, loser = sorted(("first", "second"), key=lambda name: -placed(world, name))
        # What runs stays where it is, whoever comes first from now on.
        world.kubectl(
            *("patch", "tpool", loser, "--type=merge"), '-p={"spec":{"placementWeight":100}}'
        )
        world.wait_for_condition("tpool", loser, "Placed", "False", "InsufficientDevices")
        assert placed(world, winner) == 2
        world.kubectl("scale", "tpool", winner, "--replicas=1")
        wait_until(
            lambda: (placed(world, winner), placed(world, loser)) == (1, 1),
            timeout=PATIENCE_SECONDS,
            why="the other pool to get what was given up",
        )
        world.kubectl("delete", "tpool", winner)
        world.wait_ready(loser, "h100:2")
        assert recorder.most_devices({"first-h100": 4, "second-h100": 4}) == 8


def placed(world: World, name: str) -> int:
    """Ready replicas of a pool on H100, all of which have a node."""
    pods = world.nodes_of(name)
    placement = world.placement(name)
    replicas = int(placement.removeprefix("h100:")) if placement.startswith("h100") else 0
    return replicas if pods == ["only"] * replicas else -1
