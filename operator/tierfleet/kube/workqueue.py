"""A keyed work queue: deduplicating, delaying, backing off, one worker per key at a time.

The contract is that of client-go's workqueue, which every controller leans on:

    a key is `dirty` from the moment it is added until a worker takes it, and `processing` until
    the worker is done with it. A dirty key is queued once, however often it is added. A key that
    is added while it is processing stays dirty and is queued again when the worker is done.

So no change is lost, no two workers ever have the same key, and a burst of events costs one pass.
Time is passed in: nothing here waits or reads a clock, that is for `controllers/worker.py`.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)

FIRST_BACKOFF_SECONDS = 0.005
LONGEST_BACKOFF_SECONDS = 1000.0
"""As in client-go: 5 ms doubles up to 1,000 s."""


class WorkQueue(Generic[KeyT]):
    """Keys to work on. `now` is in seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self._ready: deque[KeyT] = deque()
        self._dirty: dict[KeyT, float] = {}
        """And since when."""
        self._processing: set[KeyT] = set()
        self._due: dict[KeyT, float] = {}
        self._timers: list[tuple[float, int, KeyT]] = []
        self._sequence = itertools.count()
        self._failures: dict[KeyT, int] = {}

    def __len__(self) -> int:
        """Keys that wait for a worker now, those with a delay not counted."""
        return len(self._ready)

    @property
    def processing(self) -> int:
        """Keys that a worker has."""
        return len(self._processing)

    def add(self, key: KeyT, now: float) -> None:
        """Queue the key, once."""
        if key in self._dirty:
            return
        self._dirty[key] = now
        if key not in self._processing:
            self._ready.append(key)

    def add_after(self, key: KeyT, seconds: float, now: float) -> None:
        """Queue the key later. Of several times for one key the earliest counts."""
        due = now + seconds
        if seconds <= 0:
            self.add(key, now)
        elif due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._timers, (due, next(self._sequence), key))

    def retry(self, key: KeyT, now: float) -> float:
        """Queue the key after its backoff, which doubles each time; returns it in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # The exponent is bounded, or the power would overflow after a day of failures.
        seconds = min(FIRST_BACKOFF_SECONDS * 2.0 ** min(failures, 32), LONGEST_BACKOFF_SECONDS)
        self.add_after(key, seconds, now)
        return seconds

    def failures(self, key: KeyT) -> int:
        """How often the key has been retried since it last succeeded."""
        return self._failures.get(key, 0)

    def forget(self, key: KeyT) -> None:
        """Reset the backoff of the key: its work has succeeded."""
        self._failures.pop(key, None)

    def take(self, now: float) -> tuple[KeyT, float] | None:
        """The next key, which is the caller's until `done`, and the seconds for which it was dirty.

        None if there is none now.
        """
        self._release(now)
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._processing.add(key)
        return key, now - self._dirty.pop(key)

    def done(self, key: KeyT) -> None:
        """Give the key back; if it was added meanwhile, it is queued again."""
        self._processing.discard(key)
        if key in self._dirty:
            self._ready.append(key)

    def next_due(self) -> float | None:
        """When the next delayed key is due; None if there is none."""
        while self._timers and self._due.get(self._timers[0][2]) != self._timers[0][0]:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _release(self, now: float) -> None:
        while (due := self.next_due()) is not None and due <= now:
            key = heapq.heappop(self._timers)[2]
            self.add(key, self._due.pop(key))
