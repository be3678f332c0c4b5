"""A seat that is taken back: what the engine, the client and the log see of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.integration.sidecar.inside import ANSWER, Call, Inside, ScriptedEngine
from tests.integration.sidecar.wire import request
from tests.unit.sidecar.cores import Scripted
from tests.unit.sidecar.waiting import until
from tierfleet.admission.types import Abort, Decision, Dispatch, EngineLimits, Partition
from tierfleet.plan import Plan

AGAIN = Dispatch(1, "hobby", "retail", Partition.SHARED, None, 5_000_000, 0)


class Decided:
    """A sidecar whose core decides what a test says."""

    def __init__(self, scripted: ScriptedEngine, **options: Any) -> None:
        self.cores: list[Scripted] = []
        self.inside = Inside(scripted.port, make_core=self._make, **options)

    def _make(self, plan: Plan, limits: EngineLimits) -> Scripted:
        self.cores.append(Scripted(plan, limits))
        return self.cores[0]

    def decide(self, decision: Decision) -> None:
        self.cores[0].next = [decision]
        assert self.inside.server._gate is not None
        self.inside.server._gate._tick()


@pytest.fixture
async def decided(scripted: ScriptedEngine) -> AsyncIterator[Decided]:
    one = Decided(scripted)
    async with one.inside:
        yield one


async def hangs(call: Call) -> None:
    await call.hung_up()


async def begins(call: Call) -> None:
    await call.begin_stream()
    await call.chunk(b"data: 1\n\n")
    await call.hung_up()


async def test_a_request_that_waits_again_is_served_as_if_nothing_had_happened(
    scripted: ScriptedEngine, decided: Decided
) -> None:
    scripted.script = hangs
    async with decided.inside.connect() as wire:
        wire.send(request())
        await until(lambda: scripted.calls)
        decided.decide(Abort(1, requeued=True))
        assert decided.inside.server._data.in_flight == 1
        scripted.script = lambda call: call.answer()
        decided.decide(AGAIN)
        answer = await wire.answer()
        assert (answer.status, answer.body) == (200, ANSWER)
        assert answer.fields["x-tierfleet-queue-wait-ms"] == "5.0"
    assert [call.body for call in scripted.calls] == [scripted.calls[0].body] * 2
    (line,) = await decided.inside.lines(1)
    assert (line["outcome"], line["output_tokens"]) == ("served", 1)


async def test_a_request_that_is_ended_before_its_first_byte_gets_an_error(
    scripted: ScriptedEngine, decided: Decided
) -> None:
    scripted.script = hangs
    async with decided.inside.connect() as wire:
        wire.send(request())
        await until(lambda: scripted.calls)
        decided.decide(Abort(1, requeued=False))
        answer = await wire.answer()
        assert answer.status == 503
        assert answer.fields["x-llm-d-request-dropped-reason"] == "evicted-priority"
    (line,) = await decided.inside.lines(1)
    assert line["outcome"] == "evicted"


async def test_an_answer_that_is_ended_in_the_middle_is_cut(
    scripted: ScriptedEngine, decided: Decided
) -> None:
    scripted.script = begins
    async with decided.inside.connect() as wire:
        wire.send(request(stream=True))
        await wire.head()
        await wire.chunk()
        decided.decide(Abort(1, requeued=False))
        assert b"0\r\n\r\n" not in await wire.closed()
    (line,) = await decided.inside.lines(1)
    assert (line["outcome"], line["reason"], line["status"]) == ("evicted", "evicted-priority", 200)


async def test_a_client_that_goes_while_it_waits_again_is_forgotten(
    scripted: ScriptedEngine, decided: Decided
) -> None:
    scripted.script = hangs
    async with decided.inside.connect() as wire:
        wire.send(request())
        await until(lambda: scripted.calls)
        decided.decide(Abort(1, requeued=True))
    await until(lambda: decided.inside.server._data.in_flight == 0)
    decided.decide(AGAIN)
    (line,) = await decided.inside.lines(1)
    assert line["outcome"] == "client-gone"
    assert len(scripted.calls) == 1


async def test_a_request_that_is_sent_again_has_the_priority_of_the_later_decision(
    scripted: ScriptedEngine,
) -> None:
    decided = Decided(scripted, engineType="VLLM", enginePriority=True)
    scripted.script = hangs
    async with decided.inside as inside, inside.connect() as wire:
        wire.send(request())
        await until(lambda: scripted.calls)
        decided.decide(Abort(1, requeued=True))
        scripted.script = lambda call: call.answer()
        decided.decide(msgspec.structs.replace(AGAIN, priority=7))
        assert (await wire.answer()).status == 200
    assert [call.json["priority"] for call in scripted.calls] == [0, -7]


async def test_a_request_that_is_sent_again_may_meet_another_dead_connection(
    scripted: ScriptedEngine, decided: Decided
) -> None:
    async with decided.inside.connect() as wire, decided.inside.connect() as other:
        # Two connections that are kept; each dies with the next request that takes it.
        go = asyncio.Event()

        async def waits(call: Call) -> None:
            await go.wait()
            await call.answer()

        scripted.script = waits
        for one in (wire, other):
            one.send(request())
        await until(lambda: len(scripted.calls) == 2)
        go.set()
        for one in (wire, other):
            assert (await one.answer()).status == 200

        async def dies_then_hangs(call: Call) -> None:
            scripted.script = hangs
            call.close()

        scripted.script = dies_then_hangs
        wire.send(request())
        await until(lambda: len(scripted.calls) == 4)
        decided.decide(Abort(3, requeued=True))

        async def dies_then_answers(call: Call) -> None:
            scripted.script = lambda call: call.answer()
            call.close()

        scripted.script = dies_then_answers
        decided.decide(msgspec.structs.replace(AGAIN, id=3))
        assert (await wire.answer()).status == 200
    assert len(scripted.calls) == 6
