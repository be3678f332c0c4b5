"""The admission core: which queued request takes the next free seat of the engine.

`order.py` says who is next, `seats.py` whether there is room, `settlement.py` what it is charged,
`reclaim.py` who is thrown out for what was promised, `roster.py` who is served at all. Here are the
events, and what follows from each. docs/admission.md explains the rules and their bounds.
"""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from tierfleet.admission.arrivals import Arrivals
from tierfleet.admission.cost import Rates
from tierfleet.admission.drain import DrainRate
from tierfleet.admission.holdback import HoldBack
from tierfleet.admission.order import Choice, Order
from tierfleet.admission.pulse import Pulse
from tierfleet.admission.reclaim import Reclaim
from tierfleet.admission.requests import ABORTING, ENDED, QUEUED, RUNNING, Request
from tierfleet.admission.roster import Roster
from tierfleet.admission.running import Running
from tierfleet.admission.seats import Seats
from tierfleet.admission.settlement import Settlement
from tierfleet.admission.shares import TierQueue
from tierfleet.admission.types import (
    Abort,
    Arrival,
    Decision,
    Dispatch,
    EngineLimits,
    EngineReading,
    Headroom,
    Outcome,
    Partition,
    Progress,
    Settled,
    Shed,
    ShedReason,
    TierLoad,
    WakeAt,
)
from tierfleet.plan import Enforcement, Plan

_LEAVES_ALONE: Final = 256
"""Tenants that are looked at in one tick, to forget those who are idle."""


