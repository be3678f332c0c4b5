"""The real-time loop, with the wall clock and its sleeps in the test's hand."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from tierfleet.engine.config import EngineConfig, StepCost
from tierfleet.engine.driver import Ask, Driver
from tierfleet.engine.metrics import EngineMetrics
from tierfleet.engine.model import Engine

STEP_NS = 30_000_000


class WallClock:
    """Sleeps come back `oversleep` too late, as they do on a busy machine."""

    def __init__(self, oversleep: int) -> None:
        self.now = 1_000
        self.oversleep = oversleep
        self.woken: list[int] = []

    def read(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.now += round(seconds * 1e9) + self.oversleep
        self.woken.append(self.now)
        await asyncio.sleep(0)


def driver(clock: WallClock, speed: float = 1.0, num_blocks: int = 1000) -> Driver:
    engine = Engine(
        EngineConfig(
            StepCost(STEP_NS, 0, 0), num_blocks=num_blocks, max_model_len=64, max_num_seqs=4
        )
    )
    metrics = EngineMetrics(engine, "m", prefix_caching=True)
    return Driver(engine, metrics, speed, clock.read, clock.sleep)


async def finish(subject: Driver, ask: Ask, meanwhile: Callable[[], None] | None = None) -> None:
    running = asyncio.create_task(subject.run())
    generation = subject.submit((ask,), each_token=True)
    await generation.progress()
    if meanwhile:
        meanwhile()
    while not generation.done:
        await generation.progress()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("speed", [1.0, 7.0, 0.25])
async def test_late_sleeps_do_not_add_up(speed: float) -> None:
    clock = WallClock(oversleep=1_000_000)
    await finish(driver(clock, speed), Ask(4, 50, "stop"))
    for step, woken in enumerate(clock.woken, start=1):
        late = woken - (1_000 + step * STEP_NS / speed)
        assert 0 <= late <= 1_001_000, f"step {step} of {len(clock.woken)}"


async def test_a_clock_that_jumped_is_caught_up_with_without_a_pause() -> None:
    clock = WallClock(oversleep=0)

    def suspend() -> None:
        clock.now += 10 * STEP_NS

    await finish(driver(clock), Ask(4, 15, "stop"), suspend)
    assert clock.woken[0] == 1_000 + STEP_NS
    assert clock.woken[-1] == 1_000 + 15 * STEP_NS, "as if nothing had happened"
    assert len(clock.woken) == 15


async def test_after_idling_the_next_step_starts_at_once_and_takes_its_time() -> None:
    clock = WallClock(oversleep=0)
    subject = driver(clock)
    running = asyncio.create_task(subject.run())
    await subject.submit((Ask(4, 1, "stop"),)).progress()
    clock.now += 3 * STEP_NS + 17
    began = clock.now
    await subject.submit((Ask(4, 2, "stop"),)).progress()
    assert clock.now == began + 2 * STEP_NS
    running.cancel()


async def test_a_request_that_is_not_streamed_is_woken_once() -> None:
    clock = WallClock(oversleep=0)
    subject = driver(clock)
    running = asyncio.create_task(subject.run())
    streamed = subject.submit((Ask(4, 9, "stop"),), each_token=True)
    whole = subject.submit((Ask(4, 9, "stop"), Ask(4, 5, "stop")))
    seen = []
    while not streamed.done:
        await streamed.progress()
        seen.append(streamed.produced[0])
        assert whole.done or not whole._changed.is_set()
    assert seen[-1] == 9
    await whole.progress()
    assert whole.produced == [9, 5]
    running.cancel()
