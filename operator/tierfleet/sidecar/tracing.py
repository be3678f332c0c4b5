"""Spans of requests, by OpenTelemetry: the extra `tierfleet[tracing]`. Implements `spans.py`.

One server span a request, with a child for each wait in the queue and one for each time in the
engine. What is sampled and where spans go is said by the standard `OTEL_*` variables; names are
those of the semantic conventions for HTTP and for generative AI, ours begin with `tierfleet.`.
No text of a prompt or an answer is in them, no key and no query of a URL.
"""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Sequence
from time import monotonic_ns, time_ns
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, StatusCode, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from tierfleet.sidecar.config import Config
from tierfleet.sidecar.http1 import Request
from tierfleet.sidecar.record import Record, RequestOutcome
from tierfleet.sidecar.rules import MODELS
from tierfleet.sidecar.spans import TracingError
from tierfleet.sidecar.surfaces.surface import Inference
from tierfleet.sidecar.surfaces.table import SURFACES

_LAST_SPANS_SECONDS: Final = 2.0
"""For what is not sent yet when the process ends."""
_MOST_WAITING: Final = 2048
"""Spans, by the specification of OTEL_BSP_MAX_QUEUE_SIZE."""
_MOST_AT_ONCE: Final = 64
"""Spans, where the specification of OTEL_BSP_MAX_EXPORT_BATCH_SIZE says 512: streams stand still
while a batch is encoded, which is Python."""
_SHOWN_PATH: Final = 256
_NOBODY_GOT_IT: Final = 499
_W3C: Final = TraceContextTextMapPropagator()
_METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
)
"""That the conventions know; a name made up by a caller would be one more series."""
_ENGINE_FAILED: Final = frozenset({RequestOutcome.ENGINE_ERROR, RequestOutcome.ENGINE_LOST})
_BROKE: Final = _ENGINE_FAILED | {RequestOutcome.EVICTED, RequestOutcome.STOPPED}

log = logging.getLogger(__name__)
_Attributes = dict[str, AttributeValue]


def from_environment(config: Config) -> "Tracing | None":
    """What the `OTEL_*` variables ask for; None if it is that there be no spans.

    Raises:
        TracingError: see there.
    """
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if disabled or exporter == "none":
        return None
    if exporter != "otlp":
        raise TracingError(f"OTEL_TRACES_EXPORTER is {exporter!r}; it must be otlp or none.")
    # The one for traces counts before the one for all signals.
    protocols = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    name = next((name for name in protocols if os.environ.get(name)), "")
    if name and (protocol := os.environ[name]) != "http/protobuf":
        raise TracingError(
            f"{name} is {protocol!r}; spans go by http/protobuf only, to port 4318 as a rule."
        )
    for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        endpoint = os.environ.get(name, "")
        if endpoint and not endpoint.startswith(("http://", "https://")):
            raise TracingError(f"{name} is {endpoint!r}; it must be a URL, http://HOST:4318.")
    try:
        return Tracing(config)
    except ValueError as error:
        raise TracingError(f"The OTEL_* variables cannot be used: {error}") from error


