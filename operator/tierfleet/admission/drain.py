"""How fast the engine ends requests: the base of every honest retry time."""

MOST = 60_000_000_000
"""No caller is told to wait longer (ns): by then the picture has changed."""
LEAST = 100_000_000
UNKNOWN = 1_000_000_000
"""Answer before two requests have ended."""


class DrainRate:
    """Moving average (1/8) of the time between two ends of requests while others wait."""

    __slots__ = ("_interval", "_last", "_others_waited")

    def __init__(self) -> None:
        self._interval: int | None = None
        self._last = 0
        self._others_waited = False

    def ended(self, now: int, *, waiting: bool) -> None:
        """A request has ended, and others do or do not wait for its seat.

        An interval counts only if somebody waited all through it: an idle one says nothing.
        """
        if waiting and self._others_waited:
            gap = now - self._last
            self._interval = gap if self._interval is None else (7 * self._interval + gap) // 8
        self._last = now
        self._others_waited = waiting

    def measured(self, requests: int) -> int | None:
        """Nanoseconds until so many requests have ended; None before two have."""
        return None if self._interval is None else requests * self._interval

    def time_for(self, requests: int) -> int:
        """Nanoseconds until so many requests have ended, within [100 ms, 60 s]."""
        if self._interval is None:
            return UNKNOWN
        return min(MOST, max(LEAST, requests * self._interval))
