"""One inference request, from the moment it is known who asks for what until it is remembered.

    WAITING   no seat yet          dispatched -> SENT     shed, client gone -> OVER
    SENT      the engine has it    first byte -> FLOWING  end, break, client gone -> OVER
                                   evicted -> WAITING (requeued) or OVER
    FLOWING   the client has part  end, break, evicted, client gone -> OVER

The head of an answer goes out with the first byte of its body: engines send the head before they
have done anything, and until then a request can still be moved or answered with an error. After it,
only the engine's own end looks like an end; anything else cuts the client's connection.

It knows nothing of bytes on sockets, nor of how seats are given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns, time
from typing import Final

from tierfleet.admission.types import Arrival, Dispatch, Outcome, Partition, Settled, Shed
from tierfleet.plan import MICRO
from tierfleet.sidecar import answers
from tierfleet.sidecar.answers import Answer
from tierfleet.sidecar.client import ClientConnection
from tierfleet.sidecar.gate import Gate
from tierfleet.sidecar.headers import to_client, trace_id
from tierfleet.sidecar.http1 import Fields, Request
from tierfleet.sidecar.identify import Caller
from tierfleet.sidecar.record import Record, RequestOutcome
from tierfleet.sidecar.retries import Retries
from tierfleet.sidecar.rules import Rules
from tierfleet.sidecar.spans import Spans
from tierfleet.sidecar.surfaces.meters import DocumentMeter, Meter, StreamMeter
from tierfleet.sidecar.surfaces.surface import Inference, Surface, for_engine
from tierfleet.sidecar.tally import Tallies
from tierfleet.sidecar.upstream import Pool, UpstreamConnection

_NS_PER_MS: Final = 1e6
_NS_PER_S: Final = 1e9
_RETRY_COUNT: Final = b"x-stainless-retry-count"
_FIRST_TRY: Final = (None, b"", b"0")
_CLIENT_GONE: Final = 499
"""nginx's status for the log; nobody receives it."""


# Looked up once: a member of an enumeration takes a call to get at.
_COMPLETED: Final = Outcome.COMPLETED
_FAILED: Final = Outcome.FAILED
_SERVED: Final = RequestOutcome.SERVED
_RESERVED: Final = Partition.RESERVED

# See the table above. Plain numbers: it is asked for at each piece of an answer.
_WAITING: Final = 0
_SENT: Final = 1
_FLOWING: Final = 2
_OVER: Final = 3


@dataclass(frozen=True, slots=True)
class Shared:
    """What all exchanges use."""

    gate: Gate
    pool: Pool
    tallies: Tallies
    retries: Retries
    remember: Callable[[Record, int], None]
    """Called once for every record, with the time at which its request came."""


