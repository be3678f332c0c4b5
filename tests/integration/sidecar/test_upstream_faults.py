"""What the client sees when the engine breaks: an honest error, or a connection that is cut."""

import asyncio
import socket
from collections.abc import Sequence

import pytest

from tests.integration.sidecar.inside import ANSWER, Call, Inside, Script, ScriptedEngine
from tests.integration.sidecar.wire import request
from tests.unit.sidecar.waiting import DEADLINE, until
from tierfleet.admission.core import Core
from tierfleet.admission.types import Decision, EngineReading
from tierfleet.sidecar import server

TOKEN = b'data: {"choices":[{"text":"a"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'
DONE = b"data: [DONE]\n\n"


async def resets_at_once(call: Call) -> None:
    call.reset()


async def closes_at_once(call: Call) -> None:
    call.close()


async def resets_after_the_head(call: Call) -> None:
    await call.begin_stream()
    call.reset()


async def talks_nonsense(call: Call) -> None:
    await call.send(b"SSH-2.0-OpenSSH_9.6\r\n")


async def resets_in_the_stream(call: Call) -> None:
    await call.begin_stream()
    await call.chunk(TOKEN)
    await asyncio.sleep(0.05)
    call.reset()


async def closes_in_the_stream(call: Call) -> None:
    await call.begin_stream()
    await call.chunk(TOKEN)
    call.close()


async def closes_in_a_chunk(call: Call) -> None:
    await call.begin_stream()
    await call.chunk(TOKEN)
    await call.send(b"ff\r\ndata: half")
    call.close()


async def sends_a_broken_chunk(call: Call) -> None:
    await call.begin_stream()
    await call.chunk(TOKEN)
    await asyncio.sleep(0.05)
    await call.send(b"xyz\r\n")


async def closes_before_its_length(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + TOKEN)
    call.close()