class Tracing:
    """Implements `Tracer`. Spans are sent by a thread of the SDK's; no request waits for it.

    Raises:
        ValueError: on construction, a variable has no value that can be used.
    """

    def __init__(self, config: Config) -> None:
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "tierfleet-sidecar"}))
        # Ended by `close`: the SDK's own way may hold the process for half a minute.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        most_waiting = _number("OTEL_BSP_MAX_QUEUE_SIZE", _MOST_WAITING)
        at_once = _number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(_MOST_AT_ONCE, most_waiting))
        self._processor = _Processor(most_waiting, at_once)
        self._provider.add_span_processor(self._processor)
        self.start_span = self._provider.get_tracer("tierfleet.sidecar").start_span
        self._scheme = "http" if config.certificate is None else "https"
        upstream = config.upstream
        self.engine: _Attributes = {"server.address": upstream.socket or upstream.host}
        if not upstream.socket:
            self.engine["server.port"] = upstream.port

    @property
    def dropped(self) -> int:
        """See `Tracer`."""
        return self._processor.dropped

    def begin(
        self, request: Request, arrived: int, asked: Inference | None = None, engine: str = ""
    ) -> "RequestSpans":
        """See `Tracer`."""
        method, path = request.method.decode("latin-1"), request.path.decode("latin-1")
        values: _Attributes = {
            "http.request.method": method if method in _METHODS else "_OTHER",
            "url.path": path[:_SHOWN_PATH],
            "url.scheme": self._scheme,
        }
        name = method if method in _METHODS else "HTTP"
        if (route := _route(request.path)) is not None:
            values["http.route"] = route
            name = f"{name} {route}"
        if asked is not None:
            values["gen_ai.operation.name"] = SURFACES[request.path].operation
            values["gen_ai.provider.name"] = engine.lower()
            values["gen_ai.request.model"] = asked.model
            values["gen_ai.request.stream"] = asked.stream
            if asked.max_tokens is not None:
                values["gen_ai.request.max_tokens"] = asked.max_tokens
        since = time_ns() - (monotonic_ns() - arrived)
        span = self.start_span(name, _callers(request), SpanKind.SERVER, values, start_time=since)
        return RequestSpans(self, span, since if asked is not None else None)

    async def close(self) -> None:
        """See `Tracer`; what takes longer than two seconds is lost."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # too late, the loop has ended
                loop.call_soon_threadsafe(done.set)

        # A daemon: one that waits for a collector must not keep the process from ending.
        threading.Thread(target=shut_down, daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SPANS_SECONDS):
                await done.wait()


class RequestSpans:
    """Implements `Spans`. What is not sampled has an id for the engine to refer to and no more."""

    __slots__ = ("_engine", "_parent", "_span", "_tracing", "_waits_since")

    def __init__(self, tracing: Tracing, span: Span, waits_since: int | None) -> None:
        self._tracing = tracing
        self._span = span
        self._parent = set_span_in_context(span)
        self._engine: Span | None = None
        self._waits_since = waits_since

    def sent(self) -> None:
        """See `Spans`."""
        now = time_ns()
        self._waited(now)
        if self._span.is_recording():
            self._engine = self._tracing.start_span(
                "engine", self._parent, SpanKind.CLIENT, self._tracing.engine, start_time=now
            )

    def context(self) -> bytes:
        """See `Spans`."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, set_span_in_context(self._engine or self._span))
        return "".join(f"{name}: {value}\r\n" for name, value in carrier.items()).encode("latin-1")

    def evicted(self, *, requeued: bool) -> None:
        """See `Spans`."""
        now = time_ns()
        self._left(now, RequestOutcome.EVICTED)
        if requeued:
            self._waits_since = now

    def over(self, record: Record) -> None:
        """See `Spans`."""
        now, span = time_ns(), self._span
        record.trace_id = format_trace_id(span.get_span_context().trace_id)
        if not span.is_recording():
            return
        if self._engine is not None:
            if record.ttft_ms is not None and record.stream:
                first = (record.ttft_ms - (record.wait_ms or 0)) / 1e3
                self._engine.set_attribute("gen_ai.response.time_to_first_chunk", first)
            self._left(now, record.outcome if record.outcome in _ENGINE_FAILED else "")
        # If it was refused, or given up by its caller, while it waited.
        self._waited(now)
        span.set_attributes(_told(record))
        if record.status >= 500 or record.outcome in _BROKE:
            kind = record.reason if record.outcome is RequestOutcome.REFUSED else record.outcome
            _fail(span, kind)
        span.end(now)

    def _waited(self, until: int) -> None:
        since, self._waits_since = self._waits_since, None
        if since is not None and self._span.is_recording():
            self._tracing.start_span("queue", self._parent, start_time=since).end(until)

    def _left(self, now: int, failure: str) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            if failure:
                _fail(engine, failure)
            engine.end(now)


def _route(path: bytes) -> str | None:
    """None of paths that are not served, of which there are as many as there are scanners."""
    if path.startswith(MODELS + b"/"):
        return f"{MODELS.decode()}/{{model}}"
    return path.decode() if path in SURFACES or path == MODELS else None