class Core:
    """Implements `tierfleet.admission.interface.Admission`; see there for each event.

    Args:
        plan: the first plan; `replan` brings the next ones.
        limits: of the engine behind it; the group must be one of the plan's.
        seed: for the jitter of retry times; the same seed gives the same decisions.

    Raises:
        tierfleet.plan.PlanError: the plan has no such group.
    """

    def __init__(self, plan: Plan, limits: EngineLimits, seed: int = 0) -> None:
        self._now = 0
        self._wall = datetime(1970, 1, 1, tzinfo=UTC)
        self._wall_at = 0
        self._waiting = 0
        self._requests: dict[int, Request] = {}
        self._expiries: list[tuple[int, int, Request]] = []
        self._first_come: deque[Request] = deque()
        self._wake: int | None = None
        self._edge: int | None = None
        self._drain = DrainRate()
        self._seats = Seats()
        self._hold = HoldBack(0)
        self._pulse = Pulse()
        self._shadow = False
        self._roster = Roster(0, self._wall, plan, limits.group)
        self._order = Order(self._roster, self._seats)
        self._reclaim = Reclaim(self._roster, self._seats)
        self._running = Running(self._seats, self._order, self._hold, self._pulse)
        rates = Rates.of(plan.burndown)
        self._settlement = Settlement(rates, rates)
        self._arrivals = Arrivals(self._roster, self._settlement, self._drain, seed)
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
        if request.sequences > self._seats.total:
            message = self._too_large(request.sequences)
            return (Shed(request.id, ShedReason.TOO_MANY_SEATS, None, message),)
        record = self._arrivals.record(now, request, flow)
        refusal = self._arrivals.refusal(now, record, request.deadline, self._waiting)
        if refusal is not None:
            if not self._shadow:
                return (refusal,)
            record.refused = refusal.reason
        self._enqueue(now, record, request.deadline)
        decisions = self._decide(now)
        tier = record.share.tier
        if record.state == QUEUED and tier.waiting > tier.bound and not self._shadow:
            # What is turned away may have been what the others waited behind.
            return [*decisions, *self._shed_heaviest(now, tier), *self._decide(now)]
        return decisions

    def first_byte(self, now: int, request: int) -> Sequence[Decision]:
        """See `Admission.first_byte`."""
        now = self._at(now)
        record = self._requests.get(request)
        if record is not None and record.state == RUNNING and not record.sent:
            record.sent = True
            self._pulse.flowing += 1
            self._pulse.beat(now)
        return self._decide(now) if self._waiting else ()

    def progress(self, now: int, batch: Sequence[Progress]) -> Sequence[Decision]:
        """See `Admission.progress`."""
        now = self._at(now)
        for delta in batch:
            record = self._requests.get(delta.id)
            if record is None or record.state != RUNNING:
                continue
            record.prompt += delta.prompt_tokens
            record.cached += delta.cached_tokens
            record.output += delta.output_tokens
            if record.output > record.expected:
                # It holds more of the cache than was counted for it.
                more = record.prompt + record.output - record.kv
                if more > 0:
                    record.kv += more
                    self._seats.kv += more
            self._settlement.charge_excess(now, record)
            self._pulse.beat(now)
        return self._decide(now) if self._waiting else ()

    def finish(self, now: int, request: int, outcome: Outcome) -> Sequence[Decision]:
        """See `Admission.finish`."""
        now = self._at(now)
        record = self._requests.get(request)
        if record is None or record.state not in (RUNNING, ABORTING):
            return ()
        self._pulse.beat(now)
        if record.state == ABORTING:
            return self._thrown_out(now, record)
        if outcome is Outcome.UNSENT:
            self._settlement.forgive(now, record)
            billed = 0
        elif record.output or outcome is Outcome.FAILED:
            if outcome is Outcome.COMPLETED:
                record.flow.learn(record)
            billed = self._settlement.settle(now, record)
        else:
            # Answered in full, and nobody counted: the estimate stands.
            billed = self._settlement.bill(record)
            self._settlement.draw(record, billed)
        return self._ended(now, record, billed)

    def abort(self, now: int, request: int) -> Sequence[Decision]:
        """See `Admission.abort`."""
        now = self._at(now)
        record = self._requests.get(request)
        if record is None:
            return ()
        if record.state == QUEUED:
            self._leave_queue(now, record)
            self._end_unserved(now, record)
            return self._decide(now)
        if record.state == ABORTING:
            self._settlement.forgive(now, record)
            billed = 0
        elif record.output:
            billed = self._settlement.settle(now, record)
        else:
            billed = self._settlement.bill(record)
            self._settlement.draw(record, billed)
        return self._ended(now, record, billed)

    def engine(self, now: int, reading: EngineReading) -> Sequence[Decision]:
        """See `Admission.engine`."""
        now = self._at(now)
        self._seats.read(reading)
        self._pulse.read(now, reading)
        return self._decide(now) if self._waiting else ()

    def replan(self, now: int, plan: Plan, limits: EngineLimits) -> Sequence[Decision]:
        """See `Admission.replan`.

        Raises:
            tierfleet.plan.PlanError: the plan has no such group; the old plan stays in force.
        """
        now = self._at(now)
        self._roster.adopt(now, self._wall_at_now(now), plan, limits.group)
        self._adopt(plan, limits)
        too_large = [
            self._shed_queued(
                now, record, ShedReason.TOO_MANY_SEATS, None, self._too_large(record.seats)
            )
            for record in list(self._requests.values())
            if record.state == QUEUED and record.seats > self._seats.total
        ]
        return [*too_large, *self._decide(now)]

    def tick(self, now: int, wall: datetime) -> Sequence[Decision]:
        """See `Admission.tick`."""
        now = self._at(now)
        self._wall, self._wall_at = wall, now
        self._turn(now)
        self._roster.forget_idle(now, _LEAVES_ALONE)
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
        return tuple(
            TierLoad(name, tier.waiting + tier.reserved_waiting, tier.in_flight)
            for name, tier in (
                (t.name, self._roster.tiers[t.name]) for t in self._roster.plan.tiers
            )
        )

    @property
    def held_back(self) -> int:
        """Seats that are kept free of ordinary work now, for what is promised."""
        return self._seats.held

    # Arrival

    def _enqueue(self, now: int, record: Request, deadline: int | None) -> None:
        self._requests[record.id] = record
        if record.conforming:
            self._hold.arrived += record.seats
            self._hold.cost += record.cost
        expiry = now + record.flow.home.wait
        if deadline is not None and deadline < expiry:
            expiry = deadline
        record.expiry = expiry
        heapq.heappush(self._expiries, (expiry, record.sequence, record))
        self._put(now, record)
        if self._shadow:
            self._first_come.append(record)

    def _put(self, now: int, record: Request, *, again: bool = False) -> None:
        """It begins to wait."""
        self._waiting += 1
        account = record.flow.account
        if account is not None and record.conforming:
            self._roster.reserve(record, account, again=again)
        else:
            record.share.put(record, first=again)
        if account is not None:
            account.join(now)
            self._order.offer(account)

    # Dispatch

    def _decide(self, now: int) -> Sequence[Decision]:
        decisions: list[Decision] = []
        if self._expiries and self._expiries[0][0] <= now:
            decisions += self._expire(now)
        if self._waiting:
            if now >= self._hold.due:
                self._measure(now)
            if self._gets_on(now):
                while self._waiting and (choice := self._next(now)) is not None:
                    decisions.append(self._dispatch(now, choice))
                waits = self._order.blocked is not None and self._roster.reclaims
                if self._shadow or not waits:
                    self._reclaim.relax()
                else:
                    for gone in self._reclaim.throw_out(now, self._settlement):
                        decisions.append(Abort(gone.id, requeued=not gone.sent))
        decisions += self._wake_up(now)
        return decisions

    def _next(self, now: int) -> Choice | None:
        choice = self._order.next(now)
        if not self._shadow:
            return choice
        # First come, first served, whatever was chosen.
        queue = self._first_come
        while queue and queue[0].state != QUEUED:
            queue.popleft()
        if not queue or self._seats.taken + queue[0].seats > self._seats.total:
            return None
        oldest = queue.popleft()
        account = oldest.flow.account
        pays = account is not None and account.tag <= now
        other = choice.request.id if choice is not None else None
        instead = other if other != oldest.id else None
        return Choice(oldest, account if pays else None, instead_of=instead)

    def _dispatch(self, now: int, choice: Choice) -> Dispatch:
        record = choice.request
        self._leave_queue(now, record)
        self._running.start(now, choice)
        tier = record.share.tier.plan
        contract = choice.account.plan if choice.account is not None else None
        return Dispatch(
            record.id,
            record.flow.tenant,
            tier.name,
            Partition.RESERVED if contract is not None else Partition.SHARED,
            contract.name if contract is not None else None,
            now - record.arrived,
            tier.priority,
            record.conforming,
            choice.borrowed,
            choice.instead_of,
            record.refused,
        )

    def _leave_queue(self, now: int, record: Request) -> None:
        """It no longer waits; the caller changes its state."""
        self._waiting -= 1
        flow = record.flow
        account = flow.account
        if record.reserved:
            flow.reserved_queued -= 1
            flow.home.reserved_waiting -= 1
            if account is not None:
                account.backlog -= record.cost
                account.conforming -= 1
        else:
            record.share.leave(record)
        if account is not None:
            account.leave(now)

    # Turning away what waits

    def _expire(self, now: int) -> Iterator[Shed]:
        while self._expiries and self._expiries[0][0] <= now:
            _, _, record = heapq.heappop(self._expiries)
            if record.state != QUEUED:
                continue
            retry = self._arrivals.retry(self._arrivals.ahead(record.share.tier))
            reason = ShedReason.EXPIRED
            message = "The request waited for a seat as long as its tier or its deadline allows."
            if self._pulse.stalled:
                reason = ShedReason.ENGINE_STALLED
                message = "The engine behind this address does not answer."
            yield self._shed_queued(now, record, reason, retry, message)

    def _shed_heaviest(self, now: int, tier: TierQueue) -> Iterator[Shed]:
        """The queue is fuller than it may be: the tenant with the largest backlog loses first."""
        while tier.waiting > tier.bound and (newest := tier.heaviest()) is not None:
            retry = self._arrivals.retry(self._arrivals.ahead(tier))
            message = f"The queue of tier {tier.plan.name} is full: the fleet has no capacity left."
            yield self._shed_queued(now, newest, ShedReason.QUEUE_FULL, retry, message)

    def _shed_queued(
        self, now: int, record: Request, reason: ShedReason, retry: int | None, message: str
    ) -> Shed:
        self._leave_queue(now, record)
        self._end_unserved(now, record)
        return Shed(record.id, reason, retry, message, waited=now - record.arrived)

    def _end_unserved(self, now: int, record: Request) -> None:
        self._settlement.forgive(now, record)
        self._forget(record)

    def _too_large(self, sequences: int) -> str:
        return (
            f"The request asks for {sequences} sequences at once, "
            f"the engine runs at most {self._seats.total}: ask for fewer."
        )

    # Taking seats back

    def _thrown_out(self, now: int, record: Request) -> Sequence[Decision]:
        """The engine has let go of what was thrown out."""
        self._reclaim.gone(now, record)
        self._running.release(record)
        if record.sent:
            self._end_unserved(now, record)
            settled = Settled(record.id, 0, 0, record.conforming, record.conforming)
            return [settled, *self._decide(now)]
        self._settlement.take_back(now, record)
        record.state = QUEUED
        record.output = record.cached = 0
        record.kv = record.prompt + record.expected
        record.cost = record.estimate
        heapq.heappush(self._expiries, (record.expiry, record.sequence, record))
        self._put(now, record, again=True)
        if self._shadow:
            self._first_come.appendleft(record)
        return self._decide(now)

    # Ends

    def _ended(self, now: int, record: Request, billed: int) -> Sequence[Decision]:
        """It has run; its charges are settled."""
        if record.state == ABORTING:
            self._reclaim.gone(now, record)
        self._reclaim.losses.done(now, record.cost)
        if billed or record.cost:
            # What the engine never got says nothing of how fast it is.
            self._drain.ended(now, waiting=self._waiting > 0)
        self._running.release(record)
        self._forget(record)
        account = record.flow.account
        if account is not None and account.balance is not None and account.balance <= 0:
            self._turn(now, forced=account.live)
        settled = Settled(
            record.id,
            record.cost,
            billed,
            record.conforming,
            record.conforming and record.cost - record.estimate <= record.spare,
        )
        return [settled, *self._decide(now)]

    def _forget(self, record: Request) -> None:
        record.state = ENDED
        del self._requests[record.id]

    # Time

    def _at(self, now: int) -> int:
        now = max(now, self._now)
        self._now = now
        if self._edge is not None and now >= self._edge:
            self._turn(now)
        return now

    def _turn(self, now: int, *, forced: bool = False) -> None:
        """Terms and prepaid periods begin and end by the time of day."""
        wall = self._wall_at_now(now)
        if forced or self._roster.must_turn(wall):
            self._roster.turn(now, wall)
            self._rebuild()
        edge = self._roster.edge
        self._edge = None
        if edge is not None:
            self._edge = now + 1000 * ((edge - wall) // timedelta(microseconds=1))

    def _wall_at_now(self, now: int) -> datetime:
        return self._wall + timedelta(microseconds=(now - self._wall_at) // 1000)

    def _measure(self, now: int) -> None:
        """Once a second: how many seats to hold back, and whether they may be lent."""
        patience = self._roster.patience
        if patience:
            roster = self._roster
            self._hold.roll(now, patience, self._seats.total, roster.promised, roster.burst)
        self._seats.held = self._hold.seats if patience else 0
        self._order.lends_held = self._reclaim.losses.abort_to_free < patience

    def _gets_on(self, now: int) -> bool:
        """False while the engine has stalled; guarantees earn nothing meanwhile."""
        if self._pulse.check(now, busy=self._seats.taken > 0):
            for entitlement in self._roster.entitlements:
                if self._pulse.stalled:
                    entitlement.freeze(now)
                else:
                    entitlement.thaw(now)
        return not self._pulse.stalled

    def _wake_up(self, now: int) -> Sequence[WakeAt]:
        """The next time at which something is decided without an event.

        An earlier wake-up that is under way is left: it finds nothing to do, and asks anew.
        """
        expiries = self._expiries
        while expiries and expiries[0][2].state != QUEUED:
            heapq.heappop(expiries)
        times = []
        if self._edge is not None:
            times.append(self._edge)
        if self._waiting:
            times.append(expiries[0][0])
            times += [due for due in (self._pulse.due(), self._reclaim.due()) if due is not None]
            free = self._seats.taken < self._seats.total
            if free and self._seats.held:
                times.append(self._hold.due)
            if free or self._roster.reclaims:
                # Without a free seat too: a guarantee's patience begins when it is owed one.
                due = self._order.due(now)
                if due is not None:
                    times.append(due)
        at = min((time for time in times if time > now), default=None)
        if at is None or (self._wake is not None and now < self._wake <= at):
            return ()
        self._wake = at
        return (WakeAt(at),)

    # Plan

    def _adopt(self, plan: Plan, limits: EngineLimits) -> None:
        """What depends on the plan beside the roster."""
        self._shadow = plan.enforcement is Enforcement.SHADOW
        billing = Rates.of(plan.burndown)
        scheduling = Rates.of(plan.scheduling) if plan.scheduling is not None else billing
        self._settlement = self._arrivals.settlement = Settlement(scheduling, billing)
        self._seats.change(limits)
        self._first_come = deque(
            sorted(
                (r for r in self._requests.values() if r.state == QUEUED),
                key=lambda record: record.sequence,
            )
        )
        self._rebuild()
        self._turn(self._now)

    def _rebuild(self) -> None:
        """Guarantees have changed."""
        self._seats.kept = 0
        for entitlement in self._roster.entitlements:
            entitlement.unlent = self._roster.unlent(entitlement, self._seats.total)
            entitlement.keep = 0
            self._running.keep(entitlement)
        self._order.rebuild()