class Exchange:
    """See above. Told what happens by its client, by the gate (as a ticket) and by the engine.

    Attributes:
        id: the `x-request-id`.
        number: under which the gate knows it.
        tenant: who pays; None for an anonymous caller.
        tier: of the tenant, later the one that is really charged.
        partition: that serves it; empty while it has no seat.
        arrived: when the whole request was there, monotonic nanoseconds.
    """

    __slots__ = (
        "_again", "_asked", "_asked_tier", "_billed", "_client", "_cost", "_deadline", "_dispatch",
        "_fields", "_first_byte", "_head", "_length", "_meter", "_outcome", "_reason",
        "_remembered", "_request", "_retried", "_rules", "_shared", "_shed", "_spans", "_stage",
        "_status", "_surface", "_upstream", "arrived", "id", "number", "partition", "tenant",
        "tier",
    )  # fmt: skip

    def __init__(
        self,
        shared: Shared,
        rules: Rules,
        client: ClientConnection,
        *,
        request: Request,
        request_id: bytes,
        caller: Caller,
        surface: Surface,
        asked: Inference,
        tier: str | None,
        head: bytes,
        arrived: int,
        within: int | None = None,
        spans: Spans | None = None,
    ) -> None:
        self._shared = shared
        self._rules = rules
        self._client = client
        self._request = request
        self._surface = surface
        self._asked = asked
        self._asked_tier = tier
        # What the engine gets, up to its Content-Length.
        self._head = head
        self.id = request_id
        self.tenant = caller.tenant
        self.tier = caller.tier
        self.partition = ""
        self.arrived = arrived
        self._deadline = None if within is None else arrived + within
        self._again = request.field(_RETRY_COUNT) not in _FIRST_TRY
        self.number = shared.gate.next_id()
        self._stage = _WAITING
        self._upstream: UpstreamConnection | None = None
        self._dispatch: Dispatch | None = None
        self._shed: Shed | None = None
        self._retried = False
        self._remembered = False
        self._status = 0
        self._outcome = _SERVED
        self._reason = ""
        self._first_byte = 0
        self._cost = 0
        self._billed = 0
        self._fields: Fields = []
        self._length: int | None = None
        self._meter: Meter | None = None
        self._spans = spans

    def admit(self) -> None:
        """Ask for a seat; it may have one, or be over, when this returns."""
        asked = self._asked
        arrival = Arrival(
            self.number,
            self.tenant,
            asked.prompt_tokens,
            asked.max_tokens,
            asked.sequences,
            self._asked_tier,
            self._deadline,
        )
        self._shared.retries.came(self.arrived, self.tenant, again=self._again)
        self._shared.gate.submit(self, arrival)

    # From the gate

    @property
    def output_tokens(self) -> int:
        """See `Ticket`."""
        return self._meter.output_tokens if self._meter is not None else 0

    def dispatched(self, decision: Dispatch) -> None:
        """See `Ticket`."""
        self._dispatch = decision
        self.tier = decision.tier
        self.partition = "reserved" if decision.partition is _RESERVED else "shared"
        self._shared.tallies.dispatched(self.tier, self.partition, decision.waited / _NS_PER_S)
        if self._again:
            late = self._shared.retries.served(monotonic_ns(), self.tenant)
            if late is not None:
                self._shared.tallies.came_back(late / _NS_PER_S)
        self._stage = _SENT
        self._retried = False
        if self._spans is not None:
            self._spans.sent()
        self._upstream = self._shared.pool.send(self._message(), self)

    def shed(self, decision: Shed) -> None:
        """See `Ticket`."""
        self._shed = decision
        if decision.retry_after is not None:
            self._shared.retries.refused(monotonic_ns(), self.tenant, decision.retry_after)
        self._answer(answers.shed(decision), RequestOutcome.REFUSED)

    def evicted(self, *, requeued: bool) -> None:
        """See `Ticket`."""
        if self._upstream is not None:
            self._upstream.cancel()
        self._upstream = None
        if self._spans is not None:
            self._spans.evicted(requeued=requeued)
        if requeued:
            self._meter = None
            self._stage = _WAITING
        elif self._stage == _FLOWING:
            self._over(self._status, RequestOutcome.EVICTED, "evicted-priority")
            self._client.cut()
        else:
            self._answer(answers.evicted(), RequestOutcome.EVICTED)

    def settled(self, decision: Settled) -> None:
        """See `Ticket`."""
        self._cost = decision.cost
        self._billed = decision.billed
        if self._stage == _OVER:
            self._remember()

    # From the client

    def gone(self) -> None:
        """See `Job`."""
        if self._stage == _OVER:
            return
        if self._upstream is not None:
            self._upstream.cancel()
        status = self._status if self._stage == _FLOWING else _CLIENT_GONE
        self._over(status, RequestOutcome.CLIENT_GONE, "")
        self._shared.gate.abort(self.number)
        self._remember()

    def stop(self) -> None:
        """See `Job`."""
        if self._stage == _OVER:
            return
        if self._upstream is not None:
            self._upstream.cancel()
        if self._stage == _FLOWING:
            self._over(self._status, RequestOutcome.STOPPED, "drain-deadline")
            self._client.cut()
        else:
            message = "This replica is shutting down; another one will serve the request."
            answer = answers.unavailable(message, "rejected-shutting-down")
            self._answer(answer, RequestOutcome.STOPPED)
        self._shared.gate.abort(self.number)
        self._remember()

    def pause(self) -> None:
        """See `Job`."""
        if self._upstream is not None:
            self._upstream.pause()

    def resume(self) -> None:
        """See `Job`."""
        if self._upstream is not None:
            self._upstream.resume()

    # From the engine

    def on_head(self, status: int, fields: Fields, length: int | None) -> None:
        """See `Receiver`."""
        self._status = status
        self._fields = fields
        for name, value in fields:
            if name == b"content-type" and value.find(b"event-stream") >= 0:
                self._meter = StreamMeter(self._surface, self._asked, self.tier)
                self._length = None
                return
        self._meter = DocumentMeter(self._surface, self._asked, self.tier)
        self._length = length

    def on_body(self, data: bytes) -> None:
        """See `Receiver`."""
        if self._meter is not None:
            data = self._meter.feed(data)
        if not data:
            return
        if self._stage == _SENT:
            self._begin()
            self._client.send(data)
            self._shared.gate.first_byte(self.number)
        else:
            self._client.send(data)

    def on_end(self) -> None:
        """See `Receiver`."""
        self._upstream = None
        meter = self._meter
        rest = meter.close() if meter is not None else b""
        if self._stage == _SENT:
            if isinstance(meter, DocumentMeter):
                self._length = len(rest)
            self._begin()
        if rest:
            self._client.send(rest)
        if self._status < 400:
            self._over(self._status, _SERVED, "")
            self._leave(_COMPLETED)
        else:
            self._over(self._status, RequestOutcome.ENGINE_ERROR, "")
            self._leave(_FAILED)
        self._client.finish()

    def on_refused(self, error: Exception) -> None:
        """See `Receiver`."""
        del error
        message = "The engine behind this address cannot be reached; it may be starting."
        self._answer(
            answers.unavailable(message, "rejected-no-endpoints"), RequestOutcome.ENGINE_LOST
        )
        self._leave(Outcome.UNSENT)

    def on_stale(self) -> None:
        """See `Receiver`. Inference changes nothing in the engine, so it may be sent twice."""
        if self._retried:
            self.on_lost("closed before an answer, twice")
            return
        self._retried = True
        self._shared.tallies.retries += 1
        self._upstream = self._shared.pool.send_afresh(self._message(), self)

    def on_lost(self, reason: str) -> None:
        """See `Receiver`."""
        self._upstream = None
        if self._stage == _FLOWING:
            self._over(self._status, RequestOutcome.ENGINE_LOST, reason)
            self._client.cut()
        else:
            self._answer(
                answers.engine_broke(f"The engine failed before it answered: {reason}."),
                RequestOutcome.ENGINE_LOST,
                reason,
            )
        self._leave(_FAILED)

    # Inside

    def _message(self) -> bytes:
        """The request for the engine, by the latest decision; with its place in the trace."""
        dispatch, request, rules = self._dispatch, self._request, self._rules
        sign = rules.priority_sign if self._surface.takes_priority else 0
        priority = sign * dispatch.priority if sign and dispatch is not None else None
        body = for_engine(request.body, self._asked, rules.model, priority)
        context = self._spans.context() if self._spans is not None else b""
        length = str(len(body)).encode()
        return b"".join((self._head, context, b"content-length: ", length, b"\r\n\r\n", body))

    def _let_go(self) -> None:
        """Nothing is sent to the engine any more: what it would take need not be kept."""
        self._head = self._request.body = b""

    def _begin(self) -> None:
        """The first byte of the answer: from here on the client has part of it."""
        self._stage = _FLOWING
        self._let_go()
        self._first_byte = monotonic_ns() - self.arrived
        if self._status < 400:
            self._shared.tallies.first_byte(self.tier, self.partition, self._first_byte / _NS_PER_S)
        fields = to_client(self._fields)
        if self._status >= 400:
            fields += self._come_back(self._status, fields)
        self._client.start(self._status, fields + self._own_fields(), self._length)
        self._fields = []

    def _own_fields(self) -> bytes:
        lines = [
            self._surface.id_lines(self.id),
            self._rules.fields,
            self._surface.rate_limits(self._shared.gate.headroom(self.tenant), time()),
        ]
        dispatch = self._dispatch
        if dispatch is not None:
            lines.append(answers.charged(self.tier, self.partition, dispatch.reservation))
            lines.append(answers.waited(dispatch.waited))
        elif self._shed is not None:
            lines.append(answers.waited(self._shed.waited))
        return b"".join(lines)

    def _come_back(self, status: int, given: bytes) -> bytes:
        again = not self._shared.retries.exhausted(self.tenant)
        return answers.come_back(status, given, again=again)

    def _answer(self, answer: Answer, outcome: RequestOutcome, reason: str = "") -> None:
        """Answer in the engine's place."""
        fields = self._own_fields() + self._come_back(answer.status, answer.fields)
        answer = self._surface.shaped(answer, self.id)
        self._over(answer.status, outcome, reason or answer.reason)
        self._client.answer(answer, fields)

    def _over(self, status: int, outcome: RequestOutcome, reason: str) -> None:
        has_seat = self._stage != _WAITING
        self._stage = _OVER
        self._let_go()
        self._status = status
        self._outcome = outcome
        self._reason = reason
        if not has_seat:
            # Else when it is known what it has cost, which is when the gate has been told.
            self._remember()

    def _remember(self) -> None:
        """Once, when it is over and settled."""
        if not self._remembered:
            self._remembered = True
            record = self._record()
            if self._spans is not None:
                self._spans.over(record)
            self._shared.remember(record, self.arrived)

    def _record(self) -> Record:
        dispatch, shed, meter, request = self._dispatch, self._shed, self._meter, self._request
        plan = self._rules.plan
        record = Record(
            id=self.id.decode(),
            method=request.method.decode(),
            path=request.path.decode(),
            status=self._status,
            outcome=self._outcome,
            reason=self._reason,
            tenant=self.tenant,
            tier=self.tier,
            cost=self._cost / MICRO,
            billed=self._billed / MICRO,
            stream=self._asked.stream,
            ttft_ms=self._first_byte / _NS_PER_MS if self._first_byte else None,
            plan=plan.version,
            burndown=plan.burndown.version,
            trace_id=trace_id(request),
        )
        if dispatch is not None:
            record.partition = self.partition
            record.reservation = dispatch.reservation
            record.conforming = dispatch.conforming
            record.borrowed = dispatch.borrowed
            record.shadow_refused = dispatch.refused or ""
            record.shadow_passed = dispatch.instead_of is not None
            record.shadow_held = dispatch.held
            record.wait_ms = dispatch.waited / _NS_PER_MS
        if shed is not None:
            record.wait_ms = shed.waited / _NS_PER_MS
            record.conforming = shed.conforming
        if meter is not None:
            usage = meter.usage
            record.output_tokens = meter.output_tokens
            record.prompt_tokens = usage.prompt_tokens if usage else self._asked.prompt_tokens
            record.cached_tokens = usage.cached_tokens if usage else 0
        return record

    def _leave(self, outcome: Outcome) -> None:
        usage = self._meter.usage if self._meter is not None else None
        if usage is None:
            self._shared.gate.finish(self.number, outcome)
        else:
            self._shared.gate.finish(
                self.number,
                outcome,
                prompt_tokens=usage.prompt_tokens - self._asked.prompt_tokens,
                cached_tokens=usage.cached_tokens,
            )
        self._remember()
