"""Spans of real sidecar processes, as a real collector gets them."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace.export import SpanExportResult

from tests.integration.sidecar.collector import Collector, values
from tests.integration.sidecar.inside import Call, ScriptedEngine, answers
from tests.integration.sidecar.processes import SidecarProcess, run
from tests.integration.sidecar.test_eviction import AGAIN, Decided, hangs
from tests.integration.sidecar.wire import Answer, Wire, request
from tests.unit.sidecar.plans import KEYS, document
from tests.unit.sidecar.waiting import DEADLINE, until
from tierfleet.admission.types import Abort
from tierfleet.sidecar import tracing
from tierfleet.sidecar.config import Config, Upstream
from tierfleet.sidecar.spans import TracingError
from tierfleet.sidecar.surfaces.table import SURFACES
from tierfleet.sidecar.tracing import from_environment

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SECRET = "what-nobody-but-the-engine-may-read"
SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT
ERROR, UNSET = Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    async with Collector() as one:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", one.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        yield one


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document()))
    return path


def traced(plan: Path, engine: ScriptedEngine, *options: str) -> SidecarProcess:
    return SidecarProcess(plan, f"http://127.0.0.1:{engine.port}", "--tracing", *options)


def asked(name: str, flags: str = "01", fields: str = "", **members: object) -> bytes:
    if flags:
        fields += f"traceparent: 00-{TRACE}-{PARENT}-{flags}\r\n"
    members = {"key": KEYS["acme"], "prompt": SECRET, **members}
    return request(fields=f"{fields}x-request-id: {name}\r\n", **members)  # type: ignore[arg-type]


def context(call: Call, name: str = "traceparent") -> list[str]:
    return re.findall(rf"(?i)\r\n{name}: (\S+)", call.head.decode())


async def ask(port: int, data: bytes) -> Answer:
    async with Wire(port) as wire:
        return await wire.ask(data)


async def logged(sidecar: SidecarProcess, trace: str) -> None:
    await until(lambda: any(f'"trace_id":"{trace}"' in line for line in sidecar.out))


async def dropped(sidecar: SidecarProcess) -> int:
    async with aiohttp.ClientSession() as http, http.get(f"{sidecar.admin}/metrics") as answer:
        found = re.search(r"(?m)^\w+_spans_dropped_total (\S+)", await answer.text())
    assert found is not None
    return int(float(found[1]))


async def ended(sidecar: SidecarProcess) -> None:
    sidecar.signal(signal.SIGTERM)
    assert await asyncio.to_thread(sidecar.process.wait, DEADLINE) == 0


async def test_a_request_is_a_span_of_its_callers_with_its_wait_and_the_engine_as_children(
    scripted: ScriptedEngine, collector: Collector, plan: Path
) -> None:
    with traced(plan, scripted) as sidecar:
        data = asked("seen", fields="tracestate: a=1\r\ntracestate: b=2\r\n", max_tokens=7)
        assert (await ask(sidecar.port, data)).status == 200
        root, (queue, engine) = await collector.request("seen")
        await logged(sidecar, TRACE)
    assert (root.name, queue.name, engine.name) == ("POST /v1/completions", "queue", "engine")
    assert (root.kind, engine.kind) == (SERVER, CLIENT)
    assert {span.trace_id.hex() for span in (root, queue, engine)} == {TRACE}
    assert root.parent_span_id.hex() == PARENT
    assert root.start_time_unix_nano == queue.start_time_unix_nano
    assert queue.end_time_unix_nano == engine.start_time_unix_nano
    assert engine.end_time_unix_nano <= root.end_time_unix_nano
    told = values(root.attributes)
    assert float(str(told.pop("tierfleet.wait"))) >= 0
    assert told == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v1/completions",
        "url.path": "/v1/completions",
        "url.scheme": "http",
        "gen_ai.operation.name": "text_completion",
        "gen_ai.provider.name": "custom",
        "gen_ai.request.model": "default",
        "gen_ai.request.max_tokens": 7,
        "gen_ai.request.stream": False,
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 1,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "tierfleet.request_id": "seen",
        "tierfleet.tenant": "acme",
        "tierfleet.tier": "enterprise",
        "tierfleet.partition": "reserved",
        "tierfleet.reservation": "acme",
        "tierfleet.conforming": True,
        "tierfleet.outcome": "served",
    }
    assert values(engine.attributes) == {
        "server.address": "127.0.0.1",
        "server.port": scripted.port,
    }
    assert root.status.code == engine.status.code == UNSET
    assert context(scripted.calls[0]) == [f"00-{TRACE}-{engine.span_id.hex()}-01"]
    assert context(scripted.calls[0], "tracestate") == ["a=1,b=2"]
    assert collector.services == {"tierfleet-sidecar"}
    assert SECRET.encode() not in collector.raw
    assert KEYS["acme"].encode() not in collector.raw


async def test_a_request_without_a_trace_begins_one(
    scripted: ScriptedEngine, collector: Collector, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "llama-h100")
    with traced(plan, scripted) as sidecar:
        twice = f"traceparent: 00-{TRACE}-{PARENT}-01\r\n" * 2
        for name, fields in (("none", ""), ("bad", "traceparent: 00-x\r\n"), ("twice", twice)):
            assert (await ask(sidecar.port, asked(name, "", fields))).status == 200
            root, (_, engine) = await collector.request(name)
            assert root.parent_span_id == b""
            assert root.trace_id.hex() != TRACE
            (sent,) = context(scripted.calls[-1])
            assert sent.split("-")[1:3] == [root.trace_id.hex(), engine.span_id.hex()]
            await logged(sidecar, root.trace_id.hex())
    assert collector.services == {"llama-h100"}


async def test_what_its_caller_does_not_sample_is_passed_on_unsampled_and_not_sent(
    scripted: ScriptedEngine, collector: Collector, plan: Path
) -> None:
    with traced(plan, scripted) as sidecar:
        assert (await ask(sidecar.port, asked("unseen", "00"))).status == 200
        assert (await ask(sidecar.port, asked("seen"))).status == 200
        await collector.request("seen")
        assert await dropped(sidecar) == 0
        await ended(sidecar)
    (sent,) = context(scripted.calls[0])
    assert re.fullmatch(f"00-{TRACE}-(?!{PARENT})[0-9a-f]{{16}}-00", sent)
    assert len(collector.spans) == 3
    assert collector.root("unseen") is None


async def test_a_request_that_is_turned_away_has_a_span_and_no_children(
    scripted: ScriptedEngine, collector: Collector, plan: Path
) -> None:
    with traced(plan, scripted) as sidecar:
        assert (await ask(sidecar.port, asked("who", key="sk-nobody"))).status == 401
        root, children = await collector.request("who")
        assert not children
        assert values(root.attributes)["http.response.status_code"] == 401
        # By the conventions what a caller did wrong is no error of a server's.
        assert root.status.code == UNSET
        scanned = asked("scan").replace(
            b"POST /v1/completions", b"BREW /etc/passwd?q=" + SECRET.encode()
        )
        assert (await ask(sidecar.port, scanned)).status == 404
        root, _ = await collector.request("scan")
        told = values(root.attributes)
        assert (root.name, told["http.request.method"]) == ("HTTP", "_OTHER")
        assert "http.route" not in told
    assert SECRET.encode() not in collector.raw


async def test_a_request_that_gets_no_seat_was_in_the_queue_all_the_time(
    scripted: ScriptedEngine, collector: Collector, plan: Path
) -> None:
    scripted.script = hangs
    with traced(plan, scripted) as sidecar:
        async with Wire(sidecar.port) as one, Wire(sidecar.port) as two:
            for wire, name in ((one, "one"), (two, "two")):
                wire.send(asked(name))
            await until(lambda: len(scripted.calls) == 2)
            async with Wire(sidecar.port) as third:
                third.send(asked("third"))
                await until_waiting(sidecar)
            root, (queue,) = await collector.request("third")
            assert (queue.name, queue.end_time_unix_nano) == ("queue", root.end_time_unix_nano)
            told = values(root.attributes)
            assert told["tierfleet.outcome"] == "client-gone"
            # 499 is for the log: nobody got it.
            assert "http.response.status_code" not in told


async def until_waiting(sidecar: SidecarProcess) -> None:
    async def waits() -> bool:
        async with aiohttp.ClientSession() as http, http.get(f"{sidecar.admin}/metrics") as answer:
            return 'sidecar_waiting{tier="enterprise"} 1.0' in await answer.text()

    await until(waits)


async def test_what_the_engine_breaks_is_an_error_of_both_spans(
    scripted: ScriptedEngine, collector: Collector, plan: Path
) -> None:
    async def breaks(call: Call) -> None:
        await call.begin_stream()
        await call.chunk(b'data: {"choices":[{"text":"a"}]}\n\n')
        call.reset()

    scripted.script = breaks
    with traced(plan, scripted) as sidecar:
        await ask(sidecar.port, asked("broken", stream=True))
        root, (_, engine) = await collector.request("broken")
    for span in (root, engine):
        assert span.status.code == ERROR
        assert values(span.attributes)["error.type"] == "engine-lost"
    first = values(engine.attributes)["gen_ai.response.time_to_first_chunk"]
    assert float(str(first)) > 0


async def test_a_request_that_is_evicted_waits_and_is_served_in_spans_of_their_own(
    scripted: ScriptedEngine, collector: Collector
) -> None:
    decided = Decided(scripted, tracing=True)
    scripted.script = hangs
    async with decided.inside, decided.inside.connect() as wire:
        wire.send(asked("twice", key=KEYS["hobby"]))
        await until(lambda: scripted.calls)
        decided.decide(Abort(1, requeued=True))
        scripted.script = lambda call: call.answer()
        decided.decide(AGAIN)
        assert (await wire.answer()).status == 200
        root, children = await collector.request("twice")
    assert [span.name for span in children] == ["queue", "engine", "queue", "engine"]
    engines = children[1::2]
    # Each time it was sent as what it was: what the engine did first is not hung below the second.
    assert [context(call) for call in scripted.calls] == [
        [f"00-{TRACE}-{span.span_id.hex()}-01"] for span in engines
    ]
    assert [span.status.code for span in (*engines, root)] == [ERROR, UNSET, UNSET]
    assert [span.end_time_unix_nano for span in children[:-1]] == [
        span.start_time_unix_nano for span in children[1:]
    ]


async def test_a_request_that_met_a_dead_connection_is_sent_again_as_the_same_span(
    scripted: ScriptedEngine, collector: Collector, plan: Path
) -> None:
    async def closes_once(call: Call) -> None:
        scripted.script = answers
        call.close()

    with traced(plan, scripted) as sidecar:
        assert (await ask(sidecar.port, asked("first"))).status == 200
        scripted.script = closes_once
        assert (await ask(sidecar.port, asked("again"))).status == 200
        _, (_, engine) = await collector.request("again")
    _, lost, again = scripted.calls
    assert context(lost) == context(again) == [f"00-{TRACE}-{engine.span_id.hex()}-01"]


async def test_a_collector_that_is_away_costs_its_spans_and_one_warning(
    scripted: ScriptedEngine, collector: Collector, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "12")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "3")
    collector.closed = True
    with traced(plan, scripted) as sidecar:
        for number in range(40):
            assert (await ask(sidecar.port, asked(f"lost-{number}"))).status == 200

        async def all_dropped() -> bool:
            return await dropped(sidecar) == 3 * 40

        await until(all_dropped)
        assert collector.turned_away >= 2
        collector.closed = False
        assert (await ask(sidecar.port, asked("back"))).status == 200
        await collector.request("back")
        assert await dropped(sidecar) == 3 * 40
        await until(lambda: any("again" in line for line in sidecar.err))
        said = [line for line in sidecar.err if "pans" in line or "opentelemetry" in line]
    assert len(said) == 2
    assert "403" in said[0]
    assert len(collector.spans) == 3


@pytest.mark.parametrize("silence", [False, True], ids=["refuses", "hangs"])
async def test_a_collector_that_does_not_answer_does_not_hold_up_requests_or_the_end(
    scripted: ScriptedEngine, plan: Path, monkeypatch: pytest.MonkeyPatch, silence: bool
) -> None:
    # Connections to a socket that nobody accepts from are made, and nothing ever comes over them.
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1] if silence else 9
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    with traced(plan, scripted) as sidecar:
        for number in range(20):
            assert (await ask(sidecar.port, asked(f"r-{number}"))).status == 200
        await ended(sidecar)
    silent.close()


async def test_the_last_spans_are_sent_before_the_process_ends(
    scripted: ScriptedEngine, collector: Collector, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
    # Else they might be through before a process that does not wait for them has ended.
    collector.takes = 0.1
    with traced(plan, scripted) as sidecar:
        for number in range(50):
            assert (await ask(sidecar.port, asked(f"last-{number}"))).status == 200
        await ended(sidecar)
    assert len(collector.spans) == 3 * 50
    # In pieces: the event loop stands still while one is encoded.
    assert collector.largest == 64


@pytest.mark.parametrize(
    ("option", "variable", "value"),
    [
        ("--log-level=info", "OTEL_SERVICE_NAME", "nobody-asked"),
        ("--tracing", "OTEL_SDK_DISABLED", "true"),
        ("--tracing", "OTEL_TRACES_EXPORTER", "none"),
    ],
)
async def test_without_tracing_the_engine_gets_the_callers_context_as_it_is(
    scripted: ScriptedEngine,
    collector: Collector,
    plan: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    variable: str,
    value: str,
) -> None:
    monkeypatch.setenv(variable, value)
    with SidecarProcess(plan, f"http://127.0.0.1:{scripted.port}", option) as sidecar:
        data = asked("plain", fields="tracestate: a=1\r\n")
        assert (await ask(sidecar.port, data)).status == 200
        assert await dropped(sidecar) == 0
        await ended(sidecar)
    assert context(scripted.calls[0]) == [f"00-{TRACE}-{PARENT}-01"]
    assert context(scripted.calls[0], "tracestate") == ["a=1"]
    assert not collector.raw


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OTEL_TRACES_EXPORTER", "console", "it must be otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf only"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "it must be a URL"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", "less than or equal to max_queue_size"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "some", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE is 'some'"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "OTEL_BSP_MAX_QUEUE_SIZE is '0'; it must be a whole"),
    ],
)
def test_variables_that_cannot_be_used_are_a_sentence(
    plan: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    upstream = ("--upstream", "http://127.0.0.1:9", "--port", "0", "--admin-port", "0")
    done = run("sidecar", "--plan", str(plan), "--group", "h100", "--tracing", *upstream)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_the_protocol_for_traces_counts_before_the_one_for_all_signals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = Config(Path("plan"), "h100", Upstream("127.0.0.1", 9))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    made = from_environment(config)
    assert made is not None
    await made.close()
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
    with pytest.raises(TracingError, match="OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'"):
        from_environment(config)


def test_every_api_has_an_operation_of_the_conventions() -> None:
    operations = {path: surface.operation for path, surface in SURFACES.items()}
    assert set(operations.values()) == {"chat", "text_completion", "embeddings"}
    assert operations[b"/v1/completions"] == "text_completion"
    assert operations[b"/v1/embeddings"] == "embeddings"


@pytest.mark.parametrize(
    "missing", ["opentelemetry", "opentelemetry.exporter", "opentelemetry.sdk"]
)
def test_tracing_without_its_extra_says_what_to_install(plan: Path, missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None\nfrom tierfleet.cli.main import app; app()"
    options = ["--plan", str(plan), "--group", "h100", "--upstream", "http://127.0.0.1:9"]
    done = subprocess.run(
        [sys.executable, "-c", code, "sidecar", *options, "--tracing"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'tierfleet[tracing]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_spans_that_the_exporter_fails_with_are_counted_and_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = tracing._Exporter()

    def breaks(_spans: object) -> None:
        raise ValueError("not to be encoded")

    monkeypatch.setattr(exporter._inner, "export", breaks)
    spans: list[Any] = [object(), object()]
    assert exporter.export(spans) is SpanExportResult.FAILURE
    exporter.shutdown()
    assert (exporter.taken, exporter.failed) == (2, 2)
    assert "not to be encoded" in caplog.text
