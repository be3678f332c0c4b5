"""What the sidecar takes for granted of vLLM: names of metrics, the sign of priority, aborts."""

import asyncio
from collections.abc import Mapping

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from e2e.demo.processes import tierfleet
from e2e.health import answers
from e2e.ports import free_ports
from e2e.vllm.caller import Client, counted, gone, until, until_counted
from e2e.vllm.server import MODEL, Vllm
from e2e.vllm.sidecar import TIERS, plan, sidecar
from e2e.wait import wait_until
from tierfleet.sidecar.engines.vllm import DIALECT, VLLM


async def text(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(f"{url}/metrics") as answer:
        return await answer.read()


async def test_the_metrics_say_what_the_sidecar_reads_in_them(
    engine: Vllm, session: aiohttp.ClientSession
) -> None:
    names = {DIALECT.running, DIALECT.waiting, DIALECT.kv_used, *DIALECT.tokens}
    names |= {amount.metric for amount in DIALECT.kv_size}
    families = text_string_to_metric_families((await text(session, engine.url)).decode())
    assert {name.decode() for name in names} <= {
        sample.name for family in families for sample in family.samples
    }
    client = Client(session, engine.url)
    async with asyncio.TaskGroup() as callers:
        held = [callers.create_task(client.ask("retail", 1900)) for _ in range(engine.seats + 3)]
        await until_counted(
            session, engine.url, num_requests_running=engine.seats, num_requests_waiting=3
        )
        before = VLLM.reading(await text(session, engine.url))
        assert before is not None
        assert before.tokens is not None
        seen = before.tokens

        async def moved() -> bool:
            now = VLLM.reading(await text(session, engine.url))
            return now is not None and now.tokens is not None and now.tokens > seen

        await until(moved, "its tokens to move")
        for call in held:
            await gone(call)
    assert (before.running, before.waiting) == (engine.seats, 3)
    assert 0 < before.kv_used_permille < 1000
    size = VLLM.kv_tokens(await text(session, engine.url))
    metrics = await text(session, engine.url)
    assert size is not None
    assert f'kv_cache_size_tokens="{size}"'.encode() in metrics


async def test_the_simulated_engine_calls_everything_as_vllm_does(
    engine: Vllm, session: aiohttp.ClientSession
) -> None:
    (port,) = free_ports(1)
    engine.processes.start(
        "simulated", tierfleet(), "engine", "--preset", "cpu-tiny", "--port", str(port)
    )
    try:
        wait_until(
            lambda: answers(port, tls=False, path="/health"), timeout=60, why="the simulated engine"
        )
        url = f"http://127.0.0.1:{port}"
        for one in (engine.url, url):
            body = {"prompt": "word", "max_tokens": 3, "ignore_eos": True}
            if one == engine.url:
                body["model"] = MODEL
            async with session.post(f"{one}/v1/completions", json=body) as answer:
                assert answer.status == 200
                assert (await answer.json())["usage"]["completion_tokens"] == 3
        real = kinds(await text(session, engine.url))
        simulated = kinds(await text(session, url))
    finally:
        engine.processes.end("simulated")
    assert simulated
    assert {name: real.get(name) for name in simulated} == simulated


def kinds(metrics: bytes) -> Mapping[str, tuple[str, frozenset[str]]]:
    """Type and labels of each metric of vLLM's; buckets as labels; of the cache, what is in use."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for family in text_string_to_metric_families(metrics.decode()):
        for sample in family.samples:
            if not sample.name.startswith("vllm:") or sample.name.endswith("_created"):
                continue
            labels = set(sample.labels)
            if bucket := sample.labels.get("le"):
                labels.add(str(float(bucket)))
            if sample.name == "vllm:cache_config_info":
                labels &= {"block_size", "cache_dtype", "num_gpu_blocks", "enable_prefix_caching"}
            kind, known = found.get(sample.name, (family.type, frozenset()))
            found[sample.name] = (kind, known | labels)
    return found


async def test_a_lower_number_is_sooner(engine: Vllm, session: aiohttp.ClientSession) -> None:
    client = Client(session, engine.url)
    async with asyncio.TaskGroup() as callers:
        held = [callers.create_task(client.ask("retail", 1900)) for _ in range(engine.seats)]
        await until_counted(session, engine.url, num_requests_running=engine.seats)
        for number, priority in enumerate((0, 100, -100)):
            callers.create_task(client.ask("pro", 20, label=str(priority), priority=priority))
            await until_counted(session, engine.url, num_requests_waiting=number + 1)
        await gone(held[0])
    assert client.order[engine.seats :] == ["-100", "0", "100"]


@pytest.mark.parametrize("told", [True, False])
async def test_the_tiers_of_a_plan_come_in_their_order_if_vllm_is_told(
    engine: Vllm, session: aiohttp.ClientSession, *, told: bool
) -> None:
    """The plan takes the engine for larger than it is, so that they wait in the engine."""
    arrived = sorted(TIERS, key=lambda name: TIERS[name])
    document = plan(4 * engine.seats, enginePriority=told)
    with sidecar(engine, document) as front:
        client = Client(session, front.url)
        async with asyncio.TaskGroup() as callers:
            held = [callers.create_task(client.ask("retail", 1900)) for _ in range(engine.seats)]
            await until_counted(session, engine.url, num_requests_running=engine.seats)
            for number, tier in enumerate(arrived):
                # What a caller asks of the engine itself is not for it to ask.
                callers.create_task(client.ask(tier, 20, priority=100))
                await until_counted(session, engine.url, num_requests_waiting=number + 1)
            await gone(held[0])
    assert client.order[engine.seats :] == (arrived[::-1] if told else arrived)


@pytest.mark.parametrize("through", [False, True])
@pytest.mark.parametrize("waits", [False, True])
async def test_a_caller_that_hangs_up_gives_its_place_back(
    engine: Vllm, session: aiohttp.ClientSession, *, through: bool, waits: bool
) -> None:
    before = await counted(session, engine.url)
    seats = 4 * engine.seats  # whoever waits is to wait in the engine
    with sidecar(engine, plan(seats)) as front:
        client = Client(session, front.url if through else engine.url)
        held = [
            asyncio.create_task(client.ask("retail", 1900))
            for _ in range(engine.seats + (1 if waits else 0))
        ]
        await until_counted(
            session,
            engine.url,
            num_requests_running=engine.seats,
            num_requests_waiting=1 if waits else 0,
        )
        await gone(held.pop())
        await until_counted(
            session,
            engine.url,
            num_requests_running=engine.seats - (0 if waits else 1),
            num_requests_waiting=0,
        )
        assert client.whole == [], "a request had ended: its seat was free anyway"
        for call in held:
            await gone(call)
        after = await until_counted(session, engine.url, num_requests_running=0)
        generated = after["vllm:generation_tokens_total"] - before["vllm:generation_tokens_total"]
        assert generated < 1900 * engine.seats, "nothing was cut short"
        if through:

            async def logged() -> bool:
                return len(front.log()) == len(client.calls)

            await until(logged, "the access log")
            assert {line["outcome"] for line in front.log()} == {"client-gone"}
