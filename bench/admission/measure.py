"""Runs requests through a core, as a sidecar would, and takes the processor's time."""

import hashlib
import tracemalloc
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import islice
from time import process_time_ns
from typing import Final, cast

from bench.admission.load import LIMITS, STEP, WALL, plan, produced, requests
from tierfleet.admission.interface import Admission
from tierfleet.admission.types import (
    Abort,
    Arrival,
    Decision,
    Dispatch,
    EngineLimits,
    Outcome,
    Settled,
    Shed,
    WakeAt,
)
from tierfleet.plan import Plan
from tierfleet.simulator import MakeCore

_COMPLETED: Final = Outcome.COMPLETED


class Load:
    """A core under steady load: with every request that arrives one that runs comes to its end.

    Args:
        make: the core.
        known: tenants in the plan, all of whom have sent something.
        active: those who go on sending.
        waiting: requests that wait all the time; with 0 half of the seats are free.

    Attributes:
        in_core: requests that wait or run.
        shed, aborted: decisions so far.
    """

    def __init__(self, make: MakeCore, known: int, active: int, waiting: int) -> None:
        self._core = make(plan(known), LIMITS, 0)
        self._core.tick(0, WALL)
        self._now = self._wake = 0
        self._running: deque[int] = deque()
        self.in_core = self.shed = self.aborted = 0
        for one in islice(requests(known), known):
            self.cycles([one])
        self._requests = requests(active, known + 1)
        in_flight = LIMITS.seats + waiting if waiting else LIMITS.seats // 2
        for arrival in islice(self._requests, in_flight):
            self.in_core += 1
            self._take(self._core.arrive(self._now, arrival))

    def batch(self, number: int) -> Sequence[Arrival]:
        """The next requests."""
        return list(islice(self._requests, number))

    def cycles(self, batch: Sequence[Arrival]) -> int:
        """Nanoseconds of processor time for each request: arrive, dispatch, progress, finish."""
        core, take, running = self._core, self._take, self._running
        now = self._now
        begin = process_time_ns()
        for arrival in batch:
            now += STEP
            if now >= self._wake > 0:
                self._wake = 0
                take(core.tick(now, WALL + timedelta(microseconds=now // 1000)))
            for decision in core.arrive(now, arrival):
                if decision.__class__ is Dispatch:
                    running.append(decision.id)
                else:
                    take((decision,))
            if running:
                ended = running.popleft()
                core.progress(now, produced(ended))
                for decision in core.finish(now, ended, _COMPLETED):
                    if decision.__class__ is Dispatch:
                        running.append(decision.id)
                    elif decision.__class__ is not Settled:
                        take((decision,))
                self.in_core -= 1
            self.in_core += 1
        taken = process_time_ns() - begin
        self._now = now
        return taken

    def _take(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Dispatch():
                    self._running.append(decision.id)
                case WakeAt():
                    self._wake = decision.at
                case Shed():
                    self.shed += 1
                    self.in_core -= 1
                case Abort():
                    self.aborted += 1
                    self._running.remove(decision.id)
                    if not decision.requeued:
                        self.in_core -= 1
                    self._take(self._core.finish(self._now, decision.id, Outcome.ABORTED))
                case _:
                    pass


def bytes_per_tenant(make: MakeCore, tenants: int) -> float:
    """What a core keeps for a tenant that has nothing waiting or running, in bytes.

    The plan, which is there before the first request, does not count.
    """
    core = make(plan(tenants), LIMITS, 0)
    core.tick(0, WALL)
    batch = list(islice(requests(tenants), 2 * tenants))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number, arrival in enumerate(batch):
            core.arrive(number * STEP, arrival)
            core.progress(number * STEP, produced(arrival.id))
            core.finish(number * STEP, arrival.id, _COMPLETED)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / tenants


class _Recorder:
    """A core that keeps a digest of all its decisions."""

    def __init__(self, core: Admission) -> None:
        self._core = core
        self.found = hashlib.sha256()

    def __getattr__(self, event: str) -> Callable[..., Sequence[Decision]]:
        def told(*arguments: object) -> Sequence[Decision]:
            decisions: Sequence[Decision] = getattr(self._core, event)(*arguments)
            self.found.update(repr(list(decisions)).encode())
            return decisions

        return told


def digest(make: MakeCore, cycles: int) -> str:
    """SHA-256 of all that a core decides while requests wait."""
    recorders: list[_Recorder] = []

    def record(plan: Plan, limits: EngineLimits, seed: int) -> Admission:
        recorders.append(_Recorder(make(plan, limits, seed)))
        return cast("Admission", recorders[0])

    load = Load(record, 40, 40, 200)
    load.cycles(load.batch(cycles))
    return recorders[0].found.hexdigest()
