"""A number of seats, and memory if asked for: what the baselines have in common.

Implements `Admission` around three questions that each baseline answers: who is next, and what a
dispatch and a report of tokens mean. A head that does not fit is waited for.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

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
    WaitReason,
)
from tierfleet.plan import Plan
from tierfleet.simulator.baselines.memory import Context, peak


class Seats(ABC):
    """A core that only counts seats, or also reserves memory.

    Args:
        plan: only the names of its tiers count.
        limits: of the engine.
        seed: without effect.
        reserve: whether a request also waits until the KV cache can hold it to its `max_tokens`
            beside all that run to theirs. One without `max_tokens` counts with what it holds.
    """

    def __init__(
        self, plan: Plan, limits: EngineLimits, seed: int = 0, *, reserve: bool = False
    ) -> None:
        del seed
        self._reserve = reserve
        self._seats = limits.seats
        self._memory = limits.kv_tokens if reserve else None
        self._taken = 0
        self._adopt(plan)
        self._arrived: dict[int, int] = {}
        self._waiting: dict[int, Arrival] = {}
        self._running: dict[int, Arrival] = {}
        # Output tokens of each running request.
        self._output: dict[int, int] = {}

    @abstractmethod
    def enqueue(self, request: Arrival) -> None:
        """It has arrived and waits."""

    @abstractmethod
    def head(self) -> int | None:
        """Id of the waiting request that takes the next seat; None if none waits."""

    @abstractmethod
    def leave(self, request: Arrival, *, dispatched: bool) -> None:
        """It does not wait any more: it has a seat, or its caller is gone."""

    def produced(self, request: Arrival, tokens: int) -> None:  # noqa: B027 - optional
        """A running request has produced so many more tokens."""

    def ended(self, request: Arrival) -> None:  # noqa: B027 - optional
        """A running request is over."""

    # Admission

    def arrive(self, now: int, request: Arrival) -> Sequence[Decision]:
        """See `Admission.arrive`."""
        if request.id in self._arrived:
            return ()
        if request.sequences > self._seats:
            message = f"The engine runs at most {self._seats} sequences."
            return (Shed(request.id, ShedReason.TOO_MANY_SEATS, None, message),)
        self._arrived[request.id] = now
        self._waiting[request.id] = request
        self.enqueue(request)
        return self._fill(now)

    def first_byte(self, now: int, request: int) -> Sequence[Decision]:
        """See `Admission.first_byte`."""
        del now, request
        return ()

    def progress(self, now: int, batch: Sequence[Progress]) -> Sequence[Decision]:
        """See `Admission.progress`."""
        for delta in batch:
            request = self._running.get(delta.id)
            if request is not None:
                self._output[delta.id] += delta.output_tokens
                self.produced(request, delta.output_tokens)
        # The nearer those that run are to their ends, the more fits beside them.
        return self._fill(now) if self._memory is not None else ()

    def finish(self, now: int, request: int, outcome: Outcome) -> Sequence[Decision]:
        """See `Admission.finish`."""
        del outcome
        return self._end(now, request)

    def abort(self, now: int, request: int) -> Sequence[Decision]:
        """See `Admission.abort`."""
        waiting = self._waiting.pop(request, None)
        if waiting is not None:
            del self._arrived[request]
            self.leave(waiting, dispatched=False)
            return self._fill(now)
        return self._end(now, request)

    def engine(self, now: int, reading: EngineReading) -> Sequence[Decision]:
        """See `Admission.engine`."""
        del now, reading
        return ()

    def replan(self, now: int, plan: Plan, limits: EngineLimits) -> Sequence[Decision]:
        """See `Admission.replan`."""
        self._seats = limits.seats
        self._memory = limits.kv_tokens if self._reserve else None
        self._adopt(plan)
        return self._fill(now)

    def tick(self, now: int, wall: datetime) -> Sequence[Decision]:
        """See `Admission.tick`."""
        del now, wall
        return ()

    def headroom(self, now: int, tenant: str | None) -> Headroom:
        """See `Admission.headroom`."""
        del now, tenant
        return Headroom(None, None)

    def load(self) -> Sequence[TierLoad]:
        """See `Admission.load`."""
        queued = [self._tier(request.tenant) for request in self._waiting.values()]
        running = [self._tier(request.tenant) for request in self._running.values()]
        return tuple(
            TierLoad(tier, queued.count(tier), running.count(tier)) for tier in self._tiers
        )

    def why(self, request: int) -> WaitReason | None:
        """See `Admission.why`."""
        waiting = self._waiting.get(request)
        if waiting is None:
            return None
        if self._taken + waiting.sequences > self._seats:
            return WaitReason.NO_SEAT
        return WaitReason.OTHERS_FIRST if self._fits(waiting) else WaitReason.KV_CACHE

    def _adopt(self, plan: Plan) -> None:
        self._tiers = [tier.name for tier in plan.tiers]
        self._tier_of = {tenant.name: tenant.tier for tenant in plan.tenants}

    def _tier(self, tenant: str | None) -> str:
        return self._tier_of.get(tenant or "", self._tiers[-1])

    def _end(self, now: int, number: int) -> Sequence[Decision]:
        request = self._running.pop(number, None)
        if request is None:
            return ()
        del self._arrived[number]
        self._taken -= request.sequences
        self.ended(request)
        del self._output[number]
        return self._fill(now)

    def _fits(self, request: Arrival) -> bool:
        if self._taken + request.sequences > self._seats:
            return False
        if self._memory is None or not self._running:
            return True
        others = (one for running in self._running.values() for one in self._contexts(running))
        return peak([*others, *self._contexts(request)]) < self._memory

    def _contexts(self, request: Arrival) -> list[Context]:
        output = self._output.get(request.id, 0) // request.sequences
        left = max(0, (request.max_tokens or output) - output)
        return [Context(request.prompt_tokens + output, left)] * request.sequences

    def _fill(self, now: int) -> Sequence[Decision]:
        decisions: list[Decision] = []
        while (number := self.head()) is not None:
            request = self._waiting[number]
            if not self._fits(request):
                break
            del self._waiting[number]
            self._taken += request.sequences
            self._running[number] = request
            self._output[number] = 0
            self.leave(request, dispatched=True)
            decisions.append(
                Dispatch(
                    number,
                    request.tenant,
                    self._tier(request.tenant),
                    Partition.SHARED,
                    None,
                    now - self._arrived[number],
                    0,
                )
            )
        return decisions
