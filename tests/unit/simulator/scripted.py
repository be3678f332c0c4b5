"""A core that does what a test says, and remembers what it was told."""

from collections.abc import Sequence
from datetime import datetime

from tierfleet.admission.types import (
    Arrival,
    Decision,
    EngineLimits,
    EngineReading,
    Outcome,
    Progress,
)
from tierfleet.plan import Plan
from tierfleet.simulator import Setup
from tierfleet.simulator.baselines import Fcfs


class Scripted(Fcfs):
    """First come first served, plus decisions at the arrivals that `on_arrival` names.

    What it aborts and is in `requeues` waits again.
    """

    def __init__(self, plan: Plan, limits: EngineLimits, seed: int = 0) -> None:
        super().__init__(plan, limits, seed)
        self.limits = limits
        self.heard: list[tuple[object, ...]] = []
        self.on_arrival: dict[int, list[Decision]] = {}
        self.requeues: set[int] = set()

    def names(self) -> list[object]:
        return [event[0] for event in self.heard]

    def arrive(self, now: int, request: Arrival) -> Sequence[Decision]:
        self.heard.append(("arrive", now, request.id))
        decisions = super().arrive(now, request)
        return [*decisions, *self.on_arrival.pop(request.id, ())]

    def first_byte(self, now: int, request: int) -> Sequence[Decision]:
        self.heard.append(("first_byte", now, request))
        return super().first_byte(now, request)

    def progress(self, now: int, batch: Sequence[Progress]) -> Sequence[Decision]:
        self.heard.append(("progress", now, *batch))
        return super().progress(now, batch)

    def finish(self, now: int, request: int, outcome: Outcome) -> Sequence[Decision]:
        self.heard.append(("finish", now, request, outcome))
        arrival = self._running.get(request)
        decisions = super().finish(now, request, outcome)
        if arrival is None or outcome is not Outcome.ABORTED or request not in self.requeues:
            return decisions
        return [*decisions, *super().arrive(now, arrival)]

    def abort(self, now: int, request: int) -> Sequence[Decision]:
        self.heard.append(("abort", now, request))
        return super().abort(now, request)

    def engine(self, now: int, reading: EngineReading) -> Sequence[Decision]:
        self.heard.append(("engine", now, reading))
        return super().engine(now, reading)

    def tick(self, now: int, wall: datetime) -> Sequence[Decision]:
        self.heard.append(("tick", now, wall))
        return super().tick(now, wall)


class Idle(Fcfs):
    """A core that never gives anybody a seat."""

    def head(self) -> int | None:
        return None


def scripted(setup: Setup) -> Scripted:
    return Scripted(setup.plan, EngineLimits(setup.group, setup.seats))
