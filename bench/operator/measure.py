"""What is measured of an operator on a fleet that stands: warm start, changes, idleness."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench.operator import scenario, stage
from bench.operator.process import Rest, running
from bench.operator.stage import Stage
from e2e.progress import Step
from tierfleet.kube.client import Client
from tierfleet.kube.cluster import Query
from tierfleet.kube.resources import DISRUPTION_BUDGETS, POOLS, RESERVATIONS, SECRETS, Key, Raw
from tierfleet.manifests import names

CHANGE_SECONDS: Final = 60.0
"""After which a change that has not arrived is an error."""


@dataclass(frozen=True)
class Found:
    """The figures of one size.

    Attributes:
        warm_seconds: from the start of the process until every object was looked at.
        warm_writes: that it made meanwhile; 0 if all was as it should be.
        warm_cpu: processor seconds of that.
        changes: seconds from the request that changes a spec to the child that has it.
        change_cpu: processor seconds of the operator for each of them, without what idleness takes.
        idle_requests: other than watches and renewals of the Lease.
        idle_seconds: in which these came.
        idle_cpu: part of a core that idleness takes.
        rss_megabytes: the most that it ever had.
    """

    pools: int
    warm_seconds: float
    warm_writes: int
    warm_cpu: float
    changes: tuple[float, ...]
    change_cpu: float
    idle_requests: int
    idle_seconds: float
    idle_cpu: float
    rss_megabytes: float


def measure(
    on: Stage, folder: Path, *, changes: int, idle_seconds: float, console: Console
) -> Found:
    """Start an operator on the fleet and look at it."""
    size = on.size
    with running(on.cluster, size, folder / "measured.log") as operator:
        console.print("Warm start.", highlight=False)
        warm = operator.rest(
            inferencepool=size.pools,
            tierpolicy=size.policies,
            capacityreservation=size.reservations,
        )
        writes = int(operator.figures()["tierfleet_operator_writes_total"])
        begin = Rest(time.monotonic() - operator.started, operator.cpu_seconds())
        seconds = asyncio.run(_change(on, changes, console))
        end = operator.rest()
        asked, cpu = len(list(operator.asked())), operator.cpu_seconds()
        _sleep(idle_seconds, console)
        idle_cpu = (operator.cpu_seconds() - cpu) / idle_seconds
        idle = idle_cpu * (end.seconds - begin.seconds)
        return Found(
            pools=size.pools,
            warm_seconds=warm.seconds,
            warm_writes=writes,
            warm_cpu=warm.cpu_seconds,
            changes=tuple(seconds),
            change_cpu=(end.cpu_seconds - begin.cpu_seconds - idle) / changes,
            idle_requests=len(list(operator.asked())) - asked,
            idle_seconds=idle_seconds,
            idle_cpu=idle_cpu,
            rss_megabytes=operator.peak_megabytes(),
        )


def _sleep(seconds: float, console: Console) -> None:
    with Step("idle seconds", round(seconds), console) as step:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(1.0, left))
            step.advance("", 1)


async def _change(on: Stage, count: int, console: Console) -> list[float]:
    """Change pools and reservations in turn, one after the other; seconds until each is applied."""
    chooser = random.Random(0)  # noqa: S311 - a sample
    seconds = []
    async with stage.client(on.cluster) as api:
        with Step("changes", count, console) as step:
            for turn in range(count):
                pool = chooser.randrange(on.size.pools)
                change = (_change_budget, _change_contract)[turn % 2]
                try:
                    async with asyncio.timeout(CHANGE_SECONDS):
                        seconds.append(await change(api, pool))
                except TimeoutError:
                    raise RuntimeError(
                        f"A change of {scenario.pool_name(pool)} had not arrived after "
                        f"{CHANGE_SECONDS:g} s; see measured.log."
                    ) from None
                step.advance(scenario.pool_name(pool))
    return seconds


async def _change_budget(api: Client, pool: int) -> float:
    """Another `disruption.maxUnavailable`, which the PodDisruptionBudget has to have."""
    space, name = scenario.namespace(pool), scenario.pool_name(pool)
    before = await api.get(POOLS, (space, name))
    at_once = 3 - before["spec"].get("disruption", {}).get("maxUnavailable", 1)
    wanted = scenario.REPLICAS - at_once

    def applied(child: Raw) -> bool:
        return bool(child["spec"].get("minAvailable") == wanted)

    change = [{"op": "add", "path": "/spec/disruption", "value": {"maxUnavailable": at_once}}]
    return await _until_applied(
        api,
        lambda: api.patch(POOLS, (space, name), change),
        Query(DISRUPTION_BUDGETS, space, fields=f"metadata.name={names.disruption_budget(name)}"),
        applied,
    )


async def _change_contract(api: Client, pool: int) -> float:
    """Another burst of a reservation, which the plan has to have."""
    space, name = scenario.namespace(pool), scenario.pool_name(pool)
    key: Key = (space, f"{name}-0")
    before = await api.get(RESERVATIONS, key)
    milliseconds = 150 - before["spec"]["burst"]["windowMilliseconds"]
    index = names.plan_index(name)
    version = (await api.get(SECRETS, (space, index)))["metadata"]["resourceVersion"]

    def applied(child: Raw) -> bool:
        return bool(child["metadata"]["resourceVersion"] != version)

    path = "/spec/burst/windowMilliseconds"
    change = [{"op": "replace", "path": path, "value": milliseconds}]
    return await _until_applied(
        api,
        lambda: api.patch(RESERVATIONS, key, change),
        Query(SECRETS, space, fields=f"metadata.name={index}"),
        applied,
    )


async def _until_applied(
    api: Client,
    change: Callable[[], Awaitable[Any]],
    where: Query,
    applied: Callable[[Raw], bool],
) -> float:
    async with _watching(api, where, applied) as seen:
        start = time.monotonic()
        await change()
        await seen.wait()
        return time.monotonic() - start


@asynccontextmanager
async def _watching(
    api: Client, where: Query, applied: Callable[[Raw], bool]
) -> AsyncIterator[asyncio.Event]:
    """An event that is set once an object that is there looks as wanted."""
    page = await api.page(where)
    seen = asyncio.Event()

    async def follow() -> None:
        async with aclosing(api.watch(where, page.resource_version)) as events:
            async for event in events:
                if event.type != "BOOKMARK" and applied(event.object):
                    seen.set()
                    return

    following = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
