"""The client's side: order, framing, limits, time, and what happens when it goes."""

import asyncio
import json
import socket

import pytest

from tests.integration.sidecar.inside import ANSWER, Call, Inside, ScriptedEngine
from tests.integration.sidecar.wire import request
from tests.unit.sidecar.plans import KEYS
from tests.unit.sidecar.waiting import DEADLINE, until
from tierfleet.sidecar.client import Patience
from tierfleet.sidecar.http1 import ReadLimits

MODELS = f"GET /v1/models HTTP/1.1\r\nHost: a\r\nx-api-key: {KEYS['hobby']}\r\n\r\n".encode()


async def echoes(call: Call) -> None:
    """Answers with the request's own prompt."""
    await call.answer(json.dumps(call.json["prompt"]).encode())


async def waits_for_ever(call: Call) -> None:
    await call.hung_up()


async def test_pipelined_requests_are_answered_in_order(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    scripted.script = echoes
    async with inside.connect() as wire:
        wire.send(
            b"".join(request(prompt=f"{n}") for n in range(20)) + MODELS + request(prompt="x")
        )
        assert [(await wire.answer()).json for _ in range(20)] == [f"{n}" for n in range(20)]
        assert (await wire.answer()).json["object"] == "list"
        assert (await wire.answer()).json == "x"


async def test_a_client_far_ahead_of_its_answers_is_not_read_but_loses_nothing(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    scripted.script = echoes
    large = "x" * 50_000
    async with inside.connect() as wire:
        wire.send(b"".join(request(prompt=f"{n}{large}") for n in range(10)))
        for n in range(10):
            assert (await wire.answer()).json == f"{n}{large}"


async def test_a_chunked_request_reaches_the_engine_with_its_length(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    body = b'{"model":"llama","prompt":"hello"}'
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: a\r\nx-api-key: {KEYS['hobby']}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    ).encode()
    async with inside.connect() as wire:
        wire.send(head)
        for at in range(0, len(body), 10):
            wire.send(b"%x\r\n%b\r\n" % (len(body[at : at + 10]), body[at : at + 10]))
            await asyncio.sleep(0)
        assert (await wire.ask(b"0\r\n\r\n")).body == ANSWER
    (call,) = scripted.calls
    assert call.body == body
    assert b"\r\ncontent-length: 34\r\n" in call.head
    assert b"chunked" not in call.head


async def test_a_client_that_asks_first_is_told_to_go_on(inside: Inside) -> None:
    data = request(fields="Expect: 100-continue\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    async with inside.connect() as wire:
        wire.send(head + b"\r\n\r\n")
        assert (await wire.answer(bodiless=True)).status == 100
        assert (await wire.ask(body)).status == 200


async def test_a_head_request_is_answered_like_get_without_the_body(inside: Inside) -> None:
    async with inside.connect() as wire:
        get = await wire.ask(MODELS)
        wire.send(MODELS.replace(b"GET", b"HEAD", 1))
        head = await wire.answer(bodiless=True)
        assert head.fields["content-length"] == str(len(get.body))
        assert (await wire.ask(MODELS)).body == get.body, "nothing was left on the wire"


async def test_an_old_client_gets_a_stream_that_ends_with_the_connection(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    async def streams(call: Call) -> None:
        await call.begin_stream()
        await call.chunk(b"data: 1\n\n")
        await call.send(b"0\r\n\r\n")

    scripted.script = streams
    async with inside.connect() as wire:
        answer = await wire.ask(request(stream=True).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        assert answer.body == b"data: 1\n\n"
        assert answer.fields["connection"] == "close"
        assert "transfer-encoding" not in answer.fields


async def test_bytes_that_are_no_request_get_one_400_and_a_closed_connection(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    smuggled = request(fields="Transfer-Encoding: chunked\r\n") + request()
    async with inside.connect() as wire:
        answer = await wire.ask(smuggled)
        assert answer.status == 400
        assert answer.error["code"] == "bad_request"
        assert answer.fields["connection"] == "close"
        assert await wire.closed() == b""
    assert scripted.calls == []
    (line,) = await inside.lines(1)
    assert (line["status"], line["outcome"]) == (400, "refused")


async def test_a_good_request_before_a_bad_one_is_still_answered(inside: Inside) -> None:
    async with inside.connect() as wire:
        wire.send(request() + b"garbage\r\n\r\n")
        assert (await wire.answer()).status == 200
        assert (await wire.answer()).status == 400
        assert await wire.closed() == b""


async def test_a_client_that_still_sends_can_read_why_it_was_refused(
    scripted: ScriptedEngine,
) -> None:
    limits = ReadLimits(body=1000)
    async with Inside(scripted.port, read_limits=limits) as inside, inside.connect() as wire:
        wire.send(request(prompt="x" * 5_000_000))
        answer = await wire.answer()
        assert answer.status == 413
        assert "1000 bytes" in answer.error["message"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"POST / HTTP/1.1\r\nHost:", 408), (request()[:-3], 408), (b"", None), (MODELS, 200)],
)
async def test_a_client_that_dawdles_is_given_up(
    scripted: ScriptedEngine, swept: None, sent: bytes, status: int | None
) -> None:
    patience = Patience(idle=0.1, head=0.1, body=0.1, linger=0.1)
    async with Inside(scripted.port, patience=patience) as inside, inside.connect() as wire:
        wire.send(sent)
        if status is not None:
            assert (await wire.answer()).status == status
        assert await wire.closed() == b""
        await until(lambda: not inside.server._data.connections)


async def test_a_client_that_does_not_read_slows_the_engine_down_and_loses_nothing(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    event = b"data: " + b"x" * 65_000 + b"\n\n"
    sent = 0

    async def streams(call: Call) -> None:
        nonlocal sent
        await call.begin_stream()
        for _ in range(400):
            await call.chunk(event)
            sent += 1
        await call.send(b"0\r\n\r\n")

    scripted.script = streams
    async with inside.connect() as wire:
        wire.send(request(stream=True))
        await wire.head()
        await until(lambda: any(client._stuck for client in inside.server._data.connections))
        before = -1
        # Until nothing moves any more: what is under way fills the buffers of two kernels.
        while before != sent:
            before = sent
            await asyncio.sleep(0.3)
        assert sent < 400
        received = b""
        while piece := await wire.chunk():
            received += piece
        assert received == event * 400


async def test_a_client_that_never_reads_is_cut_and_its_seat_is_free(
    scripted: ScriptedEngine, swept: None
) -> None:
    async def streams(call: Call) -> None:
        await call.begin_stream()
        while True:
            await call.chunk(b"data: " + b"x" * 65_000 + b"\n\n")

    scripted.script = streams
    patience = Patience(write=0.1)
    async with Inside(scripted.port, patience=patience) as inside, inside.connect() as wire:
        wire.send(request(stream=True))
        await wire.head()
        await until(lambda: inside.server._data.in_flight == 0)
        (line,) = await inside.lines(1)
        assert line["outcome"] == "client-gone"


async def test_a_client_that_goes_while_it_waits_never_reaches_the_engine(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    scripted.script = waits_for_ever
    async with inside.connect() as one, inside.connect() as two:
        one.send(request())
        two.send(request())
        await until(lambda: len(scripted.calls) == 2)
        async with inside.connect() as three:
            three.send(request())
            await until(lambda: inside.server._data.in_flight == 3)
        await until(lambda: inside.server._data.in_flight == 2)
    await until(lambda: inside.server._data.in_flight == 0)
    assert len(scripted.calls) == 2
    lines = await inside.lines(3)
    assert [(line["outcome"], line["status"]) for line in lines] == [("client-gone", 499)] * 3


@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_goes_while_it_is_served_hangs_up_on_the_engine(
    scripted: ScriptedEngine, inside: Inside, begun: bool
) -> None:
    noticed = asyncio.Event()

    async def streams(call: Call) -> None:
        if begun:
            await call.begin_stream()
            await call.chunk(b"data: 1\n\n")
        await call.hung_up()
        noticed.set()

    scripted.script = streams
    async with inside.connect() as wire:
        wire.send(request(stream=True))
        if begun:
            await wire.head()
        else:
            await until(lambda: scripted.calls)
    async with asyncio.timeout(30):
        await noticed.wait()
    (line,) = await inside.lines(1)
    assert (line["outcome"], line["status"]) == ("client-gone", 200 if begun else 499)


async def test_nothing_of_the_callers_identity_or_priority_reaches_the_engine(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    fields = (
        "X-Llm-D-Inference-Fairness-Id: acme\r\nX-Tierfleet-Tier: enterprise\r\n"
        "X-Request-Id: mine-1\r\nTraceparent: 00-abc\r\nConnection: keep-alive, x-private\r\n"
        "X-Private: 1\r\n"
    )
    async with inside.connect() as wire:
        answer = await wire.ask(request(fields=fields, priority=-100, stream=True))
    assert answer.fields["x-request-id"] == "mine-1"
    (call,) = scripted.calls
    head = call.head.lower()
    for secret in (b"authorization", b"fairness", b"x-tierfleet", b"x-private", b"sk-"):
        assert secret not in head
    assert b"x-request-id: mine-1\r\n" in head
    assert b"traceparent: 00-abc\r\n" in head
    assert f"host: 127.0.0.1:{scripted.port}\r\n".encode() in head
    assert call.json == {
        "model": "llama",
        "prompt": "hello",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("given", ["a b", "x" * 200, "\u00e4"])
async def test_an_id_that_is_not_sane_is_replaced(inside: Inside, given: str) -> None:
    async with inside.connect() as wire:
        answer = await wire.ask(request(fields=f"X-Request-Id: {given}\r\n"))
    assert answer.fields["x-request-id"].startswith("req-")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (request(key="wrong"), 401, "invalid_api_key"),
        (request().replace(b"Authorization", b"X-Nothing"), 401, "invalid_api_key"),
        (request(key=KEYS["stranger"]), 403, "no_access"),
        (request(model="gpt-5"), 404, "model_not_found"),
        (request(path="/v1/audio/speech"), 404, "unknown_url"),
        (request(path="/v1/completions/"), 404, "unknown_url"),
        (MODELS.replace(b"/v1/models", b"/v1/completions"), 405, "method_not_allowed"),
        (MODELS.replace(b"GET", b"PUT"), 405, "method_not_allowed"),
        (MODELS.replace(b"GET /v1/models", b"PUT /metrics"), 405, "method_not_allowed"),
        (MODELS.replace(b"/v1/models", b"/v1/models/gpt-5"), 404, "model_not_found"),
        (request(model=5), 400, "invalid_value"),
        (request(n=3), 400, "too_many_sequences"),
    ],
)
async def test_who_may_not_be_served_is_told_why(
    scripted: ScriptedEngine, inside: Inside, data: bytes, status: int, code: str
) -> None:
    async with inside.connect() as wire:
        answer = await wire.ask(data)
        assert (answer.status, answer.error["code"]) == (status, code)
        assert set(answer.error) == {"message", "type", "param", "code"}
        assert (await wire.ask(MODELS)).status == 200, "the connection is still good"
    assert scripted.calls == []


async def test_models_are_those_of_the_plan(inside: Inside) -> None:
    async with inside.connect() as wire:
        listed = (await wire.ask(MODELS)).json
        assert [model["id"] for model in listed["data"]] == ["llama", "default"]
        one = await wire.ask(MODELS.replace(b"/v1/models", b"/v1/models/default"))
        assert one.json["id"] == "default"


async def test_an_answer_says_which_policy_decided_and_what_is_left(
    scripted: ScriptedEngine,
) -> None:
    tiers = [
        {"name": "enterprise", "priority": 100},
        {"name": "retail", "priority": 0, "limits": {"requestsPerMinute": 2}},
    ]
    async with Inside(scripted.port, tiers=tiers) as inside, inside.connect() as wire:
        answer = await wire.ask(request(key=KEYS["acme"]))
        assert answer.fields["x-tierfleet-tier"] == "enterprise"
        assert answer.fields["x-tierfleet-partition"] == "reserved"
        assert answer.fields["x-tierfleet-reservation"] == "acme"
        assert answer.fields["x-tierfleet-policy"] == "standard@default"
        assert float(answer.fields["x-tierfleet-queue-wait-ms"]) >= 0
        assert "x-ratelimit-limit-requests" not in answer.fields
        for remaining in ("1", "0"):
            answer = await wire.ask(request())
            assert answer.fields["x-tierfleet-partition"] == "shared"
            assert answer.fields["x-ratelimit-limit-requests"] == "2"
            assert answer.fields["x-ratelimit-remaining-requests"] == remaining
        answer = await wire.ask(request())
        assert answer.status == 429
        assert answer.error["type"] == "requests"
        assert answer.fields["x-ratelimit-remaining-requests"] == "0"
        assert 0 < int(answer.fields["retry-after-ms"]) <= 30_000
        assert 0 < int(answer.fields["retry-after"]) <= 30


async def test_a_full_queue_is_our_lack_of_capacity(scripted: ScriptedEngine) -> None:
    scripted.script = waits_for_ever
    tiers = [
        {"name": "enterprise", "priority": 100},
        {"name": "retail", "priority": 0, "queue": {"maxRequests": 0}},
    ]
    async with (
        Inside(scripted.port, tiers=tiers) as inside,
        inside.connect() as one,
        inside.connect() as two,
        inside.connect() as three,
    ):
        one.send(request())
        two.send(request())
        await until(lambda: len(scripted.calls) == 2)
        answer = await three.ask(request())
        assert answer.status == 503
        assert answer.error["code"] == "queue_full"
        assert answer.fields["x-llm-d-request-dropped-reason"] == "rejected-saturated"
        assert int(answer.fields["retry-after-ms"]) > 0


async def test_the_engines_metrics_are_shown_with_our_queue_counted_in(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    scripted.script = waits_for_ever
    scrape = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
    async with (
        inside.connect() as one,
        inside.connect() as two,
        inside.connect() as three,
        inside.connect() as wire,
    ):
        assert (await wire.ask(scrape)).body == b"vllm:num_requests_waiting 1.0\n"
        for number, client in enumerate((one, two, three), 1):
            client.send(request())
            await until(lambda wanted=number: inside.server._data.in_flight == wanted)  # type: ignore[misc]
        assert (await wire.ask(scrape)).body == b"vllm:num_requests_waiting 2.0\n"
        wire.send(scrape.replace(b"GET", b"HEAD"))
        assert (await wire.answer(bodiless=True)).status == 200


@pytest.mark.parametrize("stopping", [False, True], ids=["closing", "stopping"])
async def test_a_slow_client_gets_the_whole_of_the_last_answer(
    scripted: ScriptedEngine, swept: None, stopping: bool
) -> None:
    linger = 0.05
    # Far more than kernels buffer, so that most of it waits in the sidecar.
    body = b'{"choices":[{"text":"' + b"x" * 8_000_000 + b'"}]}'
    scripted.script = lambda call: call.answer(body)
    loop = asyncio.get_running_loop()
    async with Inside(scripted.port, patience=Patience(linger=linger)) as inside:
        with socket.create_connection(("127.0.0.1", inside.port)) as slow:
            slow.setblocking(False)
            connections = inside.server._data.connections
            await until(lambda: len(connections) == 1)
            (connection,) = connections
            transport = connection._transport
            transport.set_write_buffer_limits(2 * len(body))
            fields = "" if stopping else "Connection: close\r\n"
            await loop.sock_sendall(slow, request(fields=fields))
            if stopping:
                await until(lambda: inside.log)
                inside.server.shut_down(0.0)
            await until(lambda: connection._done)
            assert transport.get_write_buffer_size() > 0
            late = loop.time() + 10 * linger
            await until(lambda: loop.time() > late)
            received = b""
            async with asyncio.timeout(DEADLINE):
                while piece := await loop.sock_recv(slow, 1 << 20):
                    received += piece
            assert received.endswith(body)
            await until(lambda: not connections)


@pytest.mark.parametrize("encoding", ["deflate", "gzip", "identity\r\nContent-Encoding: br"])
async def test_a_body_that_the_engine_could_read_otherwise_is_refused(
    scripted: ScriptedEngine, inside: Inside, encoding: str
) -> None:
    """What is judged must be what runs: a body may be one thing raw and another one inflated."""
    scripted.script = echoes
    body = b'{"model":"llama","prompt":"hello"}'
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: a\r\nx-api-key: {KEYS['hobby']}\r\n"
        f"Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    async with inside.connect() as wire:
        wire.send(head + body + request(prompt="next"))
        refused = await wire.answer()
        assert refused.status == 415
        assert refused.json["error"]["code"] == "unsupported_content_encoding"
        assert (await wire.answer()).json == "next"


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"default","prompt":"a","\xff":1}',
        b'{"model":"llama","prompt":"a","user":"\xff"}',
        b'{"model":"llama","prompt":["a","b"],"n":' + b"9" * 4300 + b"}",
    ],
)
async def test_a_body_that_nobody_can_mean_is_answered_and_leaves_nothing_behind(
    scripted: ScriptedEngine, inside: Inside, body: bytes
) -> None:
    scripted.script = echoes
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: a\r\nx-api-key: {KEYS['hobby']}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    async with inside.connect() as wire:
        wire.send(head + body + request(prompt="next"))
        refused = await wire.answer()
        assert refused.status == 400
        assert refused.json["error"]["message"].endswith(".")
        assert (await wire.answer()).json == "next"


@pytest.mark.parametrize(
    ("fields", "sent"), [("", 0), ("", 1_000_000), ("Expect: 100-continue\r\n", 0)]
)
@pytest.mark.parametrize(
    ("key", "path", "status"),
    [
        ("sk-nobody", "/v1/completions", 401),
        (KEYS["stranger"], "/v1/completions", 403),
        (KEYS["hobby"], "/v1/nowhere", 404),
    ],
)
async def test_a_body_that_would_not_be_used_is_not_waited_for(
    inside: Inside, fields: str, sent: int, key: str, path: str, status: int
) -> None:
    head = request(path, key=key, fields=fields).partition(b"Content-Length:")[0]
    async with inside.connect() as wire:
        answer = await wire.ask(head + b"Content-Length: 30000000\r\n\r\n" + b"x" * sent)
        assert answer.status == status
        assert answer.fields["connection"] == "close"
        wire.send(b"x" * 100_000)
        assert await wire.closed() == b""
    (line,) = await inside.lines(1)
    assert (line["status"], line["outcome"]) == (status, "refused")


async def test_a_wrong_method_is_told_the_right_ones(inside: Inside) -> None:
    async with inside.connect() as wire:
        answer = await wire.ask(MODELS.replace(b"/v1/models", b"/v1/completions"))
        assert answer.fields["allow"] == "POST"
        assert (await wire.ask(MODELS.replace(b"GET", b"DELETE"))).fields["allow"] == "GET, HEAD"
