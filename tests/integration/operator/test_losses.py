"""Nodes are lost while everything that can be sold is sold, and come back."""

from pathlib import Path
from typing import Any

from e2e import nodes
from e2e.wait import wait_until
from e2e.world import H100, PATIENCE_SECONDS, World, policy, pool, reservation, tenant
from tests.integration.operator.oversold import oversold, promised
from tests.integration.operator.process import Operator
from tests.integration.operator.recorder import recording

SHARE, FIRST, LAST = "share", "first", "last"


def lose(world: World, name: str) -> None:
    """The machine is gone for good, and its pods with it."""
    world.cluster.delete_nodes(name)


def wait_granted(world: World, **wanted: int) -> None:
    """Return once each reservation is granted so many service tokens/s."""

    def found() -> dict[str, Any]:
        return {name: world.status("capres", name).get("granted", 0) for name in wanted}

    wait_until(lambda: found() == wanted, timeout=PATIENCE_SECONDS, why=f"{wanted}, not {found()}")


def wait_told(world: World, name: str, reason: str) -> str:
    """The note of the one Event about the object of that reason, once it is there."""

    def told() -> list[str]:
        return world.events(name, reason)

    # It is written after the status that it is about.
    wait_until(told, timeout=PATIENCE_SECONDS, why=f"an Event {reason} about {name}")
    (note,) = told()
    return note


def test_what_is_left_is_granted_by_rule_and_everything_again_when_nodes_come_back(
    hasty: Operator, world: World, tmp_path: Path
) -> None:
    b200 = [nodes.b200(f"b200-{number}", devices=4) for number in range(2)]
    world.cluster.add_nodes([*b200, nodes.h100("h100-0"), nodes.h100("h100-1")])
    world.apply(policy(), *map(tenant, (SHARE, FIRST, LAST)), pool("llama", 6))
    world.wait_ready("llama", "b200:4 h100:2")
    # 124,000 in all, 90,000 of them sellable: everything is sold.
    for name, guarantee in (
        (SHARE, {"percent": 30}),
        (FIRST, {"serviceTokensPerSecond": 30_000}),
        (LAST, {"serviceTokensPerSecond": 22_800}),
    ):
        world.apply(reservation(name, "llama", [name], guarantee))
        world.wait_for_condition("capres", name, "Ready", "True")
    wait_granted(world, share=37_200, first=30_000, last=22_800)

    with recording(world, tmp_path) as recorder:
        # One B200 node: its two replicas find devices on H100, which are slower.
        lose(world, "b200-0")
        world.wait_ready("llama", "b200:2 h100:4")
        wait_granted(world, share=31_200, first=30_000, last=10_800)
        told = world.wait_for_condition("capres", LAST, "Degraded", "True", "CapacityLost")
        assert "10800 of 22800 service tokens/s" in told["message"]
        assert world.condition("capres", FIRST, "Degraded")["status"] == "False"
        assert world.condition("capres", LAST, "Accepted")["status"] == "True"

        # The other one too: two replicas find nothing.
        lose(world, "b200-1")
        wait_granted(world, share=16_800, first=21_000, last=0)
        told = world.wait_for_condition("capres", SHARE, "Degraded", "True", "CapacityLost")
        assert "only 4 of its 6 replicas" in told["message"]
        world.wait_for_condition("tpool", "llama", "Placed", "False", "InsufficientDevices")
        for name in (SHARE, FIRST, LAST):
            assert world.condition("capres", name, "Accepted")["status"] == "True"

        # Nothing new is accepted meanwhile, however little it is.
        world.apply(tenant("new"), reservation("new", "llama", ["new"], {"percent": 1}))
        world.wait_for_condition("capres", "new", "Accepted", "False", "InsufficientCapacity")
        world.kubectl("delete", "capres", "new")

        world.cluster.add_nodes(b200)
        world.wait_ready("llama", "b200:4 h100:2")
        wait_granted(world, share=37_200, first=30_000, last=22_800)
        for name in (SHARE, FIRST, LAST):
            world.wait_for_condition("capres", name, "Degraded", "False", "CapacitySufficient")
        # Each transition is told once, however often the numbers changed in between.
        lost, back = (wait_told(world, LAST, r) for r in ("CapacityLost", "CapacitySufficient"))
        assert lost.startswith("Degraded is True: ")
        assert "of 22800 service tokens/s" in lost
        assert back.startswith("Degraded is False: ")

        assert len(list(recorder.plans("llama"))) > 3
        assert oversold(recorder, "llama") == []


def test_what_was_refused_is_accepted_as_soon_as_a_new_node_backs_it(
    hasty: Operator, world: World, tmp_path: Path
) -> None:
    world.cluster.add_nodes([nodes.h100("h100-0")])
    world.apply(policy(), tenant("acme"), pool("llama", 4, H100))
    world.wait_for_condition("tpool", "llama", "Placed", "False", "InsufficientDevices")
    with recording(world, tmp_path) as recorder:
        # Two replicas of 14,000, one of them a spare.
        world.apply(reservation("acme", "llama", ["acme"], {"serviceTokensPerSecond": 30_000}))
        refused = world.wait_for_condition(
            "capres", "acme", "Accepted", "False", "InsufficientCapacity"
        )
        assert "12600 service tokens/s that can be sold" in refused["message"]
        assert world.status("capres", "acme")["shortBy"] == 17_400
        world.cluster.add_nodes([nodes.h100("h100-1")])
        world.wait_for_condition("capres", "acme", "Accepted", "True", "Fits")
        wait_granted(world, acme=30_000)
        assert oversold(recorder, "llama") == []
        assert max(map(promised, recorder.plans("llama"))) == 30_000
