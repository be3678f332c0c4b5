"""A sidecar that ends while a real vLLM streams through it loses nothing that it accepted."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import pytest

from e2e.vllm.caller import DEADLINE, Client, counted, until, until_counted
from e2e.vllm.server import Vllm
from e2e.vllm.sidecar import HOOK, Sidecar, plan, sidecar

WAITING = 6
TOKENS = 600


async def told_to_end(front: Sidecar) -> int | None:
    """By SIGTERM; its exit code."""
    return await asyncio.to_thread(front.engine.processes.end, front.name, DEADLINE)


async def asked_to_drain(front: Sidecar) -> int | None:
    """By the hook of a pod; 0 once the answer says that it is over."""
    hook = {"Authorization": f"Bearer {HOOK}"}
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(f"{front.admin}/drain", headers=hook) as answer,
    ):
        return 0 if await answer.json() == {"drained": True} else 1


@pytest.mark.parametrize("drain", [told_to_end, asked_to_drain])
async def test_a_drain_ends_when_all_that_was_accepted_has_its_answer(
    engine: Vllm, session: aiohttp.ClientSession, drain: Callable[[Sidecar], Awaitable[int | None]]
) -> None:
    before = await counted(session, engine.url)
    with sidecar(engine, plan(engine.seats)) as front:
        client = Client(session, front.url)
        async with asyncio.TaskGroup() as callers:
            for number in range(engine.seats + WAITING):
                callers.create_task(client.ask("retail", TOKENS + number))
            await until_counted(session, engine.url, num_requests_running=engine.seats)

            async def streaming() -> bool:
                metrics: Mapping[str, float] = await counted(session, front.url)
                waiting = metrics["vllm:num_requests_waiting"] == WAITING
                return waiting and len(client.order) == engine.seats

            await until(streaming, "streams to run and others to wait")
            assert client.whole == []
            over = asyncio.ensure_future(drain(front))

            async def not_ready() -> bool:
                async with session.get(f"{front.admin}/readyz") as answer:
                    return answer.status == 503

            await until(not_ready, "the drain to begin")
            late = await Client(session, front.url).ask("enterprise", 1)
            assert not over.done(), "it was over before all that was accepted had its answer"
        assert await over == 0
    assert late.status == 503
    assert client.whole == client.calls
    assert [call.tokens for call in client.calls] == [
        TOKENS + number for number in range(engine.seats + WAITING)
    ]
    await until_counted(
        session,
        engine.url,
        generation_tokens_total=before["vllm:generation_tokens_total"]
        + sum(call.tokens for call in client.calls),
        num_requests_running=0,
    )
