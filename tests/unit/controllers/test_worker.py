import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.kube.fake import until
from tierfleet.controllers import metrics
from tierfleet.controllers.worker import (
    DONE,
    Controller,
    Done,
    Reconcile,
    RequeueAfter,
    Result,
    Retry,
    at_next_edge,
)
from tierfleet.kube.cluster import ConflictError
from tierfleet.plan import Term

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@asynccontextmanager
async def working(
    reconcile: Reconcile[str],
    workers: int = 1,
    *,
    name: str = "test",
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Controller[str]]:
    controller = Controller[str](name, clock)
    task = asyncio.create_task(controller.run(reconcile, workers))
    try:
        yield controller
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_fails_is_tried_again_until_it_succeeds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = 0

    async def reconcile(key: str) -> Result:
        nonlocal tries
        tries += 1
        if tries <= 5:
            raise ConflictError("has been modified", 409)
        return DONE

    with caplog.at_level(logging.WARNING):
        async with working(reconcile) as controller:
            controller.add("a")
            await until(lambda: tries == 6)
    # A conflict is normal; only what goes on failing is worth a line.
    assert [record.message.split(" Trying")[0] for record in caplog.records] == [
        "test a: has been modified"
    ] * 2


async def test_a_bug_in_one_object_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    async def reconcile(key: str) -> Result:
        if key == "bad":
            raise ZeroDivisionError
        done.append(key)
        return DONE

    async with working(reconcile) as controller:
        controller.add("bad")
        controller.add("good")
        await until(lambda: done == ["good"])
    assert "Reconciling test bad failed." in caplog.text


async def test_it_comes_back_when_asked() -> None:
    seen = 0

    async def reconcile(key: str) -> Result:
        nonlocal seen
        seen += 1
        return RequeueAfter(0.001) if seen < 3 else DONE

    async with working(reconcile) as controller:
        controller.add("a")
        await until(lambda: seen == 3)


@pytest.mark.parametrize(
    ("edge", "due"), [(RequeueAfter(0.001), 0.001), (RequeueAfter(60), 0.005), (DONE, 0.005)]
)
async def test_what_fails_is_tried_again_after_the_backoff_or_at_the_next_edge_if_that_is_sooner(
    edge: Done | RequeueAfter, due: float
) -> None:
    """The first backoff is 5 ms; the clock stands still, so nothing comes due."""
    failed: list[str] = []

    async def reconcile(key: str) -> Result:
        failed.append(key)
        return Retry(ConflictError("has been modified", 409), edge)

    async with working(reconcile, name="edges", clock=lambda: 0.0) as controller:
        controller.add("a")
        await until(lambda: bool(failed) and controller.queue.processing == 0)
        assert controller.queue.next_due() == due
        assert controller.queue.failures("a") == 1
    of = {"controller": "edges", "result": "error"}
    assert metrics.REGISTRY.get_sample_value("controller_runtime_reconcile_total", of)


async def test_an_object_is_never_worked_on_twice_at_once() -> None:
    busy: set[str] = set()
    rounds = 0

    async def reconcile(key: str) -> Result:
        nonlocal rounds
        assert key not in busy
        busy.add(key)
        await asyncio.sleep(0)
        busy.discard(key)
        rounds += 1
        return RequeueAfter(0.0001)

    async with working(reconcile, workers=4) as controller:
        for _ in range(50):
            for key in "abc":
                controller.add(key)
            await asyncio.sleep(0)
        await until(lambda: rounds > 50)


async def test_how_long_keys_waited_and_were_worked_on_is_told() -> None:
    now = 1000.0
    done: list[str] = []

    async def reconcile(key: str) -> Result:
        nonlocal now
        now += {"a": 2.0, "b": 0.5}[key]
        done.append(key)
        return DONE

    async with working(reconcile, name="timed", clock=lambda: now) as controller:
        controller.add("a")
        controller.add("b")
        controller.add("a")
        await until(lambda: done == ["a", "b"])
        await until(lambda: controller.queue.processing == 0)

    def told(metric: str, label: str = "name") -> list[float | None]:
        of = {label: "timed"}
        return [metrics.REGISTRY.get_sample_value(f"{metric}_{w}", of) for w in ("count", "sum")]

    # The second key waited while the first one was worked on.
    assert told("workqueue_queue_duration_seconds") == [2, 2.0]
    assert told("workqueue_work_duration_seconds") == [2, 2.5]
    assert told("controller_runtime_reconcile_time_seconds", "controller") == [2, 2.5]


def test_the_next_edge_of_any_term_is_when_to_look_again() -> None:
    hour = timedelta(hours=1)
    past = Term(start=NOW - 2 * hour, end=NOW - hour)
    coming = Term(start=NOW + hour, end=NOW + 2 * hour)
    assert at_next_edge([past, coming, Term(end=NOW + 3 * hour)], NOW) == RequeueAfter(3600)
    assert at_next_edge([past, Term()], NOW) == DONE
    assert at_next_edge([Term(start=NOW)], NOW) == DONE
