"""A control plane with fake nodes on which a fleet stands, made by an operator of ours."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.operator import process, scenario
from bench.operator.scenario import Size
from e2e import crds
from e2e.cluster import Cluster, start
from e2e.progress import Step
from e2e.wait import wait_until
from e2e.world import Document
from tierfleet.kube.client import Client
from tierfleet.kube.connect import connect
from tierfleet.kube.resources import (
    NAMESPACES,
    NODES,
    POLICIES,
    POOLS,
    RESERVATIONS,
    SECRETS,
)

_TYPES: Final = {
    type_.kind: type_ for type_ in (NAMESPACES, NODES, POLICIES, POOLS, RESERVATIONS, SECRETS)
}
_AT_ONCE: Final = 16
_BATCH: Final = 1_000
_PATIENCE: Final = 7_200.0
_LOOK_SECONDS: Final = 15.0
"""Between two looks at how far the fleet is: all pools are listed for one."""


@dataclass(frozen=True)
class Stage:
    """Where a fleet stands."""

    cluster: Cluster
    size: Size


@contextlib.contextmanager
def standing(size: Size, folder: Path, console: Console) -> Iterator[Stage]:
    """The fleet with all its pods ready, and no operator that runs.

    Raises:
        PartDownError: the control plane does not come up.
        AssertionError: the fleet does not.
    """
    cluster = start("bench-operator", console=console)
    try:
        crds.install(cluster)
        stage = Stage(cluster, size)
        asyncio.run(_create(stage, console))
        with process.running(cluster, size, folder / "first.log") as operator:
            _until_ready(stage, console)
            operator.rest()
        yield stage
    finally:
        cluster.stop()


@contextlib.asynccontextmanager
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    """Of the people who write the objects."""
    connection = await connect(cluster.kubeconfig)
    found = Client(connection.configuration, "bench-operator")
    try:
        yield found
    finally:
        await found.close()


async def _create(stage: Stage, console: Console) -> None:
    size = stage.size
    spaces: Iterable[Document] = (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"team-{number}"}}
        for number in range(scenario.NAMESPACES)
    )
    total = size.nodes + size.policies + size.keys + size.pools + size.reservations
    async with client(stage.cluster) as api:
        for space in spaces:
            await api.create(_TYPES["Namespace"], space)
        with Step("objects", total, console) as step:
            for documents in (scenario.gpu_nodes(size), scenario.objects(size)):
                while batch := list(islice(documents, _BATCH)):
                    await _create_all(api, batch)
                    step.advance(batch[-1]["metadata"]["name"], len(batch))


async def _create_all(api: Client, documents: list[Document]) -> None:
    waiting = iter(documents)

    async def work() -> None:
        for document in waiting:
            await api.create(_TYPES[document["kind"]], document)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            tasks.create_task(work())


def _until_ready(stage: Stage, console: Console) -> None:
    with Step("pods that are ready", stage.size.pods, console) as step:

        def ready() -> bool:
            shown = stage.cluster.kubectl(
                *("get", "tpool", "--all-namespaces", "--no-headers"),
                "--output=custom-columns=R:.status.readyReplicas",
            ).stdout.split()
            done = sum(int(each) for each in shown if each.isdigit())
            step.advance("", done - step.done)
            return done >= stage.size.pods

        why = "all pods to be ready"
        wait_until(ready, timeout=_PATIENCE, why=why, longest_pause=_LOOK_SECONDS)
