"""Runs a reconcile over a work queue: takes keys, retries what fails, comes back when asked.

A reconcile gets a key and nothing else, looks at the world as it is now, and makes it as it should
be; so it may be called at any time, any number of times.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from tierfleet.controllers.metrics import Meter
from tierfleet.kube.cluster import ClusterError
from tierfleet.kube.workqueue import WorkQueue

KeyT = TypeVar("KeyT", bound=Hashable)

QUIET_FAILURES = 3
"""A conflict or a cut connection is normal; only what fails again and again is worth a warning."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """The world is as it should be."""


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """The world is as it should be until that many seconds from now."""

    seconds: float


DONE = Done()


@dataclass(frozen=True, slots=True)
class Retry:
    """The world is not as it should be: try again, ever less often; at the latest as `by` says."""

    why: ClusterError
    by: Done | RequeueAfter = DONE


Result = Done | RequeueAfter | Retry
Reconcile = Callable[[KeyT], Awaitable[Result]]


class Term(Protocol):
    """Something that begins and ends; None is open."""

    @property
    def start(self) -> datetime | None:
        """First instant."""

    @property
    def end(self) -> datetime | None:
        """First instant after it."""


def at_next_edge(terms: Iterable[Term], now: datetime) -> Done | RequeueAfter:
    """Come back when the next of the terms begins or ends; done if none will."""
    return at_next((edge for term in terms for edge in (term.start, term.end)), now)


def at_next(instants: Iterable[datetime | None], now: datetime) -> Done | RequeueAfter:
    """Come back at the first of the instants that is still to come; done if none is."""
    coming = [instant for instant in instants if instant is not None and instant > now]
    return RequeueAfter((min(coming) - now).total_seconds()) if coming else DONE


class Controller(Generic[KeyT]):
    """A queue of keys, and those who work on it."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`name` is what metrics and logs call it."""
        self.name = name
        self.queue = WorkQueue[KeyT]()
        self._meter = Meter(name, clock)
        self._clock = clock
        self._changed = asyncio.Event()

    def add(self, key: KeyT) -> None:
        """Have the key looked at soon."""
        self.queue.add(key, self._clock())
        self._meter.added(len(self.queue))
        self._changed.set()

    def add_after(self, key: KeyT, seconds: float) -> None:
        """Have the key looked at later."""
        self.queue.add_after(key, seconds, self._clock())
        self._changed.set()

    async def run(self, reconcile: Reconcile[KeyT], workers: int = 1) -> None:
        """Work for ever; with one worker all work is serialized."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                tasks.create_task(self._work(reconcile))

    async def _work(self, reconcile: Reconcile[KeyT]) -> None:
        while True:
            key = await self._next()
            try:
                await self._process(reconcile, key)
            finally:
                self.queue.done(key)
                self._changed.set()
            # One that finds all as it should be waits for nothing, and a thousand of those in a row
            # would keep everybody else: the renewal of the Lease, probes, other controllers.
            await asyncio.sleep(0)

    async def _next(self) -> KeyT:
        while (taken := self.queue.take(self._clock())) is None:
            self._changed.clear()
            due = self.queue.next_due()
            try:
                async with asyncio.timeout(None if due is None else max(0, due - self._clock())):
                    await self._changed.wait()
            except TimeoutError:
                continue
        key, waited = taken
        self._meter.taken(len(self.queue), waited)
        return key

    async def _process(self, reconcile: Reconcile[KeyT], key: KeyT) -> None:
        with self._meter.reconcile() as outcome:
            try:
                result = await reconcile(key)
            except ClusterError as error:
                result = Retry(error)
            except Exception:
                # A bug must not end the loop of all other objects; it is loud and it is retried.
                outcome.failed()
                logger.exception("Reconciling %s %s failed.", self.name, _text(key))
                self._retry(key, "", DONE)
                return
            if isinstance(result, Retry):
                outcome.failed()
                self._retry(key, str(result.why), result.by)
                return
            self.queue.forget(key)
            if isinstance(result, RequeueAfter):
                outcome.requeued()
                self.add_after(key, result.seconds)

    def _retry(self, key: KeyT, reason: str, by: Done | RequeueAfter) -> None:
        seconds = self.queue.retry(key, self._clock())
        if isinstance(by, RequeueAfter):
            self.add_after(key, by.seconds)
            seconds = min(seconds, by.seconds)
        self._meter.retried()
        level = logging.WARNING if self.queue.failures(key) > QUIET_FAILURES else logging.DEBUG
        if reason:
            logger.log(
                level, "%s %s: %s Trying again in %.3g s.", self.name, _text(key), reason, seconds
            )


def _text(key: object) -> str:
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)
