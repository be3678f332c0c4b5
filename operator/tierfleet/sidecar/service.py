"""Which request goes where: the data port's routes and the checks before a request may wait.

It knows the order of the checks; each check, and what comes after, is somebody else's.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable
from itertools import count

from tierfleet.sidecar import answers, vllm
from tierfleet.sidecar.answers import Answer
from tierfleet.sidecar.client import ClientConnection, Job, Patience
from tierfleet.sidecar.engine import Engine, EngineUnavailableError
from tierfleet.sidecar.exchange import Exchange, Shared
from tierfleet.sidecar.headers import to_engine
from tierfleet.sidecar.http1 import ReadLimits, Request
from tierfleet.sidecar.identify import UnknownCallerError
from tierfleet.sidecar.journal import Journal
from tierfleet.sidecar.lifecycle import Lifecycle, State
from tierfleet.sidecar.metrics import Metrics
from tierfleet.sidecar.record import Record, RequestOutcome
from tierfleet.sidecar.request import BadBodyError, for_engine, read
from tierfleet.sidecar.rules import MODELS, Rules

_INFERENCE = frozenset({b"/v1/chat/completions", b"/v1/completions"})
_METRICS = b"/metrics"
_READING = frozenset({b"GET", b"HEAD"})
_LOGGED_PATH = 256
_SERVED = (
    "POST /v1/chat/completions, POST /v1/completions, GET /v1/models, GET /v1/models/NAME, "
    "GET /metrics"
)
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class RefusedError(Exception):
    """A request that is answered before it may wait."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class DataPlane:
    """Implements `client.Service`.

    Attributes:
        rules: of the plan in force; None while there is none.
        shared: what exchanges use; None while there is no plan.
        lifecycle: whether requests are taken.
    """

    def __init__(
        self,
        engine: Engine,
        host: bytes,
        metrics: Metrics,
        journal: Journal,
        *,
        read_limits: ReadLimits,
        patience: Patience,
    ) -> None:
        self.read_limits = read_limits
        self.patience = patience
        self.connections: set[ClientConnection] = set()
        self.lifecycle = Lifecycle()
        self.rules: Rules | None = None
        self.shared: Shared | None = None
        self._engine = engine
        self._host = host
        self._metrics = metrics
        self._journal = journal
        self._ids = count(1)
        self._id_prefix = secrets.token_hex(6)

    @property
    def in_flight(self) -> int:
        """Inference requests that wait or run."""
        return self.shared.gate.in_flight if self.shared is not None else 0

    def handle(self, request: Request, client: ClientConnection) -> Job | None:
        """See `client.Service`."""
        if request.path == _METRICS and request.method in _READING:
            return _Scrape(self.engine_metrics(), client)
        arrived = time.monotonic_ns()
        record = Record(
            id=self._request_id(request),
            method=request.method.decode(),
            path=request.path[:_LOGGED_PATH].decode("latin-1"),
        )
        try:
            if request.path in _INFERENCE and request.method == b"POST":
                return self._infer(request, client, record, arrived)
            answer = self._look_up(request, record)
        except RefusedError as refused:
            answer = refused.answer
        self._close(record, answer, arrived)
        fields = b"x-request-id: %b\r\n" % record.id.encode()
        client.answer(answer, fields + self.rules.fields if self.rules is not None else fields)
        return None

    def refused(self, answer: Answer) -> bytes:
        """See `client.Service`."""
        record = Record(id=self._new_id(), method="", path="")
        self._close(record, answer, time.monotonic_ns())
        return b"x-request-id: %b\r\n" % record.id.encode()

    def last_answer(self) -> bool:
        """See `client.Service`."""
        return not self.lifecycle.serving

    def remember(self, record: Record, arrived: int) -> None:
        """A request is over."""
        record.duration_ms = (time.monotonic_ns() - arrived) / 1e6
        if self.rules is not None and not record.plan:
            record.plan = self.rules.plan.version
        self._metrics.ended(record)
        self._journal.note(time.time(), record)

    async def engine_metrics(self) -> Answer:
        """The engine's metrics with our queue counted in."""
        try:
            metrics = await self._engine.metrics()
        except EngineUnavailableError as error:
            return answers.unavailable(str(error), "rejected-no-endpoints")
        load = self.shared.gate.load() if self.shared is not None else ()
        queued = sum(tier.queued for tier in load)
        kind = b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n"
        return Answer(200, kind, vllm.with_queue(metrics, queued))

    def _infer(
        self, request: Request, client: ClientConnection, record: Record, arrived: int
    ) -> Job:
        rules, shared = self._in_force()
        if self.lifecycle.state(time.monotonic()) is State.REFUSING:
            message = "This replica is shutting down; another one will serve the request."
            raise RefusedError(answers.unavailable(message, "rejected-shutting-down"))
        self._identify(rules, request, record)
        for field, value in request.fields:
            if field == b"content-encoding" and value.lower() != b"identity":
                raise RefusedError(answers.encoded_body(value.decode("latin-1")[:40]))
        try:
            asked = read(request.body)
        except BadBodyError as problem:
            raise RefusedError(answers.bad_body(problem.message, problem.param)) from problem
        model = rules.plan.model
        if not model.serves(asked.model):
            raise RefusedError(answers.no_such_model(asked.model, model))
        record.stream = asked.stream
        record.plan = rules.plan.version
        record.burndown = rules.plan.burndown.version
        body = for_engine(request.body, asked, model.name)
        payload = b"%bcontent-length: %d\r\n\r\n%b" % (
            to_engine(request, self._host, record.id.encode()),
            len(body),
            body,
        )
        exchange = Exchange(
            shared, rules, client, record=record, asked=asked, payload=payload, arrived=arrived
        )
        exchange.admit()
        return exchange

    def _look_up(self, request: Request, record: Record) -> Answer:
        path, method = request.path, request.method
        if method in _READING and (path == MODELS or path.startswith(MODELS + b"/")):
            rules, _ = self._in_force()
            self._identify(rules, request, record)
            return rules.models(path)
        return answers.no_such_path(record.method, record.path, _SERVED)

    def _in_force(self) -> tuple[Rules, Shared]:
        if self.rules is None or self.shared is None:
            message = "There is no plan yet, so nobody can be served; it is being waited for."
            raise RefusedError(answers.unavailable(message, "rejected-no-endpoints"))
        return self.rules, self.shared

    @staticmethod
    def _identify(rules: Rules, request: Request, record: Record) -> None:
        try:
            caller = rules.callers.identify(request)
        except UnknownCallerError as problem:
            raise RefusedError(answers.unknown_caller(str(problem))) from problem
        record.tenant = caller.tenant
        record.tier = caller.tier
        if not caller.access:
            raise RefusedError(answers.no_access(caller.tenant, rules.plan.pool.name))

    def _close(self, record: Record, answer: Answer, arrived: int) -> None:
        record.status = answer.status
        record.reason = answer.reason
        record.outcome = RequestOutcome.REFUSED if answer.reason else RequestOutcome.SERVED
        self.remember(record, arrived)

    def _request_id(self, request: Request) -> str:
        given = request.field(b"x-request-id")
        if given is not None and _SANE_ID.fullmatch(given):
            return given.decode()
        return self._new_id()

    def _new_id(self) -> str:
        return f"req-{self._id_prefix}-{next(self._ids):x}"


class _Scrape:
    """A request for the engine's metrics, which takes a moment.

    Endpoint pickers ask many times a second: it is neither logged nor counted.
    """

    def __init__(self, metrics: Awaitable[Answer], client: ClientConnection) -> None:
        self._task = asyncio.ensure_future(self._run(metrics, client))

    async def _run(self, metrics: Awaitable[Answer], client: ClientConnection) -> None:
        client.answer(await metrics)

    def gone(self) -> None:
        """See `Job`."""
        self._task.cancel()

    def stop(self) -> None:
        """See `Job`."""
        self._task.cancel()

    def pause(self) -> None:
        """See `Job`; the answer is one piece."""

    def resume(self) -> None:
        """See `Job`."""
