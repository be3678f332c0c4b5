"""Whether the engine gets on. One that has work and gives no sign of life gets nothing more."""

from typing import Final

from tierfleet.admission.calendar import NEVER
from tierfleet.admission.entitlements import SECOND
from tierfleet.admission.types import EngineReading

STALLED_AFTER: Final = 10 * SECOND
"""Without any sign for so long, with work in flight, it is taken for stalled."""


class Pulse:
    """Signs of life of one engine.

    Unstreamed answers come all at once, so its silence says something only while an answer flows,
    or where its own count of tokens has been read again since and stands still: metrics that cannot
    be read any more say nothing.

    Attributes:
        stalled: it does not get on.
        flowing: requests of which the caller has part of the answer.
    """

    __slots__ = ("_last", "_read", "_tokens", "flowing", "stalled")

    def __init__(self) -> None:
        self.stalled = False
        self.flowing = 0
        self._last = self._read = 0
        self._tokens: int | None = None

    def beat(self, now: int) -> None:
        """The engine has given a sign."""
        self._last = now

    def read(self, now: int, reading: EngineReading) -> None:
        """Its count of tokens; a sign if it has moved."""
        if reading.tokens is not None:
            if reading.tokens != self._tokens:
                self.beat(now)
            self._tokens = reading.tokens
            self._read = now

    def due(self) -> int:
        """When it is taken for stalled, if no sign comes; `NEVER` if nothing can tell."""
        return self._last + STALLED_AFTER if self.flowing or self._read > self._last else NEVER

    def check(self, now: int, *, busy: bool) -> bool:
        """True if that has changed: it has stalled, or it has come back."""
        stalled = busy and now >= self.due()
        changed, self.stalled = stalled is not self.stalled, stalled
        return changed
