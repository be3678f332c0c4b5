"""Whatever engine and clients do, every request is remembered once and every seat comes back."""

import asyncio
import contextlib
import random
from collections import Counter

from prometheus_client import generate_latest

from tests.integration.sidecar.inside import Call, Inside, ScriptedEngine
from tests.integration.sidecar.wire import request
from tests.unit.sidecar.waiting import until

TOKEN = b'data: {"choices":[{"text":"a"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
CLIENTS = 40
REQUESTS = 8


class Unreliable:
    """An engine that fails at any point of an answer, the same way for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    async def __call__(self, call: Call) -> None:
        chance = self._random.random()
        await asyncio.sleep(self._random.random() * 0.01)
        if chance < 0.1:
            call.reset()
        elif chance < 0.2:
            await call.answer(b"{}", "500 Internal Server Error")
        elif chance < 0.5:
            await call.answer()
        else:
            await call.begin_stream()
            for _ in range(2):
                await call.chunk(TOKEN)
                await asyncio.sleep(self._random.random() * 0.005)
            if chance < 0.6:
                call.reset()
            else:
                await call.chunk(USAGE + b"data: [DONE]\n\n")
                await call.send(b"0\r\n\r\n")


async def client(inside: Inside, seed: int) -> int:
    """Sends requests and sometimes goes before the answer; how many it sent whole."""
    chance = random.Random(seed)
    sent = 0
    while sent < REQUESTS:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            async with inside.connect() as wire:
                while sent < REQUESTS:
                    wire.send(request(stream=True))
                    await wire.writer.drain()
                    sent += 1
                    if chance.random() < 0.2:
                        await asyncio.sleep(chance.random() * 0.02)
                        break
                    if not (await wire.answer()).complete:
                        break
    return sent


async def test_every_request_is_remembered_once_and_every_seat_comes_back(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    scripted.script = Unreliable(seed=1)
    sent = sum(await asyncio.gather(*(client(inside, seed) for seed in range(CLIENTS))))
    gate = inside.server._gate
    assert gate is not None
    await until(lambda: gate.in_flight == 0 and not inside.server._data.connections)
    await inside.server._journal.flush()
    # A client that goes at once may do so before its request was read.
    assert sent * 0.9 <= len(inside.log) <= sent
    ids = Counter(line["id"] for line in inside.log)
    assert max(ids.values()) == 1
    assert {line["outcome"] for line in inside.log} == {
        "served", "engine-error", "engine-lost", "client-gone",
    }  # fmt: skip
    assert all(tier.queued == tier.in_flight == 0 for tier in gate.load())
    metrics = generate_latest(inside.server.registry).decode()
    counted = sum(
        float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith("tierfleet_sidecar_requests_total{")
    )
    assert counted == len(inside.log)
    tokens = sum(line["output_tokens"] for line in inside.log)
    assert f'tokens_total{{kind="output",tenant="hobby",tier="retail"}} {tokens:.1f}' in metrics
