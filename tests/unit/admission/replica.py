"""One core as its sidecar drives it, in virtual milliseconds: it is woken when it asked to be.

A request costs as many service tokens as its prompt has tokens, so that tests can be read.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tests.property.admission.driver import WALL, make_plan
from tierfleet.admission.core import Core
from tierfleet.admission.types import (
    Abort,
    Arrival,
    Decision,
    Dispatch,
    EngineLimits,
    EngineReading,
    Outcome,
    Partition,
    Progress,
    Settled,
    Shed,
    ShedReason,
    WakeAt,
)
from tierfleet.plan import Plan

MILLISECOND = 1_000_000
BY_PROMPT = {"input": "1", "output": "0"}


def plan_of(**plan: Any) -> Plan:
    """Tiers gold, silver and bronze with two tenants each; 1,000 service tokens a second."""
    return make_plan(**{"burndown": BY_PROMPT, **plan})


def reservation(name: str = "contract", **changes: Any) -> dict[str, Any]:
    """300 tokens a second for bronze-0: a burst of 150, and 30 more in the 100 ms it may wait."""
    return {
        "uid": name,
        "name": name,
        "tenants": ["bronze-0"],
        "declared": {"percent": 30},
        "granted": 300,
    } | changes


def tiers(**changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The usual tiers with changes by name."""
    usual = {"gold": 100, "silver": 50, "bronze": 0}
    return [
        {"name": name, "priority": priority, **changes.get(name, {})}
        for name, priority in usual.items()
    ]


class Replica:
    """Sends to a core, and remembers what it decided.

    Attributes:
        started: ids in order of dispatch.
        dispatch, shed, settled: the latest of each, by id.
        thrown: what was thrown out, in order; it holds its seats until `let_go`.
        running: ids in the engine, oldest first.
        waiting: ids in the core's queues.
    """

    def __init__(
        self, seats: int = 1, *, kv_tokens: int | None = None, seed: int = 0, **plan: Any
    ) -> None:
        self.now = 0
        self.limits = EngineLimits("h100", seats, kv_tokens)
        self.core = Core(plan_of(**plan), self.limits, seed)
        self.started: list[int] = []
        self.dispatch: dict[int, Dispatch] = {}
        self.shed: dict[int, Shed] = {}
        self.settled: dict[int, Settled] = {}
        self.thrown: list[Abort] = []
        self.running: list[int] = []
        self.waiting: list[int] = []
        self._wake: int | None = None
        self._next_id = 0
        self.tick()

    def take(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Dispatch():
                    self.started.append(decision.id)
                    self.dispatch[decision.id] = decision
                    self.waiting.remove(decision.id)
                    self.running.append(decision.id)
                case Shed():
                    self.waiting.remove(decision.id)
                    self.shed[decision.id] = decision
                case Settled():
                    self.settled[decision.id] = decision
                case Abort():
                    self.thrown.append(decision)
                case WakeAt():
                    self._wake = decision.at

    # Events

    def send(
        self, tenant: str | None, cost: int = 10, *, known_as: int | None = None, **values: Any
    ) -> int:
        self._next_id += 1
        request = self._next_id if known_as is None else known_as
        arrival = Arrival(request, tenant, **{"prompt_tokens": cost, "max_tokens": 0, **values})
        self.waiting.append(request)
        self.take(self.core.arrive(self.now, arrival))
        return request

    def many(self, count: int, tenant: str, cost: int = 10, **values: Any) -> list[int]:
        return [self.send(tenant, cost, **values) for _ in range(count)]

    def end(self, request: int, outcome: Outcome = Outcome.COMPLETED) -> None:
        self.running.remove(request)
        self.take(self.core.finish(self.now, request, outcome))

    def end_at_a_cost_of(self, request: int, cost: int, charged: int) -> None:
        """It ends, and its prompt was another than was thought."""
        self.progress(Progress(request, prompt_tokens=cost - charged, output_tokens=1))
        self.end(request)

    def end_oldest(self) -> None:
        self.end(self.running[0])

    def let_go(self, request: int) -> None:
        """The engine has ended what was thrown out."""
        self.running.remove(request)
        thrown = next(abort for abort in self.thrown if abort.id == request)
        if thrown.requeued:
            self.waiting.append(request)
        self.take(self.core.finish(self.now, request, Outcome.ABORTED))

    def hang_up(self, request: int) -> None:
        (self.running if request in self.running else self.waiting).remove(request)
        self.take(self.core.abort(self.now, request))

    def first_byte(self, request: int) -> None:
        self.take(self.core.first_byte(self.now, request))

    def progress(self, *batch: Progress) -> None:
        self.take(self.core.progress(self.now, batch))

    def engine(self, tokens: int | None = None, kv_permille: int = 0) -> None:
        reading = EngineReading(len(self.running), 0, kv_permille, tokens)
        self.take(self.core.engine(self.now, reading))

    def replan(self, *, seats: int | None = None, **plan: Any) -> None:
        if seats is not None:
            self.limits = EngineLimits("h100", seats, self.limits.kv_tokens)
        self.take(self.core.replan(self.now, plan_of(**plan), self.limits))

    def tick(self) -> None:
        wall = WALL + timedelta(microseconds=self.now // 1000)
        self.take(self.core.tick(self.now, wall))

    def wait(self, milliseconds: float) -> None:
        """Time passes, and the core is woken at the times it has asked for, never else."""
        until = self.now + round(milliseconds * MILLISECOND)
        while self._wake is not None and self._wake <= until:
            self.now, self._wake = max(self.now, self._wake), None
            self.tick()
        self.now = until

    # What became of it

    def is_reserved(self, request: int) -> bool:
        return self.dispatch[request].partition is Partition.RESERVED

    def reason(self, request: int) -> ShedReason:
        return self.shed[request].reason

    def tenants(self, since: int = 0) -> list[str | None]:
        """Of what was dispatched, in order."""
        return [self.dispatch[request].tenant for request in self.started[since:]]

    def drain(self, dispatches: int) -> list[str | None]:
        """Ends the oldest running ones until so many more have started; the tenants of those."""
        before = len(self.started)
        while len(self.started) < before + dispatches:
            self.end_oldest()
        return self.tenants(before)[:dispatches]


def lent(seats: int = 1, *, reclaim: str = "Abort", **preemption: str) -> Replica:
    """A guarantee of 300 a second for bronze-0; tiers preempted as named."""
    changes = {name: {"preemption": how} for name, how in preemption.items()}
    plan = reservation(lending={"reclaim": reclaim})
    return Replica(seats, tiers=tiers(**changes), reservations=[plan])
