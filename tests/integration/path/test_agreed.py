"""What tiers and contracts say beyond a rate, applied with kubectl: what a running sidecar does.

Judged by counts, labels and order, never by how long something took.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping

import aiohttp
import pytest

from e2e import nodes
from e2e.cluster import Cluster
from e2e.demo.replicas import Replica
from e2e.fixtures import fresh_namespace
from e2e.world import (
    H100,
    Document,
    World,
    policy,
    pool,
    reservation,
    tenant,
)
from tests.integration.operator.process import running
from tests.integration.path.caller import PATIENCE_SECONDS, Caller, serving

SEATS = 4
ENDLESS = 50_000
"""Tokens that no test lives to see the end of."""


def tiers(**spec: str) -> Document:
    """Tiers that have something to say, one each, and two that have more."""
    found = policy("standard", "enterprise", "trial", "retail", "flex")
    found["spec"] |= spec
    by_name = {tier["name"]: tier for tier in found["spec"]["tiers"]}
    by_name["trial"]["limits"] = {"requestsPerMinute": 2}
    by_name["retail"]["minimumPercent"] = 10
    by_name["flex"]["preemption"] = "Anytime"
    by_name["flex"]["longContext"] = {"aboveTokens": 100, "maxConcurrentRequests": 1}
    return found


@pytest.fixture(scope="module")
def fleet(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests of the file: each has tenants of its own."""
    log = tmp_path_factory.mktemp("operator") / "log"
    with (
        fresh_namespace(cluster) as namespace,
        running(cluster, log, f"--namespace={namespace}", "--no-leader-elect"),
    ):
        world = World(cluster, namespace)
        set_up(world)
        yield world


@pytest.fixture(scope="module")
def replica(fleet: World) -> Iterator[Replica]:
    with serving(fleet) as replica:
        yield replica


def set_up(world: World) -> None:
    """One replica of a few seats, and contracts that say what is to be done beyond their rate."""
    world.cluster.add_nodes([nodes.h100("h100-0")])
    prepaid = {"serviceTokens": 300, "period": "Month", "serviceTokensPerSecond": 1000}
    world.apply(
        tiers(),
        tenant("plug"),
        tenant("hobby", "trial"),
        tenant("heavy", "retail", weight="3"),
        tenant("light", "retail"),
        tenant("batch", "flex"),
        tenant("batch-too", "flex"),
        *(tenant(name) for name in ("acme", "globex", "initech")),
        pool(
            "llama",
            1,
            H100,
            engine={"image": "vllm/vllm-openai:v0.32.0", "maxSequences": SEATS},
            partitioning={"spareReplicas": 0},
        ),
        reservation(
            "abort",
            "llama",
            ["acme"],
            {"serviceTokensPerSecond": 2000},
            lending={"reclaim": "Abort"},
        ),
        reservation(
            "spill",
            "llama",
            ["globex"],
            {"serviceTokensPerSecond": 100},
            spillover={"tier": "flex"},
        ),
        reservation("balance", "llama", ["initech"], {"prepaid": prepaid}),
    )
    for name in ("abort", "spill", "balance"):
        world.wait_for_condition("capres", name, "Ready", "True")
    world.wait_ready("llama", "h100:1")


async def gauge(http: aiohttp.ClientSession, replica: Replica, name: str, tier: str) -> int:
    """Requests of a tier that are `waiting` or `running`."""
    async with http.get(f"{replica.admin}/metrics") as answer:
        text = await answer.text()
    found = re.search(rf'^tierfleet_sidecar_{name}{{tier="{tier}"}} (\d+)', text, re.MULTILINE)
    assert found, text
    return int(found[1])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)


async def answered(
    http: aiohttp.ClientSession, replica: Replica, tenant: str, tokens: int = 2
) -> Mapping[str, str]:
    """The headers of a tenant's answer, once all of it has come."""
    async with Caller(http, replica, f"key-of-{tenant}").send(tokens=tokens) as answer:
        assert answer.status == 200, await answer.text()
        await answer.read()
        return answer.headers


class Streams:
    """Answers without an end.

    Attributes:
        begun: those that have sent something.
        cut: those that broke off.
    """

    def __init__(self, caller: Caller, number: int, words: int) -> None:
        self.begun = self.cut = 0
        self._tasks = [asyncio.create_task(self._follow(caller, words)) for _ in range(number)]

    async def _follow(self, caller: Caller, words: int) -> None:
        try:
            async with caller.send(stream=True, tokens=ENDLESS, words=words) as answer:
                first = True
                async for _ in answer.content:
                    self.begun += first
                    first = False
        except aiohttp.ClientPayloadError:
            self.cut += 1

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def endless(
    http: aiohttp.ClientSession, replica: Replica, tenant: str, tier: str, words: int = 1
) -> AsyncIterator[Streams]:
    """As many endless answers as there are seats hold all that they may; the others wait."""
    streams = Streams(Caller(http, replica, f"key-of-{tenant}"), SEATS, words)

    async def settled() -> bool:
        running = await gauge(http, replica, "running", tier)
        waiting = await gauge(http, replica, "waiting", tier)
        return running + waiting == SEATS and streams.begun == running > 0

    try:
        await until(settled)
        yield streams
    finally:
        await streams.stop()


