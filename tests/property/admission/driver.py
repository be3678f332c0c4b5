"""Carries out what a core decides, in virtual time, and keeps its own books beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tierfleet.admission.core import Core
from tierfleet.admission.types import (
    Abort,
    Arrival,
    Decision,
    Dispatch,
    EngineLimits,
    EngineReading,
    Outcome,
    Progress,
    Settled,
    Shed,
    WakeAt,
)
from tierfleet.plan import Plan, parse

WALL = datetime(2026, 12, 1, tzinfo=UTC)
SECOND = 1_000_000_000
TIERS = {"gold": 100, "silver": 50, "bronze": 0}
TENANTS = [f"{tier}-{number}" for tier in TIERS for number in range(2)]


def make_plan(**changes: Any) -> Plan:
    document: dict[str, Any] = {
        "pool": {"name": "llama"},
        "model": {"name": "llama"},
        "tiers": [{"name": name, "priority": priority} for name, priority in TIERS.items()],
        "groups": [
            {"name": "h100", "accelerator": "h100", "desired": 1, "serviceTokensPerSecond": 1000}
        ],
        "tenants": [{"name": name, "tier": name.split("-")[0]} for name in TENANTS],
    }
    return parse(document | changes)


def _ignore(_: Dispatch) -> None:
    pass


@dataclass
class Driver:
    """The engine and the callers of one core.

    Attributes:
        waiting, running, aborting: what the core has, by what it has decided so far.
        tokens: prompt, cached and output tokens that were reported of each.
        last: how each was dispatched last.
        unsent: what the engine never got.
        on_dispatch: told of each dispatch.
    """

    core: Core
    seats: int
    now: int = 0
    next_id: int = 0
    waiting: dict[int, Arrival] = field(default_factory=dict)
    running: dict[int, Arrival] = field(default_factory=dict)
    aborting: dict[int, Abort] = field(default_factory=dict)
    known: dict[int, Arrival] = field(default_factory=dict)
    arrived: dict[int, int] = field(default_factory=dict)
    tokens: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    last: dict[int, Dispatch] = field(default_factory=dict)
    dispatched: list[Dispatch] = field(default_factory=list)
    aborted: list[Abort] = field(default_factory=list)
    shed: list[Shed] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    log: list[tuple[int, Decision]] = field(default_factory=list)
    unsent: set[int] = field(default_factory=set)
    wake: int | None = None
    on_dispatch: Callable[[Dispatch], None] = _ignore

    def take(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            self.log.append((self.now, decision))
            match decision:
                case Dispatch():
                    self.running[decision.id] = self.waiting.pop(decision.id)
                    self.last[decision.id] = decision
                    self.dispatched.append(decision)
                    self.on_dispatch(decision)
                case Abort():
                    assert decision.id in self.running, "it aborts what does not run"
                    del self.running[decision.id]
                    self.aborting[decision.id] = decision
                    self.aborted.append(decision)
                case Shed():
                    self.waiting.pop(decision.id)
                    self.shed.append(decision)
                case WakeAt():
                    self.wake = decision.at
                case Settled():
                    self.settled.append(decision)

    def arrive(self, tenant: str | None, **values: Any) -> int:
        self.next_id += 1
        request = Arrival(**{"id": self.next_id, "tenant": tenant, "prompt_tokens": 100, **values})
        self.waiting[request.id] = self.known[request.id] = request
        self.arrived[request.id] = self.now
        self.tokens[request.id] = (request.prompt_tokens, 0, 0)
        self.take(self.core.arrive(self.now, request))
        return request.id

    def first_byte(self, request: int) -> None:
        self.take(self.core.first_byte(self.now, request))

    def progress(self, request: int, prompt: int = 0, cached: int = 0, output: int = 0) -> None:
        before = self.tokens[request]
        self.tokens[request] = (before[0] + prompt, before[1] + cached, before[2] + output)
        self.take(self.core.progress(self.now, [Progress(request, prompt, cached, output)]))

    def finish(self, request: int, output: int = 10, outcome: Outcome = Outcome.COMPLETED) -> None:
        if output:
            self.progress(request, output=output)
        if request in self.aborting:  # what has just been reported made the core abort it
            self.release(request)
            return
        self.running.pop(request, None)
        if outcome is Outcome.UNSENT:
            self.unsent.add(request)
        self.take(self.core.finish(self.now, request, outcome))

    def release(self, request: int) -> None:
        """The engine has let go of what the core aborted."""
        if self.aborting.pop(request).requeued:
            self.waiting[request] = self.known[request]
            self.tokens[request] = (self.tokens[request][0], 0, 0)
        self.take(self.core.finish(self.now, request, Outcome.ABORTED))

    def abort(self, request: int) -> None:
        for where in (self.running, self.waiting, self.aborting):
            where.pop(request, None)
        self.take(self.core.abort(self.now, request))

    def engine(self, reading: EngineReading) -> None:
        self.take(self.core.engine(self.now, reading))

    def replan(self, plan: Plan, seats: int, kv_tokens: int | None = None) -> None:
        self.seats = seats
        limits = EngineLimits("h100", seats, kv_tokens)
        self.take(self.core.replan(self.now, plan, limits))

    def tick(self) -> None:
        wall = WALL + timedelta(microseconds=self.now // 1000)
        self.take(self.core.tick(self.now, wall))

    def pass_time(self, nanoseconds: int) -> None:
        """Time passes, and the core is woken when it asked to be."""
        until = self.now + nanoseconds
        while self.wake is not None and self.wake <= until:
            self.now, self.wake = max(self.now, self.wake), None  # it rings once
            self.tick()
        self.now = until
        self.tick()

    def drain(self) -> None:
        """Everything ends: the engine answers all it gets, and what may not run expires."""
        while self.waiting or self.running or self.aborting:
            for request in sorted(self.aborting):
                self.release(request)
            for request in sorted(self.running):
                if request in self.running:
                    self.finish(request)
            if self.waiting and not self.running and not self.aborting:
                assert self.wake is not None, "requests wait, and nothing will wake them"
                self.pass_time(self.wake - self.now)

    @property
    def seats_taken(self) -> int:
        held = [*self.running, *self.aborting]
        return sum(self.known[request].sequences for request in held)


def drive(seats: int = 4, plan: Plan | None = None, kv_tokens: int | None = None) -> Driver:
    limits = EngineLimits("h100", seats, kv_tokens)
    driver = Driver(Core(plan or make_plan(), limits), seats)
    driver.tick()
    return driver
