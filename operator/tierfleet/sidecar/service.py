"""Which request goes where: the data port's routes and the checks before a request may wait.

It knows the order of the checks; each check, and what comes after, is somebody else's.
"""

import asyncio
import re
import secrets
from collections.abc import Awaitable
from time import monotonic, monotonic_ns, time
from typing import Final

from tierfleet.sidecar import answers
from tierfleet.sidecar.answers import Answer
from tierfleet.sidecar.client import ClientConnection, Job, Patience
from tierfleet.sidecar.engine import Engine, EngineUnavailableError
from tierfleet.sidecar.exchange import Exchange, Shared
from tierfleet.sidecar.headers import to_engine
from tierfleet.sidecar.http1 import ReadLimits, Request
from tierfleet.sidecar.identify import (
    Caller,
    UnknownCallerError,
    objective,
    time_to_first_token,
)
from tierfleet.sidecar.journal import Journal
from tierfleet.sidecar.lifecycle import Lifecycle, State
from tierfleet.sidecar.outbox import Outbox
from tierfleet.sidecar.record import Record, RequestOutcome
from tierfleet.sidecar.rules import MODELS, Rules
from tierfleet.sidecar.spans import CONTEXT, Spans, Tracer
from tierfleet.sidecar.surfaces import tiers
from tierfleet.sidecar.surfaces.surface import BadBodyError, Inference, Surface
from tierfleet.sidecar.surfaces.table import SERVED, SURFACES
from tierfleet.sidecar.tally import Tallies

_METRICS: Final = b"/metrics"
_READING: Final = frozenset({b"GET", b"HEAD"})
_LOGGED_PATH: Final = 256
_PLAIN: Final = Surface()
_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