def _number(name: str, default: int) -> int:
    """Of the variable, or the default where it is not set."""
    value = os.environ.get(name) or str(default)
    if not (value.isascii() and value.isdigit() and int(value)):
        raise ValueError(f"{name} is {value!r}; it must be a whole number above 0.")
    return int(value)


def _callers(request: Request) -> Context:
    """The trace that the caller says this is part of (W3C Trace Context 3.2 and 3.3)."""
    carrier: dict[str, str] = {}
    for name in ("traceparent", "tracestate"):
        given = [value for field, value in request.fields if field == name.encode()]
        # Two states are one in two lines; of two parents that makes one that is not valid.
        if given:
            carrier[name] = b",".join(given).decode("latin-1")
    return _W3C.extract(carrier, Context())


def _told(record: Record) -> _Attributes:
    values: dict[str, AttributeValue | None] = {
        "http.response.status_code": record.status if record.status != _NOBODY_GOT_IT else None,
        "tierfleet.request_id": record.id,
        "tierfleet.tenant": record.tenant,
        "tierfleet.tier": record.tier or None,
        "tierfleet.partition": record.partition or None,
        "tierfleet.reservation": record.reservation,
        "tierfleet.conforming": record.conforming,
        "tierfleet.wait": None if record.wait_ms is None else record.wait_ms / 1e3,
        "tierfleet.outcome": record.outcome.value,
        "tierfleet.reason": record.reason or None,
    }
    if record.partition:
        values["gen_ai.usage.input_tokens"] = record.prompt_tokens
        values["gen_ai.usage.output_tokens"] = record.output_tokens
        values["gen_ai.usage.cache_read.input_tokens"] = record.cached_tokens
    return {name: value for name, value in values.items() if value is not None}


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", str(kind))
    span.set_status(StatusCode.ERROR)


class _Processor(BatchSpanProcessor):
    """The SDK's, but it tells what it drops.

    The SDK drops the oldest span of a full queue unseen; here a full queue takes no more. Two
    threads, and each number has one that writes it.
    """

    def __init__(self, most_waiting: int, most_at_once: int) -> None:
        self._exporter = _Exporter()
        super().__init__(
            self._exporter, max_queue_size=most_waiting, max_export_batch_size=most_at_once
        )
        self._most_waiting = most_waiting
        self._given = 0
        self._refused = 0

    @property
    def dropped(self) -> int:
        """Spans that will reach nobody."""
        return self._refused + self._exporter.failed

    def on_end(self, span: ReadableSpan) -> None:
        """See the SDK."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._given - self._exporter.taken >= self._most_waiting:
            self._refused += 1
            return
        self._given += 1
        super().on_end(span)


class _Exporter(SpanExporter):
    """The SDK's by OTLP, but it says once that its collector is away, and once that it is back.

    Attributes:
        taken: spans that it was given.
        failed: of them, those that no collector took.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.failed = 0
        self._away = False
        self._complaints = _Complaints()
        self._inner = trace_exporter.OTLPSpanExporter()
        # By its module: the SDK has no other way to be told who listens.
        logging.getLogger(trace_exporter.__name__).addFilter(self._complaints)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See the SDK."""
        self.taken += len(spans)
        self._complaints.first = ""
        try:
            result = self._inner.export(spans)
        except Exception as error:
            self._complaints.first = str(error)
            result = SpanExportResult.FAILURE
        failed = result is not SpanExportResult.SUCCESS
        if failed:
            self.failed += len(spans)
        if failed and not self._away:
            log.warning(
                "Spans do not reach the collector; until they do, they are dropped and counted: %s",
                self._complaints.first,
            )
        elif self._away and not failed:
            log.info("Spans reach the collector again.")
        self._away = failed
        return result

    def shutdown(self) -> None:
        """See the SDK."""
        self._inner.shutdown()  # type: ignore[no-untyped-call]
        logging.getLogger(trace_exporter.__name__).removeFilter(self._complaints)


class _Complaints(logging.Filter):
    """Keeps the SDK's complaints, of which there are several a batch, out of the log.

    Attributes:
        first: since it was emptied.
    """

    first = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging."""
        self.first = self.first or record.getMessage()
        return False