async def test_an_engine_that_does_not_listen_is_a_503_that_says_when_to_come_back(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    scripted.refuse()
    async with inside.connect() as wire:
        answer = await wire.ask(request())
        assert answer.status == 503
        assert answer.error["type"] == "server_error"
        assert answer.fields["retry-after-ms"] == "1000"
        assert answer.fields["x-llm-d-request-dropped-reason"] == "rejected-no-endpoints"
    (line,) = await inside.lines(1)
    assert (line["outcome"], line["status"], line["tenant"]) == ("engine-lost", 503, "hobby")
    assert inside.server._data.in_flight == 0


async def test_an_engine_that_does_not_listen_is_overloaded_to_callers_of_messages(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    scripted.refuse()
    async with inside.connect() as wire:
        answer = await wire.ask(request("/v1/messages", messages=[], max_tokens=1))
        assert answer.status == 529
        assert answer.error["type"] == "overloaded_error"
        assert answer.fields["retry-after-ms"] == "1000"
        assert answer.fields["request-id"] == answer.fields["x-request-id"]
    (line,) = await inside.lines(1)
    assert (line["outcome"], line["status"]) == ("engine-lost", 529)


@pytest.mark.parametrize(
    "script",
    [
        resets_at_once,
        closes_at_once,
        resets_after_the_head,
        talks_nonsense,
        closes_before_its_length,
    ],
)
async def test_an_engine_that_breaks_before_the_first_byte_is_a_502(
    scripted: ScriptedEngine, inside: Inside, script: Script
) -> None:
    scripted.script = script
    async with inside.connect() as wire:
        answer = await wire.ask(request(stream=True))
        assert answer.status == 502
        assert answer.error["code"] == "engine_failed"
        scripted.script = lambda call: call.answer()
        assert (await wire.ask(request())).body == ANSWER, "the connection is still good"
    first, _ = await inside.lines(2)
    assert first["outcome"] == "engine-lost"
    assert first["reason"]


@pytest.mark.parametrize(
    "script",
    [
        resets_in_the_stream,
        closes_in_the_stream,
        closes_in_a_chunk,
        sends_a_broken_chunk,
    ],
)
async def test_an_answer_that_breaks_off_never_looks_complete(
    scripted: ScriptedEngine, inside: Inside, script: Script
) -> None:
    scripted.script = script
    async with inside.connect() as wire:
        answer = await wire.ask(request(stream=True))
        assert answer.status == 200
        assert answer.body == TOKEN
        assert not answer.complete
    (line,) = await inside.lines(1)
    assert (line["outcome"], line["status"]) == ("engine-lost", 200)
    await until(lambda: inside.server._data.in_flight == 0)


async def test_a_pooled_connection_that_died_meanwhile_is_replaced_unnoticed(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    async def closes_once(call: Call) -> None:
        scripted.script = lambda call: call.answer()
        call.close()

    async with inside.connect() as wire:
        await wire.ask(request())
        scripted.script = closes_once
        assert (await wire.ask(request())).body == ANSWER
    assert len(scripted.calls) == 3
    assert scripted.connections == 2
    assert "tierfleet_sidecar_upstream_retries_total 1.0" in (await inside.admin("/metrics"))[1]


async def test_a_request_is_sent_again_only_once(scripted: ScriptedEngine, inside: Inside) -> None:
    async with inside.connect() as wire:
        await wire.ask(request())
        scripted.script = closes_at_once
        assert (await wire.ask(request())).status == 502
    assert len(scripted.calls) == 3


async def test_a_request_whose_answer_has_begun_is_not_sent_again(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    async with inside.connect() as wire:
        await wire.ask(request())
        scripted.script = resets_after_the_head
        assert (await wire.ask(request())).status == 502
    assert len(scripted.calls) == 2


async def test_connections_to_the_engine_are_kept(scripted: ScriptedEngine, inside: Inside) -> None:
    async with inside.connect() as wire:
        for _ in range(5):
            assert (await wire.ask(request())).status == 200
    assert scripted.connections == 1


async def test_more_than_one_response_to_a_request_ends_the_connection(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    async def answers_twice(call: Call) -> None:
        await call.answer()
        await call.answer(b'{"stolen":true}')

    scripted.script = answers_twice
    async with inside.connect() as wire:
        for _ in range(3):
            assert b"stolen" not in (await wire.ask(request())).body


async def test_an_answer_that_ends_with_its_connection_ends_properly(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    async def until_eof(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + ANSWER)
        call.close()

    scripted.script = until_eof
    async with inside.connect() as wire:
        answer = await wire.ask(request())
        assert (answer.body, answer.complete) == (ANSWER, True)
    (line,) = await inside.lines(1)
    assert (line["outcome"], line["output_tokens"]) == ("served", 1)


async def test_an_error_of_the_engine_reaches_the_caller(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    scripted.script = lambda call: call.answer(b'{"error":{}}', "400 Bad Request")
    async with inside.connect() as wire:
        answer = await wire.ask(request())
    assert (answer.status, answer.body) == (400, b'{"error":{}}')
    (line,) = await inside.lines(1)
    assert (line["outcome"], line["output_tokens"]) == ("engine-error", 0)


async def test_each_event_is_passed_on_before_the_next_one_is_there(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    seen = asyncio.Event()

    async def one_by_one(call: Call) -> None:
        await call.begin_stream()
        for event in (TOKEN, TOKEN, USAGE + DONE):
            await call.chunk(event)
            await seen.wait()
            seen.clear()
        await call.send(b"0\r\n\r\n")

    scripted.script = one_by_one
    async with inside.connect() as wire:
        wire.send(request(stream=True))
        await wire.head()
        for expected in (TOKEN, TOKEN, DONE, b""):
            assert await wire.chunk() == expected
            seen.set()
    (line,) = await inside.lines(1)
    assert (line["prompt_tokens"], line["output_tokens"]) == (3, 1)


async def test_a_client_that_stalls_on_a_whole_answer_leaves_a_connection_that_works(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    large = b'{"choices":[{"text":"' + b"x" * 8_000_000 + b'"}]}'

    async def large_at_first(call: Call) -> None:
        await call.answer(large if len(scripted.calls) == 1 else ANSWER)

    scripted.script = large_at_first
    loop = asyncio.get_running_loop()
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.setblocking(False)
        await loop.sock_connect(stalled, ("127.0.0.1", inside.port))
        await loop.sock_sendall(stalled, request())
        # Read all but the last piece, so that the engine's part ends while the client's is stuck.
        left = len(large)
        while not inside.server._pool._idle:
            left -= len(await loop.sock_recv(stalled, 65_536))
        assert left > 0
        async with inside.connect() as wire:
            assert (await wire.ask(request())).body == ANSWER
    assert scripted.connections == 1


async def test_metrics_that_cannot_be_used_end_nothing(
    scripted: ScriptedEngine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(server, "_ENGINE_SECONDS", 0.01)
    heard: list[EngineReading] = []

    class Refuses(Core):
        def engine(self, now: int, reading: EngineReading) -> Sequence[Decision]:
            heard.append(reading)
            raise OverflowError(f"a fault of ours at {now}")

    release = asyncio.Event()

    async def holds(call: Call) -> None:
        await release.wait()
        await call.answer()

    scripted.script = holds
    scripted.metrics = b"vllm:num_requests_running 1\n"
    async with Inside(scripted.port, make_core=Refuses) as inside, inside.connect() as wire:
        wire.send(request())
        await until(lambda: len(heard) > 1)
        release.set()
        assert (await wire.answer()).body == ANSWER
    assert "going by our own count" in caplog.text


@pytest.mark.usefixtures("swept")
async def test_an_engine_that_says_nothing_is_given_up(scripted: ScriptedEngine) -> None:
    async def hangs(call: Call) -> None:
        await call.hung_up()

    scripted.script = hangs
    async with Inside(scripted.port, engine_silence=0.2) as inside, inside.connect() as wire:
        answer = await wire.ask(request())
        assert answer.status == 502
        assert answer.error["message"] == "The engine failed before it answered: silent for 0.2 s."
        (line,) = await inside.lines(1)
        assert line["outcome"] == "engine-lost"
        await until(lambda: inside.server._data.in_flight == 0)


async def test_an_answer_that_the_engine_does_not_go_on_with_is_cut(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    async def stops(call: Call) -> None:
        await call.begin_stream()
        await call.chunk(TOKEN)
        await call.hung_up()

    scripted.script = stops
    async with inside.connect() as wire:
        wire.send(request(stream=True))
        await wire.head()
        assert await wire.chunk() == TOKEN
        (busy,) = inside.server._pool.busy
        now = asyncio.get_running_loop().time()
        for later in (0, 9, 10):
            busy.listen(now + later, 10)
        assert await wire.closed() == b""
    (line,) = await inside.lines(1)
    assert (line["outcome"], line["reason"]) == ("engine-lost", "silent for 10 s")
    assert not inside.server._pool.busy


async def test_an_engine_that_waits_for_a_slow_reader_is_not_silent(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    flood = b"data: " + b"x" * 65536 + b"\n\n"

    async def pours(call: Call) -> None:
        await call.begin_stream()
        for _ in range(400):
            await call.chunk(flood)
        await call.send(b"0\r\n\r\n")

    scripted.script = pours
    async with inside.connect() as wire:
        wire.send(request(stream=True))
        await wire.head()
        (busy,) = inside.server._pool.busy
        await until(lambda: busy._paused)
        now = asyncio.get_running_loop().time()
        for later in (10, 20, 30):
            busy.listen(now + later, 5)
        body = b""
        while piece := await wire.chunk():
            body += piece
        assert body == flood * 400


async def test_an_answer_that_breaks_off_is_an_error_to_an_old_client_too(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    scripted.script = resets_in_the_stream
    async with inside.connect() as wire:
        wire.send(request(stream=True).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        await wire.head()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(wire.reader.read(), DEADLINE)


async def test_an_engine_whose_own_queue_is_full_is_told_with_a_time_to_come_back(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    scripted.script = is_full
    async with inside.connect() as wire:
        answer = await wire.ask(request())
    assert (answer.status, answer.body) == (503, b"{}")
    assert (answer.fields["retry-after-ms"], answer.fields["retry-after"]) == ("1000", "1")
    assert "x-should-retry" not in answer.fields


async def is_full(call: Call) -> None:
    await call.answer(b"{}", "503 Service Unavailable")


@pytest.mark.parametrize(("script", "status"), [(closes_at_once, 502), (is_full, 503)])
async def test_a_tenant_that_mostly_tries_again_is_told_to_stop(
    scripted: ScriptedEngine, inside: Inside, script: Script, status: int
) -> None:
    async with inside.connect() as wire:
        for _ in range(25):
            await wire.ask(request(fields="X-Stainless-Retry-Count: 1\r\n"))
        scripted.script = script
        answer = await wire.ask(request())
        assert answer.status == status
        assert int(answer.fields["retry-after-ms"]) > 0
        assert answer.fields["x-should-retry"] == "false"
