"""The admission core: a first, simple ordering behind the whole interface.

A free seat goes to, in this order:

1. the head of a reservation whose balance is not negative, the one furthest ahead of its due first
   (`entitlements.py`);
2. the highest tier with a request waiting, first come first served inside it.

So a guarantee holds whatever the tiers do, a tier never waits for a lower one, and no seat stays
empty while the next in line fits (one that needs several seats is waited for: filling around it
would starve it). Fairness inside a tier, floors, hold-back and reclaim are not
here yet; `supported.py` says so of a plan that asks for them.
"""

import heapq
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from tierfleet.admission import settlement
from tierfleet.admission.cost import Rates
from tierfleet.admission.drain import MOST, DrainRate
from tierfleet.admission.entitlements import MILLISECOND, Entitlement
from tierfleet.admission.flows import Flow, Request, State
from tierfleet.admission.queues import Queues
from tierfleet.admission.roster import Roster
from tierfleet.admission.types import (
    Arrival,
    Decision,
    Dispatch,
    EngineLimits,
    EngineReading,
    Headroom,
    Outcome,
    Partition,
    Progress,
    Shed,
    ShedReason,
    TierLoad,
    WakeAt,
)
from tierfleet.plan import Plan, SpilloverAction


class Core:
    """Implements `tierfleet.admission.interface.Admission`; see there for each event.

    Args:
        plan: the first plan; `replan` brings the next ones.
        limits: of the engine behind it; the group must be one of the plan's.
        seed: for decisions that need chance; the same seed gives the same decisions.

    Raises:
        tierfleet.plan.PlanError: the plan has no such group.
    """

    def __init__(self, plan: Plan, limits: EngineLimits, seed: int = 0) -> None:
        self._seed = seed
        self._now = 0
        self._wall = datetime(1970, 1, 1, tzinfo=UTC)
        self._wall_at = 0
        self._sequence = 0
        self._seats_taken = 0
        self._requests: dict[int, Request] = {}
        self._expiries: list[tuple[int, int, Request]] = []
        self._wake: int | None = None
        self._drain = DrainRate()
        self._roster = Roster(0, plan, plan.share(limits.group))
        self._adopt(plan, limits)

    # Events

    def arrive(self, now: int, request: Arrival) -> Sequence[Decision]:
        """See `Admission.arrive`."""
        now = self._at(now)
        if request.id in self._requests:
            return ()
        flow = self._roster.flow(now, request.tenant)
        if flow is None:
            known = self._roster.knows(request.tenant)
            reason = ShedReason.NO_ACCESS if known else ShedReason.UNKNOWN_TENANT
            return (Shed(request.id, reason, None, "This caller may not use this pool."),)
        refusal = self._refusal(now, request, flow)
        if refusal is not None:
            return (refusal,)
        self._enqueue(now, request, flow)
        return self._decide(now)

    def first_byte(self, now: int, request: int) -> Sequence[Decision]:
        """See `Admission.first_byte`; nothing here depends on it yet."""
        del request
        self._at(now)
        return ()

    def progress(self, now: int, batch: Sequence[Progress]) -> Sequence[Decision]:
        """See `Admission.progress`."""
        now = self._at(now)
        for delta in batch:
            request = self._requests.get(delta.id)
            if request is None or request.state is not State.RUNNING:
                continue
            request.prompt += delta.prompt_tokens
            request.cached += delta.cached_tokens
            request.output += delta.output_tokens
            settlement.charge_excess(now, request, self._rates)
        return self._decide(now)

    def finish(self, now: int, request: int, outcome: Outcome) -> Sequence[Decision]:
        """See `Admission.finish`."""
        now = self._at(now)
        record = self._requests.get(request)
        if record is None or record.state is not State.RUNNING:
            return ()
        if outcome is Outcome.COMPLETED and record.output:
            record.flow.learn(record.output, record.arrival.sequences)
        if outcome is Outcome.UNSENT:
            settlement.forgive(now, record)
        elif record.output or outcome is Outcome.FAILED:
            settlement.settle(now, record, self._rates)
        self._end_running(now, record)
        return self._decide(now)

    def abort(self, now: int, request: int) -> Sequence[Decision]:
        """See `Admission.abort`."""
        now = self._at(now)
        record = self._requests.get(request)
        if record is None:
            return ()
        if record.state is State.QUEUED:
            self._leave_queue(now, record)
            self._end_unserved(now, record)
        else:
            if record.output:
                settlement.settle(now, record, self._rates)
            self._end_running(now, record)
        return self._decide(now)

    def engine(self, now: int, reading: EngineReading) -> Sequence[Decision]:
        """See `Admission.engine`; this ordering trusts its own count of seats."""
        del reading
        self._at(now)
        return ()

    def replan(self, now: int, plan: Plan, limits: EngineLimits) -> Sequence[Decision]:
        """See `Admission.replan`.

        Raises:
            tierfleet.plan.PlanError: the plan has no such group; the old plan stays in force.
        """
        now = self._at(now)
        self._roster.adopt(now, plan, plan.share(limits.group))
        self._adopt(plan, limits)
        too_large = [
            self._shed_queued(
                now, request, ShedReason.TOO_MANY_SEATS, None, self._too_large(request.arrival)
            )
            for request in list(self._requests.values())
            if request.state is State.QUEUED and request.arrival.sequences > self._seats
        ]
        return [*too_large, *self._decide(now)]

    def tick(self, now: int, wall: datetime) -> Sequence[Decision]:
        """See `Admission.tick`."""
        now = self._at(now)
        self._wall, self._wall_at = wall, now
        return self._decide(now)

    # Queries

    def headroom(self, now: int, tenant: str | None) -> Headroom:
        """See `Admission.headroom`."""
        now = max(now, self._now)
        flow = self._roster.peek(now, tenant)
        return Headroom(
            requests=flow.requests.allowance(now) if flow and flow.requests else None,
            tokens=flow.tokens.allowance(now) if flow and flow.tokens else None,
        )

    def load(self) -> Sequence[TierLoad]:
        """See `Admission.load`."""
        in_flight = {tier.name: 0 for tier in self._queues.tiers}
        for flow in self._roster.flows.values():
            in_flight[flow.tier.name] += flow.in_flight
        return tuple(
            TierLoad(tier, self._queues.waiting(tier), running)
            for tier, running in in_flight.items()
        )

    # Arrival

    def _refusal(self, now: int, request: Arrival, flow: Flow) -> Shed | None:
        """Why the request is turned away; None if it is not, and its limits are charged."""
        if request.sequences > self._seats:
            message = self._too_large(request)
            return Shed(request.id, ShedReason.TOO_MANY_SEATS, None, message)
        entitlement = self._roster.active(flow.tenant, self._wall_at_now(now))
        conforms = entitlement is not None and entitlement.conforms(now)
        if entitlement is not None and not conforms:
            contract = entitlement.plan
            if contract.spillover.action is SpilloverAction.REJECT:
                retry = min(MOST, entitlement.time_until_conforming(now))
                message = f"Reservation {contract.name} is used up and rejects what exceeds it."
                return Shed(request.id, ShedReason.OVER_GUARANTEE, retry, message)
        over_limit = self._over_limit(now, request, flow)
        if over_limit is not None or conforms or not self._is_full(request, flow):
            return over_limit
        settlement.refund(now, flow, self._tokens(request, flow))
        retry = self._drain.time_for(self._queues.ahead(flow.tier) + 1)
        message = f"The queue of tier {flow.tier.name} is full: the fleet has no capacity left."
        return Shed(request.id, ShedReason.QUEUE_FULL, retry, message)

    def _over_limit(self, now: int, request: Arrival, flow: Flow) -> Shed | None:
        """Charges the limits of requests and of tokens, or neither."""
        limits = flow.tier.limits
        if flow.requests and (wait := flow.requests.take(now, 1)):
            message = f"The limit of {limits.requests_per_minute} requests a minute is reached."
            return Shed(request.id, ShedReason.REQUEST_LIMIT, wait, message)
        if flow.tokens and (wait := flow.tokens.take(now, self._tokens(request, flow))):
            if flow.requests:
                flow.requests.settle(now, -1)
            message = f"The limit of {limits.tokens_per_minute} tokens a minute is reached."
            return Shed(request.id, ShedReason.TOKEN_LIMIT, wait, message)
        return None

    def _is_full(self, request: Arrival, flow: Flow) -> bool:
        bound = self._roster.part(flow.tier.queue.max_requests)
        would_wait = not self._queues.is_empty() or not self._fits(request)
        return would_wait and self._queues.waiting(flow.tier.name) >= bound

    @staticmethod
    def _tokens(request: Arrival, flow: Flow) -> int:
        return request.prompt_tokens + flow.expected_output(request)

    def _enqueue(self, now: int, arrival: Arrival, flow: Flow) -> None:
        self._sequence += 1
        request = Request(
            arrival=arrival,
            flow=flow,
            sequence=self._sequence,
            arrived=now,
            charged_tokens=self._tokens(arrival, flow),
            charged_cost=self._rates.cost(arrival.prompt_tokens, 0, flow.expected_output(arrival)),
        )
        self._requests[arrival.id] = request
        self._queues.put(request)
        for entitlement in self._roster.reservations_of(flow.tenant):
            entitlement.join(now, request.charged_cost)
        expiry = now + flow.tier.queue.max_wait_milliseconds * MILLISECOND
        if arrival.deadline is not None:
            expiry = min(expiry, arrival.deadline)
        heapq.heappush(self._expiries, (expiry, request.sequence, request))

    # Dispatch

    def _decide(self, now: int) -> Sequence[Decision]:
        decisions: list[Decision] = list(self._expire(now))
        while (chosen := self._next(now)) is not None:
            decisions.append(self._dispatch(now, *chosen))
        while self._expiries and self._expiries[0][2].state is not State.QUEUED:
            heapq.heappop(self._expiries)
        wake = self._expiries[0][0] if self._expiries else None
        if wake is not None and wake != self._wake:
            decisions.append(WakeAt(wake))
        self._wake = wake
        return decisions

    def _next(self, now: int) -> tuple[Request, Entitlement | None] | None:
        """The request that takes the next seat, and the reservation that pays for it.

        A head that does not fit yet is waited for: filling around it would starve it.
        """
        if self._seats_taken >= self._seats:
            return None
        reserved = self._next_reserved(now)
        head, entitlement = reserved or (self._queues.head(), None)
        return (head, entitlement) if head is not None and self._fits(head.arrival) else None

    def _next_reserved(self, now: int) -> tuple[Request, Entitlement] | None:
        best: tuple[Fraction, int] | None = None
        found: tuple[Request, Entitlement] | None = None
        wall = self._wall_at_now(now)
        for entitlement in self._roster.entitlements.values():
            if not entitlement.waiting or not entitlement.plan.term.holds_at(wall):
                continue
            if not entitlement.may_serve(now):
                continue
            for tenant in entitlement.plan.tenants:
                flow = self._roster.flows.get(tenant)
                head = flow.head() if flow else None
                if head is None:
                    continue
                order = (-entitlement.lead(now), head.sequence)
                if best is None or order < best:
                    best, found = order, (head, entitlement)
        return found

    def _dispatch(self, now: int, request: Request, entitlement: Entitlement | None) -> Dispatch:
        flow = request.flow
        self._leave_queue(now, request)
        request.state = State.RUNNING
        request.prompt = request.arrival.prompt_tokens
        if entitlement is not None:
            entitlement.pay(now, request.charged_cost)
            request.entitlement = entitlement
        flow.in_flight += 1
        self._seats_taken += request.arrival.sequences
        self._queues.offer(flow)
        return Dispatch(
            id=request.arrival.id,
            tenant=flow.tenant,
            tier=flow.tier.name,
            partition=Partition.RESERVED if entitlement else Partition.SHARED,
            reservation=entitlement.plan.name if entitlement else None,
            waited=now - request.arrived,
            priority=flow.tier.priority,
        )

    def _expire(self, now: int) -> Iterator[Shed]:
        while self._expiries and self._expiries[0][0] <= now:
            _, _, request = heapq.heappop(self._expiries)
            if request.state is not State.QUEUED:
                continue
            retry = self._drain.time_for(self._queues.waiting(request.flow.tier.name))
            message = "The request waited for a seat as long as its tier or its deadline allows."
            yield self._shed_queued(now, request, ShedReason.EXPIRED, retry, message)

    def _shed_queued(
        self, now: int, request: Request, reason: ShedReason, retry: int | None, message: str
    ) -> Shed:
        self._leave_queue(now, request)
        self._end_unserved(now, request)
        return Shed(request.arrival.id, reason, retry, message, waited=now - request.arrived)

    def _too_large(self, request: Arrival) -> str:
        return (
            f"The request asks for {request.sequences} sequences at once, "
            f"the engine runs at most {self._seats}: ask for fewer."
        )

    # Ends

    def _end_running(self, now: int, request: Request) -> None:
        request.flow.in_flight -= 1
        self._seats_taken -= request.arrival.sequences
        self._drain.ended(now, waiting=not self._queues.is_empty())
        self._end(request)

    def _end_unserved(self, now: int, request: Request) -> None:
        settlement.forgive(now, request)
        self._end(request)

    def _end(self, request: Request) -> None:
        request.state = State.ENDED
        del self._requests[request.arrival.id]
        self._queues.offer(request.flow)

    def _leave_queue(self, now: int, request: Request) -> None:
        self._queues.remove(request)
        for entitlement in self._roster.reservations_of(request.flow.tenant):
            entitlement.leave(now, request.charged_cost)

    # Small things

    def _adopt(self, plan: Plan, limits: EngineLimits) -> None:
        """What depends on the plan beside the roster."""
        self._seats = limits.seats
        self._rates = Rates.of(plan.burndown)
        self._queues = Queues(plan.tiers, self._roster.flows.values())

    def _at(self, now: int) -> int:
        self._now = max(now, self._now)
        return self._now

    def _wall_at_now(self, now: int) -> datetime:
        return self._wall + timedelta(microseconds=(now - self._wall_at) // 1000)

    def _fits(self, request: Arrival) -> bool:
        return self._seats_taken + request.sequences <= self._seats
