"""Drives a core with random events in virtual time, and records what it decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from tierfleet.admission.core import Core
from tierfleet.admission.types import (
    Arrival,
    Decision,
    Dispatch,
    EngineLimits,
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


def make_plan(**changes: Any) -> Plan:
    document: dict[str, Any] = {
        "pool": {"name": "llama"},
        "model": {"name": "llama"},
        "tiers": [{"name": name, "priority": priority} for name, priority in TIERS.items()],
        "groups": [
            {"name": "h100", "accelerator": "h100", "desired": 1, "serviceTokensPerSecond": 1000}
        ],
        "tenants": [
            {"name": f"{tier}-{number}", "tier": tier} for tier in TIERS for number in range(2)
        ],
    }
    return parse(document | changes)


@dataclass
class Driver:
    core: Core
    seats: int
    now: int = 0
    next_id: int = 0
    waiting: dict[int, Arrival] = field(default_factory=dict)
    arrived: dict[int, int] = field(default_factory=dict)
    running: dict[int, Arrival] = field(default_factory=dict)
    dispatched: list[Dispatch] = field(default_factory=list)
    shed: list[Shed] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    wake: int | None = None

    def take(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Dispatch():
                    self.running[decision.id] = self.waiting.pop(decision.id)
                    self.dispatched.append(decision)
                case Shed():
                    self.waiting.pop(decision.id)
                    self.shed.append(decision)
                case WakeAt():
                    self.wake = decision.at
                case Settled():
                    self.settled.append(decision)
                case _:
                    raise AssertionError(f"a decision nobody asked for: {decision}")

    def arrive(self, tenant: str | None, **values: Any) -> int:
        self.next_id += 1
        request = Arrival(id=self.next_id, tenant=tenant, **{"prompt_tokens": 100, **values})
        self.waiting[request.id] = request
        self.arrived[request.id] = self.now
        self.take(self.core.arrive(self.now, request))
        return request.id

    def finish(self, request: int, output: int = 10, outcome: Outcome = Outcome.COMPLETED) -> None:
        self.take(self.core.progress(self.now, [Progress(request, output_tokens=output)]))
        self.running.pop(request, None)
        self.take(self.core.finish(self.now, request, outcome))

    def abort(self, request: int) -> None:
        self.running.pop(request, None)
        self.waiting.pop(request, None)
        self.take(self.core.abort(self.now, request))

    def pass_time(self, nanoseconds: int) -> None:
        self.now += nanoseconds
        if self.wake is not None and self.wake <= self.now:
            self.wake = None  # it rings once
        self.take(self.core.tick(self.now, WALL))

    @property
    def seats_taken(self) -> int:
        return sum(request.sequences for request in self.running.values())


def drive(seats: int = 4, plan: Plan | None = None) -> Driver:
    driver = Driver(Core(plan or make_plan(), EngineLimits("h100", seats)), seats)
    driver.take(driver.core.tick(0, WALL))
    return driver


TENANTS = [f"{tier}-{number}" for tier in TIERS for number in range(2)]

ARRIVALS = st.tuples(
    st.just("arrive"), st.sampled_from(TENANTS), st.integers(1, 5000), st.integers(1, 3)
)
EVENTS = st.one_of(
    ARRIVALS,
    ARRIVALS,
    ARRIVALS,
    st.tuples(st.just("finish"), st.integers(0, 50), st.integers(0, 2000)),
    st.tuples(st.just("finish"), st.integers(0, 50), st.integers(0, 2000)),
    st.tuples(st.just("abort"), st.integers(0, 50)),
    st.tuples(st.just("pass"), st.integers(0, 5 * SECOND)),
    st.tuples(st.just("nonsense"), st.integers(-5, 40)),
)
EVENT_LISTS = st.lists(EVENTS, min_size=25, max_size=60)
"""Long enough that queues build up: short lists find nothing that a unit test does not."""


MAX_WAIT = 30 * SECOND
"""The default of a tier's queue."""


def one_seat_each(events: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The same events with requests of one sequence only."""
    return [(*event[:3], 1) if event[0] == "arrive" else event for event in events]


def play(driver: Driver, event: tuple[Any, ...]) -> None:
    """Carries out one event of `EVENTS`; indexes count modulo what is there."""
    match event:
        case ("arrive", tenant, prompt, sequences):
            driver.arrive(tenant, prompt_tokens=prompt, sequences=sequences)
        case ("finish", index, output) if driver.running:
            driver.finish(sorted(driver.running)[index % len(driver.running)], output)
        case ("abort", index) if driver.running or driver.waiting:
            known = sorted({**driver.running, **driver.waiting})
            driver.abort(known[index % len(known)])
        case ("pass", nanoseconds):
            driver.pass_time(nanoseconds)
        case ("nonsense", request):
            before = driver.core.load()
            if request not in {**driver.running, **driver.waiting}:
                driver.abort(request)
                driver.finish(request)
            elif request in driver.running:
                driver.take(driver.core.arrive(driver.now, driver.running[request]))
            else:
                driver.take(driver.core.finish(driver.now, request, Outcome.COMPLETED))
            assert driver.core.load() == before
