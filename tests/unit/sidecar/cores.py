"""An admission core that a test can make decide."""

from collections.abc import Sequence
from datetime import datetime

from tierfleet.admission.core import Core
from tierfleet.admission.types import Decision, EngineLimits, Outcome, Progress
from tierfleet.plan import Plan


class Scripted(Core):
    """The real core, plus decisions that a test puts in, and a list of what it was told."""

    def __init__(self, plan: Plan, limits: EngineLimits) -> None:
        super().__init__(plan, limits)
        self.next: list[Decision] = []
        self.heard: list[tuple[object, ...]] = []

    def progress(self, now: int, batch: Sequence[Progress]) -> Sequence[Decision]:
        self.heard.append(("progress", *batch))
        return super().progress(now, batch)

    def finish(self, now: int, request: int, outcome: Outcome) -> Sequence[Decision]:
        self.heard.append(("finish", request, outcome))
        return super().finish(now, request, outcome)

    def tick(self, now: int, wall: datetime) -> Sequence[Decision]:
        self.heard.append(("tick", now, wall))
        decisions, self.next = self.next, []
        return [*super().tick(now, wall), *decisions]
