"""The simulated engine beside a real vLLM, on the same requests: the same steps in the same order.

With a KV cache too small for what the seats hold, so that both have to preempt.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

import aiohttp

from e2e.vllm import sizes
from e2e.vllm.caller import Client, counted, until_counted
from e2e.vllm.server import Vllm
from e2e.vllm.sidecar import plan, sidecar
from tierfleet.engine.config import SchedulingPolicy
from tierfleet.engine.model import Engine
from tierfleet.engine.presets import PRESETS

LENGTHS = (
    *((40, 900), (200, 700), (20, 1100), (64, 500)),
    *((500, 300), (33, 800), (120, 90), (16, 350)),
)
"""Tokens of prompt and answer by arrival; no two of these end in the same step."""


def simulated() -> tuple[list[int], int, int, float]:
    """Positions in `LENGTHS` in the order of their ends; preemptions; steps; seconds."""
    config = replace(
        PRESETS["cpu-tiny"].config,
        num_blocks=sizes.TIGHT,
        block_size=sizes.BLOCK,
        max_num_seqs=sizes.SEATS,
        scheduling_policy=SchedulingPolicy.PRIORITY,
    )
    engine = Engine(config)
    numbers = {
        engine.add(prompt, output): number for number, (prompt, output) in enumerate(LENGTHS)
    }
    ended, preemptions, steps, now = [], 0, 0, 0
    while engine.has_work:
        result = engine.step(now)
        now = result.end
        ended += [numbers[sequence] for sequence in result.finished]
        preemptions += len(result.preempted)
        steps += result.steps
    return ended, preemptions, steps, now / 1e9


async def test_the_model_takes_the_steps_that_vllm_takes(
    tight: Vllm, session: aiohttp.ClientSession
) -> None:
    before = await counted(session, tight.url)
    client = Client(session, tight.url)
    ended: list[int] = []

    async def ask(number: int, prompt: int, output: int) -> None:
        await client.ask("retail", output, prompt=prompt)
        ended.append(number)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as callers:
        for number, (prompt, output) in enumerate(LENGTHS):
            callers.create_task(ask(number, prompt, output))
    lasted = time.perf_counter() - began
    assert client.whole == client.calls
    assert [call.tokens for call in client.calls] == [output for _, output in LENGTHS]
    after = await until_idle(session, tight)
    preemptions = gained(before, after, "num_preemptions_total")
    steps = gained(before, after, "iteration_tokens_total_count")
    order, modelled_preemptions, modelled_steps, seconds = simulated()
    print(
        f"vLLM: {steps} steps, {preemptions} preemptions, {lasted:.2f} s; the model:"
        f" {modelled_steps} steps, {modelled_preemptions} preemptions, {seconds:.2f} s"
        f" ({seconds / lasted - 1:+.0%})"
    )
    assert modelled_preemptions > 0, "the cache is not tight: this compares less than it says"
    assert ended == order
    assert preemptions == modelled_preemptions
    # They all arrive at once in the model, and in the first steps of vLLM.
    assert abs(steps - modelled_steps) <= len(LENGTHS)


async def test_what_vllm_preempts_is_counted_and_is_not_lost_behind_the_sidecar(
    tight: Vllm, session: aiohttp.ClientSession
) -> None:
    before = await counted(session, tight.url)
    with sidecar(tight, plan(tight.seats)) as front:
        client = Client(session, front.url)
        async with asyncio.TaskGroup() as callers:
            for prompt, output in LENGTHS:
                callers.create_task(client.ask("retail", output, prompt=prompt))
        assert client.whole == client.calls
        assert [call.tokens for call in client.calls] == [output for _, output in LENGTHS]
        after = await until_idle(session, tight)
    preempted = gained(before, after, "num_preemptions_total")
    print(f"{preempted} preemptions behind the sidecar")
    assert preempted == gained(before, after, "request_num_preemptions_sum")
    tokens = sum(output for _, output in LENGTHS)
    assert gained(before, after, "generation_tokens_total") == tokens


async def until_idle(session: aiohttp.ClientSession, engine: Vllm) -> Mapping[str, float]:
    """What it has counted once nothing is left in it."""
    return await until_counted(session, engine.url, num_requests_running=0, num_requests_waiting=0)


def gained(before: Mapping[str, float], after: Mapping[str, float], name: str) -> int:
    """Of a counter of vLLM's."""
    return round(after[f"vllm:{name}"] - before[f"vllm:{name}"])
