"""One replica in virtual time: a core in front of an engine, events in the order of their time.

Tells the core what `sidecar/gate.py` tells it, when that would: arrivals, first bytes, tokens every
200 ms, ends, aborts, the engine's metrics every second, the time of day. It must not know which
core that is, nor what the figures will be used for.
"""

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tierfleet.admission.interface import Admission
from tierfleet.admission.types import (
    Abort,
    Arrival,
    Decision,
    Dispatch,
    EngineReading,
    Outcome,
    Progress,
    Shed,
    WakeAt,
)
from tierfleet.engine import model
from tierfleet.engine.model import Engine, StepResult
from tierfleet.simulator.log import NEVER, REASONS, End, Log
from tierfleet.simulator.pace import Pace, Usage
from tierfleet.simulator.service import Price, Service
from tierfleet.simulator.trace import SECOND, TraceRequest

_FAR = 2**63 - 1
_DECODING = model.State.DECODING
_FINISHED = model.State.FINISHED
_MILLISECOND = 1_000_000
_CALENDAR = 60 * SECOND
# A core that gives an idle engine nothing for so long will not any more.
_STRANDED = 3600 * SECOND


@dataclass(slots=True, eq=False)
class _Live:
    """A request between its arrival and its end."""

    position: int
    number: int
    request: TraceRequest
    # In the engine; empty while it waits in the core.
    sequences: list[model.Sequence] = field(default_factory=list)
    unfinished: int = 0
    reported: int = 0
    priced: int = 0
    answered: bool = False


