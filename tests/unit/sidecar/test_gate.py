"""The shell around the core: decisions are carried out in order, and time reaches the core."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from tests.unit.sidecar.cores import Scripted
from tests.unit.sidecar.plans import plan
from tests.unit.sidecar.waiting import until
from tierfleet.admission.types import (
    Abort,
    Arrival,
    Decision,
    Dispatch,
    EngineLimits,
    Outcome,
    Partition,
    Progress,
    Settled,
    Shed,
    ShedReason,
    WaitReason,
    WakeAt,
)
from tierfleet.plan import MICRO, Plan
from tierfleet.sidecar import gate as gates
from tierfleet.sidecar.gate import Gate

LIMITS = EngineLimits("h100", 2)


@dataclass
class Caller:
    """A ticket that remembers what it was told."""

    told: list[object] = field(default_factory=list)
    output_tokens: int = 0

    def dispatched(self, decision: Dispatch) -> None:
        self.told.append(decision)

    def shed(self, decision: Shed) -> None:
        self.told.append(decision)

    def evicted(self, *, requeued: bool) -> None:
        self.told.append("requeued" if requeued else "evicted")
        self.output_tokens = 0

    def settled(self, decision: Settled) -> None:
        self.told.append(decision)


def gate(document: Plan | None = None) -> tuple[Gate, Scripted]:
    cores: list[Scripted] = []

    def make(plan: Plan, limits: EngineLimits) -> Scripted:
        cores.append(Scripted(plan, limits))
        return cores[0]

    return Gate(make, document or plan(), LIMITS), cores[0]


def submit(to: Gate, tenant: str = "hobby", tokens: int = 10) -> tuple[int, Caller]:
    caller = Caller()
    number = to.next_id()
    to.submit(caller, Arrival(number, tenant, tokens))
    return number, caller


async def test_the_core_knows_the_time_of_day_before_the_first_request() -> None:
    _, core = gate()
    name, _, wall = core.heard[0]
    assert name == "tick"
    assert isinstance(wall, datetime)
    assert abs((wall - datetime.now(UTC)).total_seconds()) < 60


async def test_the_core_is_told_the_time_of_day_even_when_nothing_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gates, "_CALENDAR_SECONDS", 0.01)
    one, core = gate()
    core.heard.clear()
    await until(lambda: len(core.heard) >= 2)
    one.close()


async def test_who_leaves_is_told_once_what_it_has_cost() -> None:
    to, _ = gate()
    first, ended = submit(to)
    second, gone = submit(to)
    third, waits = submit(to)
    ended.output_tokens = 5
    to.abort(third)
    to.finish(first, Outcome.COMPLETED)
    to.abort(second)
    (cost,) = [told for told in ended.told if isinstance(told, Settled)]
    assert (cost.cost, cost.billed) == ((10 + 4 * 5) * MICRO, (10 + 4 * 5) * MICRO)
    assert [type(told) for told in gone.told] == [Dispatch, Settled]
    assert waits.told == []


async def test_a_freed_seat_goes_to_who_waits_before_finish_returns() -> None:
    one, _ = gate()
    first, _ = submit(one)
    submit(one)
    _, third = submit(one)
    assert third.told == []
    assert one.waiting() == [third]
    assert one.in_flight == 3
    one.finish(first, Outcome.COMPLETED)
    assert isinstance(third.told[0], Dispatch)
    assert one.waiting() == []


async def test_a_request_that_is_shed_is_forgotten() -> None:
    one, _ = gate()
    _, caller = submit(one, tenant="nobody")
    assert isinstance(caller.told[0], Shed)
    assert one.in_flight == 0


async def test_who_goes_while_waiting_is_never_dispatched() -> None:
    one, _ = gate()
    first, _ = submit(one)
    submit(one)
    third, waiting = submit(one)
    one.abort(third)
    one.finish(first, Outcome.COMPLETED)
    assert waiting.told == []
    assert one.in_flight == 1


async def test_the_last_progress_comes_before_the_end() -> None:
    one, core = gate()
    number, caller = submit(one)
    caller.output_tokens = 7
    one.finish(number, Outcome.COMPLETED, prompt_tokens=3, cached_tokens=2)
    assert core.heard[-2:] == [
        ("progress", Progress(number, 3, 2, 7)),
        ("finish", number, Outcome.COMPLETED),
    ]


async def test_an_end_that_is_reported_twice_is_reported_once() -> None:
    one, core = gate()
    number, caller = submit(one)
    caller.output_tokens = 7
    one.finish(number, Outcome.COMPLETED)
    one.finish(number, Outcome.FAILED)
    one.abort(number)
    assert [heard[0] for heard in core.heard].count("progress") == 1
    assert one.in_flight == 0


async def test_tokens_are_reported_while_a_request_runs() -> None:
    one, core = gate()
    number, caller = submit(one)
    caller.output_tokens = 5
    await until(lambda: ("progress", Progress(number, output_tokens=5)) in core.heard)
    caller.output_tokens = 8
    await until(lambda: ("progress", Progress(number, output_tokens=3)) in core.heard)
    one.close()


async def test_a_request_that_waits_too_long_is_shed_when_its_time_comes() -> None:
    tiers = [
        {"name": "enterprise", "priority": 100},
        {"name": "retail", "priority": 0, "queue": {"maxWaitMilliseconds": 50}},
    ]
    one, _ = gate(plan(tiers=tiers))
    submit(one)
    submit(one)
    _, third = submit(one)
    await until(lambda: third.told)
    (shed,) = third.told
    assert isinstance(shed, Shed)
    assert shed.reason is ShedReason.EXPIRED
    assert shed.waited >= 50_000_000
    one.close()


async def test_the_earliest_wake_up_of_several_is_kept_and_a_later_one_replaces_it() -> None:
    now = 0
    cores: list[Scripted] = []

    def make(plan: Plan, limits: EngineLimits) -> Scripted:
        cores.append(Scripted(plan, limits))
        return cores[0]

    one = Gate(make, plan(), LIMITS, clock=lambda: now)
    core = cores[0]

    def ticks() -> int:
        return [heard[0] for heard in core.heard].count("tick")

    core.next = [WakeAt(20_000_000), WakeAt(5_000_000)]
    one._tick()
    before = ticks()
    now = 4_000_000
    await asyncio.sleep(0.02)
    assert ticks() == before, "it was not time yet"
    now = 6_000_000
    await until(lambda: ticks() > before)
    one.close()


@pytest.mark.parametrize("requeued", [True, False])
async def test_what_the_core_aborts_is_taken_out_and_reported_as_aborted(requeued: bool) -> None:
    one, core = gate()
    number, caller = submit(one)
    caller.output_tokens = 4
    core.next = [Abort(number, requeued)]
    one._tick()
    assert ("requeued" if requeued else "evicted") in caller.told
    assert core.heard[-2:] == [
        ("progress", Progress(number, output_tokens=4)),
        ("finish", number, Outcome.ABORTED),
    ]
    assert one.in_flight == (1 if requeued else 0)
    if requeued:
        again: Decision = Dispatch(number, "hobby", "retail", Partition.SHARED, None, 0, 0)
        core.next = [again]
        one._tick()
        assert caller.told[-1] == again
        caller.output_tokens = 2
        one.finish(number, Outcome.COMPLETED)
        assert ("progress", Progress(number, output_tokens=2)) in core.heard
    one.close()


async def test_what_runs_counts_as_served_as_it_comes_and_no_scrape_sees_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gates, "_PROGRESS_SECONDS", 0.001)
    one, _ = gate()
    first, ended = submit(one)
    second, lost = submit(one)
    ended.output_tokens = lost.output_tokens = 5
    await until(lambda: one.served() == 2 * 4 * 5)
    one.finish(first, Outcome.COMPLETED)
    assert one.served() == (10 + 4 * 5) + 4 * 5
    one.finish(second, Outcome.UNSENT)
    assert one.served() == 50, "it costs nothing in the end, but a counter cannot go down"
    one.close()


async def test_an_engine_is_saturated_while_all_seats_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gates, "_PROGRESS_SECONDS", 0.001)
    one, _ = gate()
    first, _ = submit(one)
    await asyncio.sleep(0.01)
    assert one.saturated() == 0, "one of two seats is taken"
    submit(one)
    await until(lambda: one.saturated() > 0)
    one.finish(first, Outcome.COMPLETED)
    await asyncio.sleep(0.01)
    before = one.saturated()
    await asyncio.sleep(0.01)
    assert one.saturated() == before
    one.close()


async def test_one_that_waits_for_its_own_bound_does_not_saturate_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gates, "_PROGRESS_SECONDS", 0.001)
    tiers = [
        {"name": "enterprise", "priority": 100},
        {"name": "retail", "priority": 0, "limits": {"maxConcurrentRequests": 1}},
    ]
    one, core = gate(plan(tiers=tiers, reservations=[]))
    submit(one)
    waits, _ = submit(one)
    assert core.why(waits) is WaitReason.CONCURRENCY_LIMIT
    await asyncio.sleep(0.01)
    assert one.saturated() == 0
    one.close()


async def test_one_that_finds_no_room_in_the_kv_cache_saturates_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gates, "_PROGRESS_SECONDS", 0.001)
    one, core = gate(plan(reservations=[]))
    one.replan(one.plan, EngineLimits("h100", 8, kv_tokens=1000))
    submit(one, tokens=800)
    waits, _ = submit(one, tokens=800)
    assert core.why(waits) is WaitReason.KV_CACHE
    await until(lambda: one.saturated() > 0)
    one.close()
