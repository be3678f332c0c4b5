"""A collector of spans: OTLP over HTTP, as the protobuf that it is."""

import asyncio
from collections.abc import Iterable
from typing import Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.unit.sidecar.waiting import until


class Collector:
    """Takes spans on a free port of loopback.

    Attributes:
        spans: that it took.
        services: the names of those who sent them.
        turned_away: batches that it refused because it is `closed`.
        raw: everything that was sent to it.
        largest: spans in the largest batch.
        takes: seconds for each batch.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[object] = set()
        self.turned_away = 0
        self.closed = False
        self.raw = b""
        self.largest = 0
        self.takes = 0.0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0][:2])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, asked: web.Request) -> web.Response:
        if self.closed:
            self.turned_away += 1
            return web.Response(status=403)
        body = await asked.read()
        await asyncio.sleep(self.takes)
        self.raw += body
        before = len(self.spans)
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services.add(values(sent.resource.attributes)["service.name"])
            self.spans += [span for scope in sent.scope_spans for span in scope.spans]
        self.largest = max(self.largest, len(self.spans) - before)
        return web.Response()

    def root(self, request_id: str) -> Span | None:
        """The server span of a request, None while it is not here."""
        for span in self.spans:
            if values(span.attributes).get("tierfleet.request_id") == request_id:
                return span
        return None

    async def request(self, request_id: str) -> tuple[Span, list[Span]]:
        """The server span of a request once it is here, and its children as they began."""
        await until(lambda: self.root(request_id))
        root = self.root(request_id)
        assert root is not None
        # In one batch, or one before: children end first.
        children = [span for span in self.spans if span.parent_span_id == root.span_id]
        return root, sorted(children, key=lambda span: (span.start_time_unix_nano, span.name))


def values(attributes: Iterable[KeyValue]) -> dict[str, object]:
    """Attributes as plain values."""
    found: dict[str, object] = {}
    for attribute in attributes:
        kind = attribute.value.WhichOneof("value")
        assert kind is not None
        found[attribute.key] = getattr(attribute.value, kind)
    return found
