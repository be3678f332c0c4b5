"""Spans, as a collector gets them."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.integration.sidecar.inside import ScriptedEngine
from tests.integration.sidecar.processes import SidecarProcess
from tests.integration.sidecar.wire import Wire, request
from tests.unit.sidecar.plans import KEYS, document
from tests.unit.sidecar.waiting import DEADLINE, until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SECRET = "the-secret-of-the-prompt"


class Collector:
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    async def take(self, asked: web.Request) -> web.Response:
        batch = ExportTraceServiceRequest.FromString(await asked.read())
        for resource in batch.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            assert names["service.name"] == "tierfleet-sidecar"
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return web.Response()

    async def of(self, request_id: str) -> dict[str, Span]:
        """The spans of one request, by name, once they are there."""

        def root() -> Span | None:
            return next(
                (s for s in self.spans if shown(s).get("tierfleet.request_id") == request_id), None
            )

        await until(root)
        found = root()
        assert found is not None
        children = [s for s in self.spans if s.parent_span_id == found.span_id]
        return {found.name: found} | {child.name: child for child in children}


def shown(span: Span) -> dict[str, object]:
    values: dict[str, object] = {}
    for attribute in span.attributes:
        kind = attribute.value.WhichOneof("value")
        assert kind is not None
        values[attribute.key] = getattr(attribute.value, kind)
    return values


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    one = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", one.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{host}:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    yield one
    await runner.cleanup()


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document()))
    return path


def traced(flags: str, name: str, key: str = KEYS["acme"]) -> bytes:
    fields = f"traceparent: 00-{TRACE}-{PARENT}-{flags}\r\nX-Request-Id: {name}\r\n"
    return request(key=key, fields=fields, prompt=SECRET)


def context(head: bytes) -> list[str]:
    return re.findall(r"(?i)\r\ntraceparent: (\S+)", head.decode())


async def ask(port: int, data: bytes) -> int:
    async with Wire(port) as wire:
        return (await wire.ask(data)).status


async def test_a_request_is_a_span_with_its_queue_and_the_engine_as_children(
    scripted: ScriptedEngine, collector: Collector, plan: Path
) -> None:
    with SidecarProcess(plan, f"http://127.0.0.1:{scripted.port}", "--tracing") as sidecar:
        assert await ask(sidecar.port, traced("01", "seen")) == 200
        spans = await collector.of("seen")
        assert set(spans) == {"POST /v1/completions", "queue", "engine"}
        server, engine = spans["POST /v1/completions"], spans["engine"]
        assert server.trace_id.hex() == TRACE
        assert server.parent_span_id.hex() == PARENT
        assert server.kind == Span.SPAN_KIND_SERVER
        assert server.start_time_unix_nano <= spans["queue"].end_time_unix_nano
        assert spans["queue"].end_time_unix_nano <= engine.end_time_unix_nano
        values = shown(server)
        assert values["http.response.status_code"] == 200
        assert values["gen_ai.usage.output_tokens"] == 1
        assert (values["tierfleet.tier"], values["tierfleet.partition"]) == (
            "enterprise", "reserved",
        )  # fmt: skip
        assert values["tierfleet.conforming"] is True
        assert server.status.code == Status.STATUS_CODE_UNSET
        assert context(scripted.calls[0].head) == [f"00-{TRACE}-{engine.span_id.hex()}-01"]
        assert SECRET not in str(collector.spans)
        await until(lambda: any(f'"trace_id":"{TRACE}"' in line for line in sidecar.out))


async def test_what_the_caller_does_not_sample_is_passed_on_and_not_exported(
    scripted: ScriptedEngine, collector: Collector, plan: Path
) -> None:
    with SidecarProcess(plan, f"http://127.0.0.1:{scripted.port}", "--tracing") as sidecar:
        assert await ask(sidecar.port, traced("00", "unseen")) == 200
        assert await ask(sidecar.port, traced("01", "seen")) == 200
        await collector.of("seen")
        (first,) = context(scripted.calls[0].head)
        assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-00", first)
        ids = [shown(span).get("tierfleet.request_id") for span in collector.spans]
        assert "unseen" not in ids


async def test_a_refusal_is_a_span_too(
    scripted: ScriptedEngine, collector: Collector, plan: Path
) -> None:
    with SidecarProcess(plan, f"http://127.0.0.1:{scripted.port}", "--tracing") as sidecar:
        assert await ask(sidecar.port, traced("01", "refused", "sk-nobody")) == 401
        spans = await collector.of("refused")
        (server,) = spans.values()
        assert shown(server)["http.response.status_code"] == 401
        assert server.status.code == Status.STATUS_CODE_ERROR
        assert not scripted.calls


async def test_a_collector_that_is_away_costs_no_request_and_does_not_hold_up_the_end(
    scripted: ScriptedEngine, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    with SidecarProcess(plan, f"http://127.0.0.1:{scripted.port}", "--tracing") as sidecar:
        for number in range(20):
            assert await ask(sidecar.port, traced("01", f"r{number}")) == 200
        sidecar.signal(signal.SIGTERM)
        assert await asyncio.to_thread(sidecar.process.wait, DEADLINE) == 0


async def test_without_tracing_the_engine_gets_the_callers_context(
    scripted: ScriptedEngine, collector: Collector, plan: Path
) -> None:
    with SidecarProcess(plan, f"http://127.0.0.1:{scripted.port}") as sidecar:
        assert await ask(sidecar.port, traced("01", "plain")) == 200
        sidecar.signal(signal.SIGTERM)
        assert await asyncio.to_thread(sidecar.process.wait, DEADLINE) == 0
    assert context(scripted.calls[0].head) == [f"00-{TRACE}-{PARENT}-01"]
    assert not collector.spans
