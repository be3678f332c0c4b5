"""What a pool gives up is another one's only when nobody asks for it any more.

No replica finds a node here: what runs holds its devices, so nobody could ask for them twice.
"""

import asyncio
from pathlib import Path

import pytest

from e2e import nodes
from e2e.wait import wait_until
from e2e.world import B200, H100, PATIENCE_SECONDS, World, policy, pool
from tests.integration.operator import answers, webhooks
from tests.integration.operator.faulty import Blind, client, operate
from tests.integration.operator.process import running
from tests.integration.operator.recorder import recording

UNBOUND = {"image": "vllm/vllm-openai:v0.32.0", "resources": {"requests": {"cpu": "10k"}}}


def asked(world: World, deployment: str) -> int | None:
    """Replicas that the Deployment asks for; None if there is no such."""
    found = world.find("deployment", deployment)
    return None if found is None else found["spec"]["replicas"]


def wait_asked(world: World, deployment: str, replicas: int | None) -> None:
    wait_until(
        lambda: asked(world, deployment) == replicas,
        timeout=PATIENCE_SECONDS,
        why=f"{deployment} to ask for {replicas}; it asks for {asked(world, deployment)}",
    )


def wait_placed(world: World, name: str, placement: str) -> None:
    """Return once the pool has been granted that, and has written what it may."""
    wait_until(
        lambda: world.placement(name) == placement,
        timeout=PATIENCE_SECONDS,
        why=f"{name} to be placed on {placement}; it is {world.status('tpool', name)}",
    )


def test_an_accelerator_that_is_taken_out_of_a_spec_is_another_ones_when_its_deployment_is_gone(
    world: World, tmp_path: Path
) -> None:
    world.cluster.add_nodes([nodes.h100("h100"), nodes.b200("b200")])
    scope = (f"--namespace={world.namespace}", "--no-leader-elect")
    with (
        running(world.cluster, tmp_path / "log", *scope),
        recording(world, tmp_path) as recorder,
    ):
        world.apply(policy(), pool("first", 2, H100, engine=UNBOUND))
        wait_asked(world, "first-h100", 2)
        world.apply(webhooks.dead(world, "DELETE", "deployments", group="apps"))
        try:
            world.apply(pool("first", 2, B200, engine=UNBOUND))
            wait_asked(world, "first-b200", 2)
            world.apply(pool("second", 2, H100, engine=UNBOUND))
            wait_placed(world, "second", "h100:2")
            assert (asked(world, "first-h100"), asked(world, "second-h100")) == (2, 0)
            world.wait_for_condition("tpool", "first", "Accepted", "True")
            held = world.wait_for_condition("tpool", "second", "Ready", "False", "DevicesHeld")
            assert "h100: pool first still asks for more such devices" in held["message"]
        finally:
            world.kubectl("delete", "validatingwebhookconfiguration", webhooks.NAME)
        wait_asked(world, "first-h100", None)
        wait_asked(world, "second-h100", 2)
        assert recorder.most_devices({"first-h100": 4, "second-h100": 4}) == 8


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_write_that_nobody_was_told_of_counts_until_the_operator_has_looked(
    world: World, tmp_path: Path
) -> None:
    async def go() -> None:
        real, server = await client(world.cluster.kubeconfig), answers.of(world.cluster).url
        cluster = Blind(real, "first-h100")
        operator = asyncio.create_task(operate(cluster, world.namespace, server))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await cluster.lost.wait()
            second = pool("second", 2, H100, engine=UNBOUND, placementWeight=9)
            await asyncio.to_thread(world.apply, second)
            await asyncio.to_thread(wait_placed, world, "second", "h100:2")
            assert (asked(world, "first-h100"), asked(world, "second-h100")) == (2, 0)
            cluster.resume.set()
            await asyncio.to_thread(wait_asked, world, "first-h100", 0)
            await asyncio.to_thread(wait_asked, world, "second-h100", 2)
        finally:
            assert not operator.done(), operator
            operator.cancel()
            await asyncio.gather(operator, return_exceptions=True)
            await real.close()

    world.cluster.add_nodes([nodes.h100("h100")])
    # The operator begins when there is all that it needs: what it writes first are two replicas.
    world.apply(policy(), pool("first", 2, H100, engine=UNBOUND))
    with recording(world, tmp_path) as recorder:
        asyncio.run(go())
        assert recorder.most_devices({"first-h100": 4, "second-h100": 4}) == 8
