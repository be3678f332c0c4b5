"""The admission core: which queued request takes the next free seat of the engine.

`order.py` says who is next, `seats.py` whether there is room, `settlement.py` what it is charged,
`shedding.py` who is turned away, `reclaim.py` who is thrown out for what was promised, `roster.py`
who is served at all. Here are the events, and what follows from each. docs/admission.md explains
the rules and their bounds.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tierfleet.admission.arrivals import Arrivals
from tierfleet.admission.calendar import NEVER, Calendar
from tierfleet.admission.drain import DrainRate
from tierfleet.admission.holdback import HoldBack
from tierfleet.admission.order import Order
from tierfleet.admission.pulse import Pulse
from tierfleet.admission.reclaim import Reclaim
from tierfleet.admission.requests import ABORTING, ENDED, QUEUED, RUNNING, Request
from tierfleet.admission.roster import Roster
from tierfleet.admission.running import Running
from tierfleet.admission.seats import Seats
from tierfleet.admission.settlement import Settlement
from tierfleet.admission.shadow import Shadow
from tierfleet.admission.shares import TierQueue
from tierfleet.admission.shedding import Shedding
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
    WaitReason,
    WakeAt,
)
from tierfleet.admission.waiting import Waiting
from tierfleet.admission.why import why
from tierfleet.plan import Enforcement, Plan

# Members of an Enum are looked up through a descriptor each time.
_RESERVED: Final = Partition.RESERVED
_SHARED: Final = Partition.SHARED
_UNSENT: Final = Outcome.UNSENT
_FAILED: Final = Outcome.FAILED
_COMPLETED: Final = Outcome.COMPLETED


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
        self._wake = NEVER
        self._requests: dict[int, Request] = {}
        self._calendar = Calendar()
        self._drain = DrainRate()
        self._seats = Seats()
        self._hold = HoldBack(0)
        self._pulse = Pulse()
        self._settlement = Settlement(plan)
        self._roster = Roster(0, self._calendar.wall(0), plan, limits.group)
        self._order = Order(self._roster, self._seats)
        self._shadow = Shadow(self._order, self._seats, self._settlement)
        self._waiting = Waiting(self._roster, self._order)
        self._running = Running(self._seats, self._order, self._hold, self._pulse)
        self._reclaim = Reclaim(self._roster, self._seats)
        self._arrivals = Arrivals(self._roster, self._settlement, self._drain, seed)
        self._shedding = Shedding(
            self._requests,
            self._waiting,
            self._settlement,
            self._arrivals,
            self._seats,
            self._pulse,
        )
        self._adopt(plan, limits)

    # Events

    def arrive(self, now: int, request: Arrival) -> Sequence[Decision]:
        """See `Admission.arrive`."""
        now = self._at(now)
        number, tenant = request.id, request.tenant
        if number in self._requests:
            return ()
        flow = self._roster.flow(now, tenant)
        if flow is None:
            known = self._roster.knows(tenant)
            reason = ShedReason.NO_ACCESS if known else ShedReason.UNKNOWN_TENANT
            return (Shed(number, reason, None, "This caller may not use this pool."),)
        record = self._arrivals.record(now, request, flow)
        if record.seats > self._seats.total:
            message = self._shedding.explain(record.seats)
            return (Shed(number, ShedReason.TOO_MANY_SEATS, None, message),)
        refusal = self._arrivals.refusal(now, record, self._waiting.number)
        if refusal is not None:
            if not self._shadow.on:
                return (refusal,)
            record.refused = refusal.reason
        self._requests[number] = record
        if record.conforming:
            self._hold.arrived += record.seats
            self._hold.cost += record.cost
        out: list[Decision] = []
        self._shedding.expire(now, out)
        self._waiting.put(now, record)
        if self._shadow.on:
            self._shadow.join(record)
        self._fill(now, out)
        if record.state == QUEUED:
            self._waiting.watch(record)
            if record.expiry <= now:
                # In Shadow, where nothing is refused at arrival.
                self._shedding.expire(now, out)
            tier = record.share.tier
            if tier.is_too_full():
                self._push_out(now, tier, out)
                return out
        self._wake_up(now, out)
        return out

    def first_byte(self, now: int, request: int) -> Sequence[Decision]:
        """See `Admission.first_byte`."""
        now = self._at(now)
        record = self._requests.get(request)
        if record is not None and record.state == RUNNING and not record.sent:
            record.sent = True
            self._pulse.flowing += 1
            self._pulse.beat(now)
        return self._decide(now) if self._waiting.number else ()

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
            if record.output < 0 or not 0 <= record.cached <= record.prompt:
                # What cannot be is not believed: it would give tokens away.
                record.output = max(0, record.output)
                record.prompt = max(0, record.prompt)
                record.cached = max(0, min(record.cached, record.prompt))
            more = record.prompt + record.output - record.kv
            if more > 0:
                # It holds more of the cache than was counted for it.
                record.kv += more
                self._seats.kv += more
            self._settlement.charge_excess(now, record)
            self._pulse.beat(now)
        # Nothing has come free; but an engine that was taken for stalled has given a sign.
        return self._decide(now) if self._pulse.stalled else ()

    def finish(self, now: int, request: int, outcome: Outcome) -> Sequence[Decision]:
        """See `Admission.finish`."""
        now = self._at(now)
        record = self._requests.get(request)
        if record is None or record.state not in (RUNNING, ABORTING):
            return ()
        self._pulse.beat(now)
        if record.state == ABORTING:
            return self._thrown_out(now, record)
        if outcome is _UNSENT:
            self._settlement.forgive(now, record)
            billed = 0
        elif record.output or outcome is _FAILED:
            if outcome is _COMPLETED:
                record.flow.learn(record)
            billed = self._settlement.settle(now, record)
        else:
            # Answered in full, and nobody counted: the estimate stands.
            billed = self._settlement.stand(record)
        return self._ended(now, record, billed)

    def abort(self, now: int, request: int) -> Sequence[Decision]:
        """See `Admission.abort`."""
        now = self._at(now)
        record = self._requests.get(request)
        if record is None:
            return ()
        if record.state == QUEUED:
            self._waiting.leave(now, record)
            self._shedding.end(now, record)
            return self._decide(now)
        if record.state == ABORTING:
            self._settlement.forgive(now, record)
            billed = 0
        elif record.output:
            billed = self._settlement.settle(now, record)
        else:
            billed = self._settlement.stand(record)
        return self._ended(now, record, billed)

    def engine(self, now: int, reading: EngineReading) -> Sequence[Decision]:
        """See `Admission.engine`."""
        now = self._at(now)
        self._seats.read(reading)
        self._pulse.read(now, reading)
        return self._decide(now) if self._waiting.number else ()

    def replan(self, now: int, plan: Plan, limits: EngineLimits) -> Sequence[Decision]:
        """See `Admission.replan`.

        Raises:
            tierfleet.plan.PlanError: the plan has no such group; the old plan stays in force.
        """
        now = self._at(now)
        bounds = {name: tier.bound for name, tier in self._roster.tiers.items()}
        self._roster.adopt(now, self._calendar.wall(now), plan, limits.group)
        self._adopt(plan, limits)
        out: list[Decision] = []
        self._shedding.too_large(now, out)
        out += self._decide(now)
        for name, tier in self._roster.tiers.items():
            # One that came back to a full queue, thrown out, is not turned away by the same plan.
            if tier.is_too_full() and tier.bound < bounds.get(name, 0):
                self._push_out(now, tier, out)
        return out

    def tick(self, now: int, wall: datetime) -> Sequence[Decision]:
        """See `Admission.tick`."""
        now = self._at(now)
        self._calendar.set(now, wall)
        self._turn(now)
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

    def why(self, request: int) -> WaitReason | None:
        """See `Admission.why`."""
        record = self._requests.get(request)
        if record is None or record.state != QUEUED:
            return None
        return why(record, self._seats, self._pulse, lends_held=self._order.lends_held)

    @property
    def held_back(self) -> int:
        """Seats that are kept free of ordinary work now, for what is promised."""
        return self._seats.held

    # Dispatch

    def _decide(self, now: int) -> list[Decision]:
        """All that follows from an event."""
        out: list[Decision] = []
        self._shedding.expire(now, out)
        self._fill(now, out)
        self._wake_up(now, out)
        return out

    def _fill(self, now: int, out: list[Decision]) -> None:
        """Gives free seats to what waits, or has them freed for what is owed one."""
        waiting = self._waiting
        if not waiting.number:
            self._reclaim.relax()
            if self._pulse.stalled:
                self._gets_on(now)
            return
        if now >= self._hold.due:
            self._measure(now)
        if not self._gets_on(now):
            return
        while waiting.number:
            if self._shadow.on:
                record, choice = self._shadow.next(now)
            else:
                record = choice = self._order.next(now)
            if record is None:
                break
            out.append(self._dispatch(now, record, choice))
        if self._shadow.on or self._order.blocked is None or not self._roster.reclaims:
            self._reclaim.relax()
            return
        thrown_out = self._reclaim.throw_out(now, self._settlement)
        out.extend(Abort(gone.id, requeued=not gone.sent) for gone in thrown_out)

    def _dispatch(self, now: int, record: Request, choice: Request | None) -> Dispatch:
        self._waiting.leave(now, record)
        self._running.start(now, record)
        tier = record.share.tier
        contract = record.account.plan if record.account is not None else None
        return Dispatch(
            record.id,
            record.flow.tenant,
            tier.name,
            _RESERVED if contract is not None else _SHARED,
            contract.name if contract is not None else None,
            now - record.arrived,
            tier.priority,
            record.conforming,
            record.borrowed,
            choice.id if choice is not None and choice is not record else None,
            choice is None,
            record.refused,
        )

    def _push_out(self, now: int, tier: TierQueue, out: list[Decision]) -> None:
        """More wait in the tier than may."""
        if self._shadow.on:
            self._shadow.push_out(now, tier)
        else:
            self._shedding.push_out(now, tier, out)
            # What is turned away may have been what the others waited behind.
            self._fill(now, out)
        self._wake_up(now, out)

    # Taking seats back

    def _thrown_out(self, now: int, record: Request) -> Sequence[Decision]:
        """The engine has let go of what was thrown out."""
        self._reclaim.gone(now, record)
        self._running.release(record)
        if record.sent:
            self._shedding.end(now, record)
            settled = Settled(record.id, 0, 0, record.conforming, record.conforming)
            return [settled, *self._decide(now)]
        self._settlement.take_back(now, record)
        record.state = QUEUED
        record.output = record.cached = 0
        record.kv = record.prompt + record.expected
        record.cost = record.estimate
        self._waiting.watch(record)
        self._waiting.put(now, record, again=True)
        if self._shadow.on:
            self._shadow.join_again(record)
        out: list[Decision] = []
        if record.seats > self._seats.total:
            # The engine has become smaller meanwhile.
            self._shedding.too_large(now, out)
        out += self._decide(now)
        return out

    # Ends

    def _ended(self, now: int, record: Request, billed: int) -> Sequence[Decision]:
        """It has run; its charges are settled."""
        if record.state == ABORTING:
            self._reclaim.gone(now, record)
        self._reclaim.losses.done(now, record.cost)
        if billed or record.cost:
            # What the engine never got says nothing of how fast it is.
            self._drain.ended(now, waiting=self._waiting.number > 0)
        self._running.release(record)
        record.state = ENDED
        del self._requests[record.id]
        purse = record.purse
        if purse is not None and purse.live and purse.balance is not None and purse.balance <= 0:
            self._turn(now, forced=True)
        conforms = record.conforming and record.cost - record.estimate <= record.spare
        out: list[Decision] = [Settled(record.id, record.cost, billed, record.conforming, conforms)]
        self._shedding.expire(now, out)
        self._fill(now, out)
        self._wake_up(now, out)
        return out

    # Time

    def _at(self, now: int) -> int:
        if now < self._now:
            return self._now
        self._now = now
        if now >= self._calendar.edge:
            self._turn(now)
        return now

    def _turn(self, now: int, *, forced: bool = False) -> None:
        """Terms and prepaid periods begin and end by the time of day."""
        if forced or (self._roster.entitlements and self._calendar.must_turn(now)):
            self._roster.turn(now, self._calendar.wall(now))
            if self._shadow.on:
                self._shadow.moved()
            self._calendar.turned(now, self._roster.edge)
            self._rebuild()

    def _measure(self, now: int) -> None:
        """Once a second: how many seats to hold back, and whether they may be lent."""
        patience = self._roster.patience
        if patience:
            roster = self._roster
            self._hold.roll(now, patience, self._seats.total, roster.promised, roster.burst)
        self._seats.held = self._hold.seats if patience else 0
        self._order.lends_held = self._reclaim.takes_back_within(now, patience)

    def _gets_on(self, now: int) -> bool:
        """False while the engine has stalled; guarantees earn nothing meanwhile."""
        if self._pulse.check(now, busy=self._seats.taken > 0):
            for entitlement in self._roster.balances:
                if self._pulse.stalled:
                    entitlement.freeze(now)
                else:
                    entitlement.thaw(now)
        return not self._pulse.stalled

    def _wake_up(self, now: int, out: list[Decision]) -> None:
        """The next time at which something is decided without an event.

        An earlier wake-up that is under way is left: it finds nothing to do, and asks anew.
        """
        at = self._calendar.edge
        if self._waiting.number:
            # What was due before now waits for something else.
            if now < (due := self._waiting.due) < at:
                at = due
            if now < (due := self._pulse.due()) < at:
                at = due
            if now < (due := self._reclaim.due()) < at:
                at = due
            free = self._seats.taken < self._seats.total
            if free:
                if self._seats.held and now < (due := self._hold.due) < at:
                    at = due
                for tier in self._roster.floors:
                    if tier.waiting and tier.floor is not None and now < tier.floor.tag < at:
                        at = tier.floor.tag
            # Without a free seat too: a guarantee's patience begins when it is owed one.
            if (free or self._roster.reclaims) and now < (due := self._order.due(now)) < at:
                at = due
        if at == NEVER or now < self._wake <= at:
            return
        self._wake = at
        out.append(WakeAt(at))

    # Plan

    def _adopt(self, plan: Plan, limits: EngineLimits) -> None:
        """What depends on the plan beside the roster."""
        self._settlement.change(plan)
        self._seats.change(limits)
        queued = [record for record in self._requests.values() if record.state == QUEUED]
        self._waiting.rewatch(queued)
        self._shadow.change(queued, on=plan.enforcement is Enforcement.SHADOW)
        if self._pulse.stalled:
            for entitlement in self._roster.balances:
                entitlement.freeze(self._now)
        self._calendar.turned(self._now, self._roster.edge)
        self._rebuild()
        self._turn(self._now)

    def _rebuild(self) -> None:
        """Guarantees have changed."""
        self._seats.kept = 0
        # The last seat is for everybody.
        left = max(0, self._seats.total - 1)
        for entitlement in self._roster.entitlements:
            entitlement.unlent = min(left, self._roster.unlent(entitlement, self._seats.total))
            left -= entitlement.unlent
            entitlement.keep = 0
            self._running.keep(entitlement)
        self._order.rebuild()