class Replica:
    """One run of one replica; call `run` once. `watch` is called at every request's end.

    Ids given to the core are positions in the trace plus one, so that a core which may know the
    future (an oracle) can look it up.
    """

    def __init__(
        self,
        core: Admission,
        engine: Engine,
        *,
        trace: Sequence[TraceRequest],
        positions: range,
        price: Price,
        pace: Pace,
        log: Log,
        watch: Callable[[], None],
    ) -> None:
        self.service = Service(SECOND)
        self.usage = Usage()
        self._core = core
        self._engine = engine
        self._trace = trace
        self._arrivals = iter(positions)
        self._price = price
        self._pace = pace
        self._log = log
        self._watch = watch
        self._now = 0
        self._live: dict[int, _Live] = {}
        self._running: dict[int, _Live] = {}
        # Those of them that have had their first token.
        self._answered: dict[int, _Live] = {}
        # Whose a sequence is, until its last token is delivered.
        self._owners: dict[model.Sequence, _Live] = {}
        # The step under way; its tokens are seen at its end.
        self._step: StepResult | None = None
        self._decisions: deque[Decision] = deque()
        self._hang_ups: list[tuple[int, int]] = []
        self._position = 0
        self._arrival_at = 0
        self._wake_at = _FAR
        self._calendar_at = 0
        self._progress_at = _FAR
        self._reading_at = min(pace.reading, pace.horizon)
        self._active_at = 0

    def run(self) -> None:
        """Run to the end."""
        self._tick()
        self._next_arrival()
        engine = self._engine
        while self._live or self._arrival_at != _FAR:
            at = min(
                self._arrival_at,
                self._wake_at,
                self._calendar_at,
                self._progress_at,
                self._reading_at,
                self._hang_ups[0][0] if self._hang_ups else _FAR,
            )
            if self._step is not None:
                if self._step.end <= at:
                    self._deliver(self._step)
                    continue
            elif engine.has_work and self._now < at:
                step = engine.step(self._now, at)
                if step.steps:
                    self._begin(step)
                    continue
            self._now = at
            self._fire(at)
            if self._is_over(at):
                break
        for live in self._live.values():
            self._log.output[live.position] = self._produced(live)
            self._end(live.position, End.UNSERVED)

    def _is_over(self, now: int) -> bool:
        if not self._pace.drain and now >= self._pace.horizon:
            while self._arrival_at != _FAR:
                self._end(self._position, End.UNSERVED)
                self._next_arrival()
            return True
        idle = not self._running and self._arrival_at == _FAR and not self._hang_ups
        return idle and now - self._active_at > _STRANDED

    # Events

    def _fire(self, now: int) -> None:
        while self._arrival_at <= now:
            self._arrive()
        while self._hang_ups and self._hang_ups[0][0] <= now:
            self._hang_up(heapq.heappop(self._hang_ups)[1])
        if min(self._wake_at, self._calendar_at) <= now:
            self._tick()
        if self._progress_at <= now:
            self._report()
        if self._reading_at <= now:
            self._read()

    def _next_arrival(self) -> None:
        position = next(self._arrivals, None)
        if position is None:
            self._arrival_at = _FAR
        else:
            self._position = position
            self._arrival_at = self._trace[position].arrival

    def _arrive(self) -> None:
        request = self._trace[self._position]
        live = _Live(self._position, self._position + 1, request)
        self._live[live.number] = live
        self._active_at = self._now
        if request.hangs_up_after is not None:
            heapq.heappush(self._hang_ups, (self._now + request.hangs_up_after, live.number))
        self._next_arrival()
        self._carry_out(
            self._core.arrive(
                self._now,
                Arrival(
                    live.number,
                    request.tenant,
                    request.prompt_tokens,
                    request.max_tokens,
                    request.sequences,
                ),
            )
        )

    def _hang_up(self, number: int) -> None:
        live = self._live.get(number)
        if live is None:
            return
        if live.sequences:
            self._leave_engine(live)
        del self._live[number]
        self._end(live.position, End.HUNG_UP)
        self._carry_out(self._core.abort(self._now, number))

    def _tick(self) -> None:
        if self._wake_at <= self._now:
            self._wake_at = _FAR
        self._calendar_at = self._now + _CALENDAR
        wall = self._pace.start + timedelta(microseconds=self._now // 1000)
        self._carry_out(self._core.tick(self._now, wall))

    def _report(self) -> None:
        self._progress_at = self._now + self._pace.progress if self._running else _FAR
        batch: list[Progress] = []
        for number, live in self._answered.items():
            produced = self._produced(live)
            if produced != live.reported:
                batch.append(Progress(number, 0, 0, produced - live.reported))
                live.reported = produced
        if batch:
            self._carry_out(self._core.progress(self._now, batch))

    def _read(self) -> None:
        now, horizon = self._now, self._pace.horizon
        self._reading_at = now + self._pace.reading
        if now < horizon:
            # One reading at the horizon itself, so that what is measured ends there.
            self._reading_at = min(self._reading_at, horizon)
        engine, usage = self._engine, self.usage
        # The engine stands at the end of the step under way: who ends with it still has a seat.
        running = engine.running + (len(self._step.finished) if self._step else 0)
        used = 1000 * engine.blocks_used // engine.config.num_blocks
        if now <= horizon:
            usage.samples += 1
            usage.seats += running
            usage.kv_permille += used
            for live in self._answered.values():
                self._meter(live, self._produced(live))
        reading = EngineReading(running, engine.waiting, used)
        self._carry_out(self._core.engine(now, reading))

    # The engine

    def _begin(self, step: StepResult) -> None:
        self._step = step
        usage = self.usage
        usage.steps += step.steps
        usage.tokens += step.tokens
        usage.preemptions += len(step.preempted)
        usage.busy += max(0, min(step.end, self._pace.horizon) - step.start)

    def _deliver(self, step: StepResult) -> None:
        self._now = step.end
        self._step = None
        for sequence in step.prefilled:
            live = self._owners.get(sequence)
            if live is not None and not live.answered:
                live.answered = True
                self._answered[live.number] = live
                self._log.ttft[live.position] = self._now - live.request.arrival
                self._carry_out(self._core.first_byte(self._now, live.number))
        for sequence in step.finished:
            live = self._owners.pop(sequence, None)
            if live is not None:
                live.unfinished -= 1
                if not live.unfinished:
                    self._complete(live)

    def _complete(self, live: _Live) -> None:
        self._stop_running(live, live.request.cached_tokens)
        del self._live[live.number]
        self._end(live.position, End.COMPLETED)
        self._carry_out(self._core.finish(self._now, live.number, Outcome.COMPLETED))

    def _leave_engine(self, live: _Live) -> None:
        """Abort its sequences, which takes effect at the engine's next step."""
        self._stop_running(live)
        for sequence in live.sequences:
            if self._owners.pop(sequence, None) is not None:
                self._engine.abort(sequence)
        live.sequences = []

    def _stop_running(self, live: _Live, cached: int = 0) -> None:
        """The last report before its end."""
        self._active_at = self._now
        del self._running[live.number]
        self._answered.pop(live.number, None)
        produced = self._produced(live)
        delta = produced - live.reported
        live.reported = produced
        self._log.output[live.position] = produced
        if self._now <= self._pace.horizon:
            self._meter(live, produced)
        if delta or cached:
            last = Progress(live.number, 0, cached, delta)
            self._carry_out(self._core.progress(self._now, (last,)))

    def _produced(self, live: _Live) -> int:
        """Tokens that the caller has seen: not those of the step under way."""
        generated = self._engine.generated
        if self._step is None:
            return sum(map(generated, live.sequences))
        produced = 0
        for sequence in live.sequences:
            produced += generated(sequence)
            state = sequence.state
            if state is _DECODING or (state is _FINISHED and sequence in self._owners):
                produced -= 1
        return produced

    def _meter(self, live: _Live, produced: int) -> None:
        """Put what it got since the last time on its tenant's account."""
        if produced:
            request = live.request
            price = self._price(request.prompt_tokens, request.cached_tokens, produced)
            # What it got until now belongs to the second that ends now.
            self.service.add(request.tenant, self._now - 1, price - live.priced)
            live.priced = price

    def _end(self, position: int, end: End) -> None:
        self._log.close(position, self._now, end)
        self._watch()

    # Decisions

    def _carry_out(self, decisions: Sequence[Decision]) -> None:
        """Carry out decisions in order, and those that carrying them out leads to after them."""
        if not decisions:
            return
        nested = bool(self._decisions)
        self._decisions.extend(decisions)
        if nested:
            return
        while self._decisions:
            # Removed only when it is done: while there is one, what it leads to is queued.
            self._carry_out_one(self._decisions[0])
            self._decisions.popleft()

    def _carry_out_one(self, decision: Decision) -> None:
        if isinstance(decision, Dispatch):
            self._dispatch(decision)
        elif isinstance(decision, Shed):
            live = self._live.pop(decision.id, None)
            if live is not None:
                self._active_at = self._now
                self._log.reason[live.position] = REASONS.index(decision.reason)
                self._log.labelled(live.position, conforming=decision.conforming)
                self._end(live.position, End.SHED)
        elif isinstance(decision, Abort):
            self._evict(decision)
        elif isinstance(decision, WakeAt):
            # Up to the next millisecond, the grain of the sidecar's timers.
            ahead = -((self._now - decision.at) // _MILLISECOND)
            self._wake_at = self._now + max(1, ahead) * _MILLISECOND

    def _dispatch(self, decision: Dispatch) -> None:
        live = self._live.get(decision.id)
        if live is None:
            return
        request, position = live.request, live.position
        self._active_at = self._now
        self._log.labelled(position, conforming=decision.conforming)
        if request.prompt_tokens + request.output_tokens > self._engine.config.max_model_len:
            del self._live[live.number]
            self._end(position, End.REFUSED)
            self._carry_out(self._core.finish(self._now, live.number, Outcome.FAILED))
            return
        # The other choices find the prompt of the first in the cache.
        live.sequences = [
            self._engine.add(
                request.prompt_tokens,
                request.output_tokens,
                cached=request.prompt_tokens if choice else request.cached_tokens,
                priority=-decision.priority,
            )
            for choice in range(request.sequences)
        ]
        for sequence in live.sequences:
            self._owners[sequence] = live
        live.unfinished = request.sequences
        self._running[live.number] = live
        self._log.wait[position] = self._now - request.arrival
        self._log.reserved[position] = decision.reservation is not None
        if self._progress_at == _FAR:
            self._progress_at = self._now + self._pace.progress

    def _evict(self, decision: Abort) -> None:
        live = self._running.get(decision.id)
        if live is None:
            return
        self._leave_engine(live)
        self._log.aborts[live.position] += 1
        if decision.requeued:
            live.reported = 0
            self._log.wait[live.position] = NEVER
        else:
            del self._live[live.number]
            self._end(live.position, End.EVICTED)
        # As the sidecar does: the connection is closed, and nothing tells when the engine let go.
        self._carry_out(self._core.finish(self._now, decision.id, Outcome.ABORTED))
