"""First come first served: what an engine does by itself."""

from collections import deque

from tierfleet.admission.types import Arrival, EngineLimits
from tierfleet.plan import Plan
from tierfleet.simulator.baselines.seats import Seats


class Fcfs(Seats):
    """One queue in the order of arrival. Args as of `Seats`."""

    def __init__(
        self, plan: Plan, limits: EngineLimits, seed: int = 0, *, reserve: bool = False
    ) -> None:
        super().__init__(plan, limits, seed, reserve=reserve)
        self._queue: deque[int] = deque()

    def enqueue(self, request: Arrival) -> None:
        """See `Seats.enqueue`."""
        self._queue.append(request.id)

    def head(self) -> int | None:
        """See `Seats.head`."""
        return self._queue[0] if self._queue else None

    def leave(self, request: Arrival, *, dispatched: bool) -> None:
        """See `Seats.leave`."""
        del dispatched
        if self._queue[0] == request.id:
            self._queue.popleft()
        else:
            self._queue.remove(request.id)
