"""Replicas move to an accelerator that they prefer: late, few at a time, and only if it stays."""

from pathlib import Path

from e2e import nodes
from e2e.wait import wait_until
from e2e.world import PATIENCE_SECONDS, World, policy, pool
from tests.integration.operator.process import Operator
from tests.integration.operator.recorder import recording


def test_a_pool_moves_to_nodes_that_came_later_and_never_misses_more_than_one_replica(
    hasty: Operator, world: World, tmp_path: Path
) -> None:
    world.cluster.add_nodes([nodes.h100("h100-0"), nodes.h100("h100-1")])
    world.apply(policy(), pool("llama", 4))
    world.wait_ready("llama", "h100:4")
    with recording(world, tmp_path) as recorder:
        next(iter(recorder.states()))
        world.cluster.add_nodes([nodes.b200("b200-0"), nodes.b200("b200-1")])
        world.wait_ready("llama", "b200:4")
        wait_until(
            lambda: [name[:4] for name in world.nodes_of("llama")] == ["b200"] * 4,
            timeout=PATIENCE_SECONDS,
            why="nobody to be left on H100",
        )
        *_, last = recorder.states()
        assert last["llama-h100"]["spec"]["replicas"] == 0
        assert recorder.fewest_ready("llama", 4) == 3
