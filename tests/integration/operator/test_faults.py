"""At every write something goes wrong: the end is the same, and nothing is oversold in between."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e import nodes
from e2e.wait import wait_until
from e2e.world import H100, PATIENCE_SECONDS, World, policy, pool, reservation, tenant
from tests.integration.operator import answers
from tests.integration.operator.children import children
from tests.integration.operator.faulty import Deaf, Mortal, client, operate
from tests.integration.operator.oversold import nothing_oversold
from tests.integration.operator.process import running

# Who dies closes no connection.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

FIRST = {"acme": 8_400, "globex": 4_000, "hooli": 0}
"""What is granted of `small`."""

THEN = {"acme": 8_400, "globex": 9_000, "hooli": 4_000}
"""What is granted after `change`."""

MOST_WRITES = 200
QUIET_SECONDS = 3.0
"""One that has got there may still have something to tell, and should die of that too. Nothing
depends on it: whoever only takes longer is not there yet, or it is told by a fresh operator."""


def granted(world: World) -> dict[str, int]:
    return {
        name: world.status("capres", name).get("granted", 0) for name in ("acme", "globex", "hooli")
    }


def small(world: World) -> None:
    """Two replicas on two nodes; what is asked for is more than what can be sold."""
    world.cluster.add_nodes([nodes.h100(f"h100-{number}", devices=4) for number in range(3)])
    world.apply(
        policy(),
        *map(tenant, ("acme", "globex", "hooli")),
        pool("llama", 2, H100),
        reservation("acme", "llama", ["acme"], {"percent": 30}),
        reservation("globex", "llama", ["globex"], {"serviceTokensPerSecond": 4_000}),
        reservation("hooli", "llama", ["hooli"], {"serviceTokensPerSecond": 4_000}),
    )


def change(world: World) -> None:
    """A replica more, one contract larger and one smaller, and one that has to go."""
    world.apply(
        pool("llama", 3, H100),
        reservation("acme", "llama", ["acme"], {"percent": 20}),
        reservation("globex", "llama", ["globex"], {"serviceTokensPerSecond": 9_000}),
    )


def there(world: World, replicas: int, wanted: dict[str, int]) -> bool:
    return world.ready("llama", f"h100:{replicas}") and granted(world) == wanted


async def die_at_every_write(world: World, is_there: Callable[[], bool]) -> list[str]:
    """Operators that live for one write each, until one that is there finds nothing to write."""
    real, server = await client(world.cluster.kubeconfig), answers.of(world.cluster).url
    written: list[str] = []
    try:
        for _ in range(MOST_WRITES):
            cluster = Mortal(real)
            operator = asyncio.create_task(operate(cluster, world.namespace, server))
            died = asyncio.create_task(cluster.died.wait())
            ended: set[asyncio.Task[Any]] = set()
            while not ended:
                ended, _ = await asyncio.wait(
                    {operator, died}, timeout=QUIET_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if not ended and await asyncio.to_thread(is_there):
                    break
            failed = operator.done()
            for task in (operator, died):
                task.cancel()
            outcome = (await asyncio.gather(operator, died, return_exceptions=True))[0]
            assert not failed, f"the operator ended by itself: {outcome!r}"
            if cluster.wrote is None:
                return written
            written.append(cluster.wrote)
    finally:
        await real.close()
    raise AssertionError(f"it goes on writing: {Counter(written).most_common(5)}")


def check_against_a_fresh_one(world: World, log: Path) -> None:
    """An operator that was never disturbed agrees, and finds nothing to do in children."""
    before = children(world, "llama")
    versions = {s["metadata"]["name"]: s["metadata"]["resourceVersion"] for s in secrets(world)}
    with running(world.cluster, log, f"--namespace={world.namespace}", "--no-leader-elect"):
        # No child knows of the weight; once it is judged, all children have been looked at.
        world.apply(pool("llama", 3, H100, placementWeight=7), pool("other", 3, H100))
        world.wait_for_condition("tpool", "llama", "Ready", "True")
        world.wait_for_condition("tpool", "other", "Placed", "False", "InsufficientDevices")
        assert there(world, 3, THEN)
    assert children(world, "llama") == before
    assert {name.replace("/other", "/llama") for name in children(world, "other")} == before.keys()
    after = {s["metadata"]["name"]: s["metadata"]["resourceVersion"] for s in secrets(world)}
    assert after == versions


def secrets(world: World) -> list[Any]:
    return world.all("secrets", "--selector=tierfleet.dev/pool=llama")


@pytest.mark.timeout(600)
def test_operators_that_die_at_every_write_get_there_all_the_same(
    world: World, tmp_path: Path
) -> None:
    small(world)
    with nothing_oversold(world, tmp_path) as recorder:
        made = asyncio.run(die_at_every_write(world, lambda: there(world, 2, FIRST)))
        assert len(made) > 20
        change(world)
        changed = asyncio.run(die_at_every_write(world, lambda: there(world, 3, THEN)))
        assert {"apply secrets llama-plan ", "apply deployments llama-h100 "} <= {*changed}
        assert recorder.most_devices({"llama-h100": 4}) <= 12
    check_against_a_fresh_one(world, tmp_path / "log")


def test_an_operator_that_loses_answers_gets_there_all_the_same(
    world: World, tmp_path: Path
) -> None:
    async def go() -> int:
        real, server = await client(world.cluster.kubeconfig), answers.of(world.cluster).url
        cluster = Deaf(real)
        operator = asyncio.create_task(operate(cluster, world.namespace, server))
        try:
            await asyncio.to_thread(world.wait_ready, "llama", "h100:2")
            change(world)
            await asyncio.to_thread(world.wait_ready, "llama", "h100:3")
            await asyncio.to_thread(
                wait_until,
                lambda: granted(world)["globex"] == 9_000,
                timeout=PATIENCE_SECONDS,
                why="the raise to be granted",
            )
            return cluster.lost
        finally:
            assert not operator.done(), operator
            operator.cancel()
            await asyncio.gather(operator, return_exceptions=True)
            await real.close()

    small(world)
    with nothing_oversold(world, tmp_path) as recorder:
        assert asyncio.run(go()) > 20
        assert recorder.most_devices({"llama-h100": 4}) <= 12
    check_against_a_fresh_one(world, tmp_path / "log")
