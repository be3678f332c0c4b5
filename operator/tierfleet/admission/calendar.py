"""The time of day, by which contracts and prepaid periods go, on the core's monotonic clock."""

from datetime import UTC, datetime, timedelta
from typing import Final

NEVER: Final = 1 << 61
"""Later than any time: 73 years after the clock's zero, in nanoseconds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Calendar:
    """Knows the time of day by what it was told last, and when something begins or ends.

    Attributes:
        edge: when that is, nanoseconds; `NEVER` if nothing does.
    """

    # Whole microseconds since the epoch: it is asked at every tick, and a datetime takes long.
    __slots__ = ("_at", "_due", "_turned", "_wall", "edge")

    def __init__(self) -> None:
        self._wall = self._turned = 0
        self._at = 0
        self._due = NEVER
        self.edge = NEVER

    def set(self, now: int, wall: datetime) -> None:
        """It is so late."""
        self._wall, self._at = _micros(wall), now
        self._find_edge()

    def wall(self, now: int) -> datetime:
        """The time of day at that time."""
        return _EPOCH + timedelta(microseconds=self._micros(now))

    def must_turn(self, now: int) -> bool:
        """True if something has begun or ended since `turned`, or the clock was set back."""
        micros = self._micros(now)
        return micros >= self._due or micros < self._turned

    def turned(self, now: int, due: datetime | None) -> None:
        """All is as it has to be now; the next thing begins or ends then, if anything does."""
        self._turned = self._micros(now)
        self._due = NEVER if due is None else _micros(due)
        self._find_edge()

    def _micros(self, now: int) -> int:
        return self._wall + (now - self._at) // 1000

    def _find_edge(self) -> None:
        self.edge = min(NEVER, self._at + 1000 * (self._due - self._wall))


def _micros(wall: datetime) -> int:
    since = wall - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
