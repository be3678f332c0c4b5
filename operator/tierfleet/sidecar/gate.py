"""The shell around the admission core: gives it time and events, carries out what it decides.

Everything happens on one event loop, by direct calls: no task, future or lock per request. It knows
nothing of HTTP; what waits for a seat is a `Ticket`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final, Protocol

from tierfleet.admission.interface import Admission
from tierfleet.admission.types import (
    Abort,
    Arrival,
    Decision,
    Dispatch,
    EngineLimits,
    EngineReading,
    Headroom,
    Outcome,
    Progress,
    Settled,
    Shed,
    TierLoad,
    WaitReason,
    WakeAt,
)
from tierfleet.plan import Plan
from tierfleet.sidecar.pace import Pace

# How often tokens are reported to the core while requests run.
_PROGRESS_SECONDS: Final = 0.2
# The core is told the time of day at least so often: contracts' terms go by it, and it may be set.
_CALENDAR_SECONDS: Final = 60.0
# What a request waits for while the engine has no room for it.
_NO_ROOM: Final = frozenset({WaitReason.NO_SEAT, WaitReason.KV_CACHE, WaitReason.HELD_BACK})
# So many of those that wait are asked, the oldest: the rest may wait for bounds of their own.
_ASKED: Final = 64


class Ticket(Protocol):
    """One request that waits for a seat or has one."""

    @property
    def output_tokens(self) -> int:
        """Produced since it was dispatched."""
        ...

    def dispatched(self, decision: Dispatch) -> None:
        """It has a seat: send it to the engine."""
        ...

    def shed(self, decision: Shed) -> None:
        """It gets none; the gate has forgotten it."""
        ...

    def evicted(self, *, requeued: bool) -> None:
        """Take it out of the engine, at once; requeued it will be dispatched again."""
        ...

    def settled(self, decision: Settled) -> None:
        """What it has cost in the end: once for each that leaves the engine for good."""
        ...


class Gate:
    """One admission core on this event loop.

    A ticket may be dispatched or shed before `submit` returns, and a seat that one call frees may
    be given to another ticket before that call returns.

    Attributes:
        plan: in force.
        limits: of the engine, as the core has them.
    """

    def __init__(
        self,
        make_core: Callable[[Plan, EngineLimits], Admission],
        plan: Plan,
        limits: EngineLimits,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.plan = plan
        self.limits = limits
        self._core = make_core(plan, limits)
        self._clock = clock
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._pace = Pace(plan)
        self._last_id = 0
        self._tickets: dict[int, Ticket] = {}
        # Output tokens already reported, of each ticket that has a seat.
        self._reported: dict[int, int] = {}
        self._decisions: deque[Decision] = deque()
        self._deciding = False
        self._wake_at: int | None = None
        self._calendar_at = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._progress_timer: asyncio.TimerHandle | None = None
        self._tick()

    # From requests

    def next_id(self) -> int:
        """An id for an `Arrival`."""
        self._last_id += 1
        return self._last_id

    def submit(self, ticket: Ticket, arrival: Arrival) -> None:
        """Queue a request under an id from `next_id`."""
        self._tickets[arrival.id] = ticket
        self._carry_out(self._core.arrive(self._clock(), arrival))

    def first_byte(self, number: int) -> None:
        """From here on the client sees when the answer breaks off."""
        self._carry_out(self._core.first_byte(self._clock(), number))

    def finish(
        self, number: int, outcome: Outcome, *, prompt_tokens: int = 0, cached_tokens: int = 0
    ) -> None:
        """The engine is done with it.

        Args:
            number: its id.
            outcome: how it ended.
            prompt_tokens: what the true number exceeds the estimate by.
            cached_tokens: of its prompt.
        """
        self._last_progress(number, prompt_tokens, cached_tokens)
        ticket = self._tickets.pop(number, None)
        self._carry_out(self._settle(ticket, self._core.finish(self._clock(), number, outcome)))

    def abort(self, number: int) -> None:
        """Its client is gone, and the engine has been told if it had it."""
        self._last_progress(number)
        ticket = self._tickets.pop(number, None)
        self._carry_out(self._settle(ticket, self._core.abort(self._clock(), number)))

    # From the process

    def replan(self, plan: Plan, limits: EngineLimits) -> None:
        """Put a new plan, or other limits of the engine, in force.

        Raises:
            tierfleet.plan.PlanError: the plan cannot be used here; the old one stays in force.
        """
        decisions = self._core.replan(self._clock(), plan, limits)
        self.plan = plan
        self.limits = limits
        self._pace.change(plan)
        self._carry_out(decisions)

    def engine(self, reading: EngineReading) -> None:
        """What the engine's metrics say."""
        self._carry_out(self._core.engine(self._clock(), reading))

    def headroom(self, tenant: str | None) -> Headroom:
        """What the tenant may still send."""
        return self._core.headroom(self._clock(), tenant)

    def load(self) -> Sequence[TierLoad]:
        """Queued and running requests by tier."""
        return self._core.load()

    def why(self, number: int) -> WaitReason | None:
        """What a request waits for; None if it does not."""
        return self._core.why(number)

    @property
    def in_flight(self) -> int:
        """Requests that wait or run."""
        return len(self._tickets)

    def waiting(self) -> Sequence[Ticket]:
        """Tickets without a seat, in the order in which they came."""
        return [ticket for number, ticket in self._tickets.items() if number not in self._reported]

    def served(self) -> float:
        """Service tokens since the start, of what is over and of what runs."""
        return self._pace.served(sum(self._reported.values()))

    def served_requests(self) -> int:
        """Requests since the start that are over and have cost something."""
        return self._pace.requests

    def saturated(self) -> float:
        """Seconds since the start in which the engine had no room for another request."""
        return self._pace.saturated

    def close(self) -> None:
        """Stop the timers."""
        for timer in (self._timer, self._progress_timer):
            if timer is not None:
                timer.cancel()

    # Decisions

    def _carry_out(self, decisions: Sequence[Decision]) -> None:
        """Carry out decisions in order, and those that carrying them out leads to after them."""
        self._decisions.extend(decisions)
        if self._deciding:
            return
        self._deciding = True
        try:
            while self._decisions:
                self._carry_out_one(self._decisions.popleft())
        finally:
            self._deciding = False

    def _carry_out_one(self, decision: Decision) -> None:
        if isinstance(decision, Dispatch):
            ticket = self._tickets.get(decision.id)
            if ticket is not None:
                self._reported[decision.id] = 0
                self._start_progress()
                ticket.dispatched(decision)
        elif isinstance(decision, WakeAt):
            self._wake(decision.at)
        elif isinstance(decision, Shed):
            ticket = self._tickets.pop(decision.id, None)
            if ticket is not None:
                ticket.shed(decision)
        elif isinstance(decision, Abort):
            self._evict(decision)

    def _evict(self, decision: Abort) -> None:
        number = decision.id
        ticket = self._tickets.get(number)
        if ticket is None:
            return
        self._last_progress(number)
        if not decision.requeued:
            del self._tickets[number]
        ticket.evicted(requeued=decision.requeued)
        # The connection is closed; the engine lets go at its next step, which nothing tells us of.
        decisions = self._core.finish(self._clock(), number, Outcome.ABORTED)
        self._carry_out(self._settle(ticket, decisions))

    def _settle(self, ticket: Ticket | None, decisions: Sequence[Decision]) -> Sequence[Decision]:
        """Tells the ticket what it has cost before anything else that follows from its end."""
        for decision in decisions:
            if isinstance(decision, Settled):
                self._pace.settled(decision.cost)
                if ticket is not None:
                    ticket.settled(decision)
        return decisions

    # Time

    def _wake(self, at: int) -> None:
        self._wake_at = at
        self._arm()

    def _arm(self) -> None:
        """See to it that the timer goes off when it should, or before."""
        at = self._calendar_at if self._wake_at is None else min(self._wake_at, self._calendar_at)
        if self._timer is not None:
            # One that goes off too early is left: cores often want to be woken later than before.
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        # Up to the next millisecond, the grain of the loop's timers.
        milliseconds = max(0, -((self._clock() - at) // 1_000_000))
        self._timer = self._loop.call_later(milliseconds / 1000, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._clock()
        if now >= self._calendar_at or (self._wake_at is not None and now >= self._wake_at):
            self._tick()
        else:
            self._arm()

    def _tick(self) -> None:
        now = self._clock()
        self._calendar_at = now + int(_CALENDAR_SECONDS * 1e9)
        if self._wake_at is not None and now >= self._wake_at:
            self._wake_at = None
        self._carry_out(self._core.tick(now, self._wall()))
        self._arm()

    # Progress

    def _start_progress(self) -> None:
        if self._progress_timer is None:
            self._progress_timer = self._loop.call_later(_PROGRESS_SECONDS, self._report)

    def _report(self) -> None:
        self._progress_timer = None
        self._pace.look(self._clock(), full=self._is_full())
        batch: list[Progress] = []
        for number, reported in self._reported.items():
            produced = self._tickets[number].output_tokens
            if produced != reported:
                self._reported[number] = produced
                batch.append(Progress(number, output_tokens=produced - reported))
        if self._reported:
            self._start_progress()
        if batch:
            self._carry_out(self._core.progress(self._clock(), batch))

    def _is_full(self) -> bool:
        """All seats are taken, or something that might run now finds no room in the engine."""
        if len(self._reported) >= self.limits.seats:
            return True
        waiting = (number for number in self._tickets if number not in self._reported)
        return any(self._core.why(number) in _NO_ROOM for number in islice(waiting, _ASKED))

    def _last_progress(self, number: int, prompt_tokens: int = 0, cached_tokens: int = 0) -> None:
        reported = self._reported.pop(number, None)
        if reported is None:
            return
        produced = self._tickets[number].output_tokens - reported
        if produced or prompt_tokens or cached_tokens:
            last = Progress(number, prompt_tokens, cached_tokens, produced)
            self._carry_out(self._core.progress(self._clock(), (last,)))
