"""The time of day, by which contracts and prepaid periods go, on the core's monotonic clock."""

from datetime import UTC, datetime, timedelta
from typing import Final

NEVER: Final = 1 << 61
"""Later than any time: 73 years after the clock's zero, in nanoseconds."""

_MICROSECOND: Final = timedelta(microseconds=1)


class Calendar:
    """Knows the time of day by what it was told last.

    Attributes:
        edge: when something begins or ends next, nanoseconds; `NEVER` if nothing does.
    """

    __slots__ = ("_at", "_wall", "edge")

    def __init__(self) -> None:
        self._wall = datetime(1970, 1, 1, tzinfo=UTC)
        self._at = 0
        self.edge = NEVER

    def set(self, now: int, wall: datetime) -> None:
        """It is so late."""
        self._wall, self._at = wall, now

    def wall(self, now: int) -> datetime:
        """The time of day at that time."""
        return self._wall + timedelta(microseconds=(now - self._at) // 1000)

    def expect(self, now: int, edge: datetime | None) -> None:
        """Something begins or ends at that time of day; None if nothing does."""
        self.edge = NEVER
        if edge is not None:
            self.edge = min(NEVER, now + 1000 * ((edge - self.wall(now)) // _MICROSECOND))
