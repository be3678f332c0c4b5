"""A flood of retail in front of a real vLLM: who is served next, and does every count agree?"""

import asyncio
from collections import Counter
from collections.abc import Mapping

import aiohttp

from e2e.vllm.caller import Call, Client, counted, gone, until, until_counted
from e2e.vllm.server import Vllm
from e2e.vllm.sidecar import TIERS, Sidecar, plan, sidecar

CALLERS = 32
"""Of retail: four have a seat, the others wait."""
ASKED = 3
"""By enterprise and by pro each, one after the other."""


async def flood(session: aiohttp.ClientSession, url: str, engine: Vllm) -> tuple[Client, list[int]]:
    """Retail floods while the others come. How many of it each of these had to let pass."""
    client = Client(session, url)
    over = False

    async def retail(number: int) -> None:
        # Ends at different times, so that seats come free one by one.
        while not over:
            await client.ask("retail", 100 + 4 * number)

    async def others() -> list[Call]:
        nonlocal over
        asked = []
        for _ in range(ASKED):
            asked += [await client.ask("enterprise", 12), await client.ask("pro", 12)]
        over = True
        return asked

    async with asyncio.TaskGroup() as callers:
        for number in range(CALLERS):
            callers.create_task(retail(number))
        await until_counted(session, engine.url, num_requests_running=engine.seats)

        async def all_there() -> bool:
            # Those beyond the seats wait in the sidecar or in the engine: its data port tells both.
            metrics = await counted(session, url)
            waiting = metrics["vllm:num_requests_waiting"]
            return waiting >= CALLERS - 2 * engine.seats and len(client.order) >= engine.seats

        await until(all_there, "the flood to wait")
        asked = callers.create_task(others())
    return client, [call.overtaken for call in asked.result()]


async def test_those_above_pass_a_flood_that_holds_them_up_without_the_sidecar(
    engine: Vllm, session: aiohttp.ClientSession
) -> None:
    _, straight = await flood(session, engine.url, engine)
    before = await until_counted(
        session, engine.url, num_requests_running=0, num_requests_waiting=0
    )
    with sidecar(engine, plan(engine.seats)) as front:
        client, through = await flood(session, front.url, engine)
        await agree(session, front, client, before)
    print(f"retail's first tokens that those above let pass: straight {straight}, {through=}")
    # Whoever had a seat then, and whoever took one while the request was on its way.
    assert max(through) <= 2 * engine.seats
    assert min(straight) > max(through)


async def agree(
    session: aiohttp.ClientSession, front: Sidecar, client: Client, before: Mapping[str, float]
) -> None:
    """To the request and the token: callers, access log, metrics of the sidecar, of the engine."""
    calls = client.calls
    assert client.whole == calls, "a request was lost"
    assert len(calls) >= CALLERS + 2 * ASKED

    async def logged() -> bool:
        return len(front.log()) >= len(calls)

    await until(logged, "the access log")
    log = front.log()
    assert len({line["id"] for line in log}) == len(log) == len(calls)
    assert {line["outcome"] for line in log} == {"served"}
    assert Counter(line["tier"] for line in log) == Counter(call.tier for call in calls)
    tokens = sum(call.tokens for call in calls)
    assert sum(line["output_tokens"] for line in log) == tokens
    sidecars = await counted(session, front.admin)
    assert sidecars["tierfleet_sidecar_requests_total"] == len(calls)
    prompts = sum(line["prompt_tokens"] for line in log)
    assert sidecars["tierfleet_sidecar_tokens_total"] == prompts + tokens
    await until_counted(
        session,
        front.engine.url,
        generation_tokens_total=before["vllm:generation_tokens_total"] + tokens,
        prompt_tokens_total=before["vllm:prompt_tokens_total"] + prompts,
        request_success_total=before["vllm:request_success_total"] + len(calls),
        num_requests_running=0,
    )


async def test_seats_that_come_free_go_to_the_highest_tier_first(
    engine: Vllm, session: aiohttp.ClientSession
) -> None:
    with sidecar(engine, plan(engine.seats)) as front:
        client = Client(session, front.url)
        async with asyncio.TaskGroup() as callers:
            # One seat comes free at a time: its next holder ends long before the other three.
            held = [callers.create_task(client.ask("retail", 1900)) for _ in range(engine.seats)]
            await until_counted(session, engine.url, num_requests_running=engine.seats)
            for tier in sorted(TIERS, key=lambda name: TIERS[name]):
                for _ in range(3):
                    callers.create_task(client.ask(tier, 20))

            async def waiting() -> bool:
                metrics = await counted(session, front.url)
                return metrics["vllm:num_requests_waiting"] == 3 * len(TIERS)

            await until(waiting, "all to wait")
            assert len(client.whole) == 0
            await gone(held[0])
        assert client.order[engine.seats :] == [
            *["enterprise"] * 3,
            *["pro"] * 3,
            *["retail"] * 3,
        ]
