"""Spans of requests, by OpenTelemetry: the extra `tierfleet[tracing]`.

A server span from the whole request to its end, with a child for the queue and one for the engine,
whose own spans are children of that. Where they go, and which are sampled, is said by the standard
`OTEL_*` variables. Attributes are named as the semantic conventions for HTTP and generative AI
name them, ours begin with `tierfleet.`. There is no text of a prompt or an answer in them.
"""

import asyncio
import threading
import time
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tierfleet.sidecar.http1 import Request
from tierfleet.sidecar.record import Record
from tierfleet.sidecar.spans import CONTEXT
from tierfleet.sidecar.surfaces.table import SURFACES

_LAST_SPANS_SECONDS: Final = 2.0
"""For what is not exported yet when the process ends."""
_FROM_RECORD: Final = (
    "tenant", "tier", "partition", "reservation", "conforming", "borrowed", "outcome", "reason",
    "wait_ms", "ttft_ms", "cost", "billed", "plan",
)  # fmt: skip


class Tracing:
    """Implements `spans.Tracer`.

    Exporting is a thread of the SDK's; what it cannot get rid of is dropped, and no request waits.
    """

    def __init__(self) -> None:
        # The process ends it, in time of its own choosing.
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "tierfleet-sidecar"}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("tierfleet.sidecar")
        self._format = TraceContextTextMapPropagator()

    def begin(self, request: Request) -> "RequestSpans":
        """See `Tracer.begin`."""
        carrier = {}
        for name in CONTEXT:
            value = request.field(name)
            if value is not None:
                carrier[name.decode()] = value.decode("latin-1")
        known = request.method == b"POST" and request.path in SURFACES
        path = request.path.decode("latin-1")
        span = self._tracer.start_span(
            # Of paths that are not served there are as many as there are scanners.
            f"POST {path}" if known else "other",
            self._format.extract(carrier),
            SpanKind.SERVER,
            {"http.request.method": request.method.decode("latin-1"), "url.path": path[:256]},
        )
        return RequestSpans(self._tracer, self._format, span)

    async def close(self) -> None:
        """Export the last spans; what takes longer than two seconds is lost."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            loop.call_soon_threadsafe(done.set)

        # A thread that does not keep the process: the SDK may wait for half a minute.
        threading.Thread(target=shut_down, daemon=True).start()
        try:
            async with asyncio.timeout(_LAST_SPANS_SECONDS):
                await done.wait()
        except TimeoutError:
            pass


class RequestSpans:
    """Implements `spans.Spans`."""

    __slots__ = ("_begun", "_context", "_engine", "_format", "_queued", "_span", "_tracer")

    def __init__(
        self, tracer: trace.Tracer, format_: TraceContextTextMapPropagator, span: Span
    ) -> None:
        self._tracer = tracer
        self._format = format_
        self._span = span
        self._context = trace.set_span_in_context(span)
        self._begun = time.time_ns()
        self._engine: Span | None = None

    def sent(self) -> bytes:
        """See `Spans.sent`."""
        queue = self._tracer.start_span("queue", self._context, start_time=self._begun)
        queue.end()
        self._engine = self._tracer.start_span("engine", self._context, SpanKind.CLIENT)
        carrier: dict[str, str] = {}
        self._format.inject(carrier, trace.set_span_in_context(self._engine))
        return b"".join(
            b"%b: %b\r\n" % (name.encode(), value.encode("latin-1"))
            for name, value in carrier.items()
        )

    def returned(self) -> None:
        """See `Spans.returned`."""
        if self._engine is not None:
            self._engine.end()
            self._engine = None
            # Sent back into the queue it waits anew.
            self._begun = time.time_ns()

    def over(self, record: Record) -> None:
        """See `Spans.over`."""
        self.returned()
        span = self._span
        record.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        if span.is_recording():
            span.set_attribute("http.response.status_code", record.status)
            span.set_attribute("tierfleet.request_id", record.id)
            if record.partition:
                span.set_attribute("gen_ai.usage.input_tokens", record.prompt_tokens)
                span.set_attribute("gen_ai.usage.output_tokens", record.output_tokens)
            for name in _FROM_RECORD:
                value = getattr(record, name)
                if value not in {None, ""}:
                    span.set_attribute(f"tierfleet.{name}", value)
            if record.status >= 500 or record.reason:
                span.set_status(Status(StatusCode.ERROR, record.reason or None))
        span.end()