async def order_of(
    http: aiohttp.ClientSession, replica: Replica, names: Iterable[str], waiting: Mapping[str, int]
) -> list[str]:
    """Who was answered when, of requests that first all wait in their tiers: at least so many."""
    served: list[str] = []

    async def ask(name: str) -> None:
        await answered(http, replica, name)
        served.append(name)

    async def all_wait() -> bool:
        found = [await gauge(http, replica, "waiting", tier) for tier in waiting]
        return all(one >= least for one, least in zip(found, waiting.values(), strict=True))

    async with asyncio.TaskGroup() as tasks, endless(http, replica, "plug", "enterprise"):
        for name in names:
            tasks.create_task(ask(name))
        await until(all_wait)
    return served


async def test_a_tenant_of_three_times_the_weight_is_served_three_times_as_often(
    replica: Replica, http: aiohttp.ClientSession
) -> None:
    each, looked_at = 40, 32
    served = await order_of(http, replica, ["light", "heavy"] * each, {"retail": 2 * each})
    heavy = served[:looked_at].count("heavy")
    # One seat's worth of each tenant may be on either side of the cut.
    assert abs(heavy - looked_at * 3 / 4) <= SEATS, served


async def test_a_floor_is_served_before_the_queue_of_a_higher_tier_is_empty(
    replica: Replica, http: aiohttp.ClientSession
) -> None:
    above = 40
    waiting = {"enterprise": above, "retail": 1}
    served = await order_of(http, replica, [*["plug"] * above, "light"], waiting)
    assert served.index("light") < above / 2, served


async def test_no_more_long_prompts_run_than_may_and_short_ones_pass_them(
    replica: Replica, http: aiohttp.ClientSession
) -> None:
    async with endless(http, replica, "batch", "flex", words=300) as streams:
        assert streams.begun == 1
        passes = await answered(http, replica, "batch-too")
        assert passes["x-tierfleet-tier"] == "flex"
        assert await gauge(http, replica, "waiting", "flex") == SEATS - 1


async def test_a_contract_with_abort_throws_out_what_may_be_thrown_out(
    replica: Replica, http: aiohttp.ClientSession
) -> None:
    async with endless(http, replica, "batch", "flex") as streams:
        # None of them ends by itself: without taking seats back these would wait for ever.
        asked = [answered(http, replica, "acme", tokens=100) for _ in range(SEATS)]
        found = await asyncio.gather(*asked)
        assert streams.cut > 0
    assert "reserved" in {headers["x-tierfleet-partition"] for headers in found}


async def test_beyond_its_rate_a_contract_spills_over_into_the_tier_that_it_names(
    replica: Replica, http: aiohttp.ClientSession
) -> None:
    # One of them is a second of the rate that was bought.
    asked = [answered(http, replica, "globex", tokens=20) for _ in range(8)]
    labels = [
        (headers["x-tierfleet-partition"], headers["x-tierfleet-tier"])
        for headers in await asyncio.gather(*asked)
    ]
    assert {partition for partition, _ in labels} == {"reserved", "shared"}
    assert {tier for partition, tier in labels if partition == "shared"} == {"flex"}


async def test_a_prepaid_balance_is_used_up_and_then_guarantees_nothing(
    replica: Replica, http: aiohttp.ClientSession
) -> None:
    sent = 20
    found = [await answered(http, replica, "initech", tokens=5) for _ in range(sent)]
    partitions = [headers["x-tierfleet-partition"] for headers in found]
    reserved = partitions.count("reserved")
    # 5 output tokens at 4 each alone are 20 of the 300.
    assert 0 < reserved <= 300 // 20
    assert partitions == ["reserved"] * reserved + ["shared"] * (sent - reserved)


async def test_in_shadow_no_limit_refuses_anybody_until_it_is_enforced_again(
    fleet: World, replica: Replica, http: aiohttp.ClientSession
) -> None:
    hobby = Caller(http, replica, "key-of-hobby")
    await hobby.until_status(429)
    fleet.apply(tiers(enforcement="Shadow"))
    await hobby.until_status(200)
    fleet.wait_for_condition("tpool", "llama", "Enforced", "False", "Shadow")
    fleet.wait_for_condition("capres", "abort", "Enforced", "False", "Shadow")
    for _ in range(5):
        async with hobby.send() as answer:
            assert answer.status == 200
    async with Caller(http, replica, "key-of-nobody").send() as answer:
        assert answer.status == 401
    fleet.apply(tiers())
    await hobby.until_status(429)
    fleet.wait_for_condition("tpool", "llama", "Enforced", "True", "Enforced")