Entry = tuple[Rules, Shared, Caller, bool]
"""What is in force for a request, who asks, and whether a gateway vouches for that."""


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
        tallies: Tallies,
        journal: Journal,
        outbox: Outbox,
        *,
        read_limits: ReadLimits,
        patience: Patience,
        tracer: Tracer | None = None,
    ) -> None:
        self.read_limits = read_limits
        self.patience = patience
        self.connections: set[ClientConnection] = set()
        self.outbox = outbox
        self.lifecycle = Lifecycle()
        self.rules: Rules | None = None
        self.shared: Shared | None = None
        self._engine = engine
        self._host = host
        self._tracer = tracer
        self._tallies = tallies
        self._journal = journal
        self._ids = 0
        self._id_prefix = secrets.token_hex(6).encode()

    @property
    def in_flight(self) -> int:
        """Inference requests that wait or run."""
        return self.shared.gate.in_flight if self.shared is not None else 0

    def handle(self, request: Request, client: ClientConnection) -> Job | None:
        """See `client.Service`."""
        if request.path == _METRICS and request.method in _READING:
            return _Scrape(self.engine_metrics(), client)
        arrived = monotonic_ns()
        request_id = self._request_id(request)
        visit = Visit(request, request_id, arrived)
        surface = SURFACES.get(request.path) if request.method == b"POST" else None
        try:
            if surface is not None:
                return self._infer(visit, surface, client)
            answer = self._look_up(visit)
        except RefusedError as refused:
            answer = refused.answer
            if surface is not None:
                answer = surface.shaped(answer, request_id)
        self._close(visit.record(), answer, arrived, request)
        fields = (surface or _PLAIN).id_lines(request_id)
        client.answer(answer, fields + self.rules.fields if self.rules is not None else fields)
        return None

    def takes(self, request: Request) -> bool:
        """See `client.Service`: a stranger must not make us hold a body."""
        if request.method != b"POST" or request.path not in SURFACES:
            return False
        try:
            self._let_in(Visit(request, b"", 0))
        except RefusedError:
            return False
        return True

    def refused(self, answer: Answer) -> bytes:
        """See `client.Service`."""
        request_id = self._new_id()
        self._close(Record(id=request_id.decode(), method="", path=""), answer, monotonic_ns())
        return b"x-request-id: %b\r\n" % request_id

    def last_answer(self) -> bool:
        """See `client.Service`."""
        return not self.lifecycle.serving

    def remember(self, record: Record, arrived: int) -> None:
        """A request is over."""
        record.duration_ms = (monotonic_ns() - arrived) / 1e6
        if self.rules is not None and not record.plan:
            record.plan = self.rules.plan.version
        self._tallies.ended(record)
        self._journal.note(time(), record)

    async def engine_metrics(self) -> Answer:
        """The engine's metrics with our queue counted in."""
        try:
            metrics = await self._engine.metrics()
        except EngineUnavailableError as error:
            return answers.unavailable(str(error), "rejected-no-endpoints")
        load = self.shared.gate.load() if self.shared is not None else ()
        queued = sum(tier.queued for tier in load)
        kind = b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n"
        return Answer(200, kind, self._engine.adapter.with_queue(metrics, queued))

    def _let_in(self, visit: "Visit") -> Entry:
        """Whatever can be said by the head of a request for inference.

        Raises:
            RefusedError: it is not served, whatever its body.
        """
        rules, shared = self._in_force()
        if not self.lifecycle.serving and (self.lifecycle.state(monotonic()) is State.REFUSING):
            message = "This replica is shutting down; another one will serve the request."
            raise RefusedError(answers.unavailable(message, "rejected-shutting-down"))
        vouched = rules.callers.vouched(visit.request)
        caller = self._identify(rules, visit, vouched=vouched)
        for field, value in visit.request.fields:
            if field == b"content-encoding" and value.lower() != b"identity":
                raise RefusedError(answers.encoded_body(value.decode("latin-1")[:40]))
        return rules, shared, caller, vouched

    def _infer(self, visit: "Visit", surface: Surface, client: ClientConnection) -> Job:
        rules, shared, caller, vouched = self._let_in(visit)
        request = visit.request
        try:
            asked = surface.read(request.body)
            tier = tiers.asked_for(asked.service_tier, rules.tiers)
        except BadBodyError as problem:
            raise RefusedError(answers.bad_body(problem.message, problem.param)) from problem
        model = rules.plan.model
        if asked.model != rules.model and not model.serves(asked.model):
            raise RefusedError(answers.no_such_model(asked.model, model))
        if asked.service_tier is None and vouched:
            tier = objective(request, rules.tiers)
        exchange = Exchange(
            shared,
            rules,
            client,
            request=request,
            request_id=visit.id,
            caller=caller,
            surface=surface,
            asked=asked,
            tier=tier,
            head=to_engine(request, self._host, visit.id, self._dropped(rules)),
            arrived=visit.arrived,
            within=time_to_first_token(request) if vouched else None,
            spans=self._spans(visit, asked, rules),
        )
        exchange.admit()
        return exchange

    def _spans(self, visit: "Visit", asked: Inference, rules: Rules) -> Spans | None:
        if self._tracer is None:
            return None
        engine = rules.plan.engine_type
        return self._tracer.begin(visit.request, visit.arrived, asked, engine)

    def _dropped(self, rules: Rules) -> frozenset[bytes]:
        identity = rules.callers.identity
        return identity if self._tracer is None else identity | CONTEXT

    def _look_up(self, visit: "Visit") -> Answer:
        path, method = visit.request.path, visit.request.method
        if path in SURFACES:
            return answers.wrong_method(method.decode(), visit.path, b"POST")
        models = path == MODELS or path.startswith(MODELS + b"/")
        if (models or path == _METRICS) and method not in _READING:
            return answers.wrong_method(method.decode(), visit.path, b"GET, HEAD")
        if models:
            rules, _ = self._in_force()
            self._identify(rules, visit, vouched=rules.callers.vouched(visit.request))
            return rules.models(path)
        return answers.no_such_path(method.decode(), visit.path, SERVED)

    def _in_force(self) -> tuple[Rules, Shared]:
        if self.rules is None or self.shared is None:
            message = "There is no plan yet, so nobody can be served; it is being waited for."
            raise RefusedError(answers.unavailable(message, "rejected-no-endpoints"))
        return self.rules, self.shared

    @staticmethod
    def _identify(rules: Rules, visit: "Visit", *, vouched: bool) -> Caller:
        try:
            caller = rules.callers.identify(visit.request, vouched=vouched)
        except UnknownCallerError as problem:
            raise RefusedError(answers.unknown_caller(str(problem))) from problem
        visit.caller = caller
        if not caller.access:
            raise RefusedError(answers.no_access(caller.tenant, rules.plan.pool.name))
        return caller

    def _close(
        self, record: Record, answer: Answer, arrived: int, request: Request | None = None
    ) -> None:
        record.status = answer.status
        record.reason = answer.reason
        record.outcome = RequestOutcome.REFUSED if answer.reason else RequestOutcome.SERVED
        if self._tracer is not None and request is not None:
            self._tracer.begin(request, arrived).over(record)
        self.remember(record, arrived)

    def _request_id(self, request: Request) -> bytes:
        given = request.field(b"x-request-id")
        if given is not None and _SANE_ID.fullmatch(given):
            return given
        return self._new_id()

    def _new_id(self) -> bytes:
        self._ids += 1
        return b"req-%b-%x" % (self._id_prefix, self._ids)


class Visit:
    """A request while it is looked at.

    Attributes:
        request: itself.
        id: the `x-request-id`.
        arrived: when the whole of it was there, monotonic nanoseconds.
        caller: once it is known.
    """

    __slots__ = ("arrived", "caller", "id", "request")

    def __init__(self, request: Request, request_id: bytes, arrived: int) -> None:
        self.request = request
        self.id = request_id
        self.arrived = arrived
        self.caller: Caller | None = None

    @property
    def path(self) -> str:
        """As much of the path as is worth showing."""
        return self.request.path[:_LOGGED_PATH].decode("latin-1")

    def record(self) -> Record:
        """What is known so far."""
        record = Record(id=self.id.decode(), method=self.request.method.decode(), path=self.path)
        if self.caller is not None:
            record.tenant = self.caller.tenant
            record.tier = self.caller.tier
        return record


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
