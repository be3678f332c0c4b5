"""A line of requests that wait, in the order of their arrival.

Linked through the requests themselves: any of them leaves at once, and an empty line is a few words
of memory, which counts with fifty thousand tenants.
"""

from collections.abc import Iterator
from typing import Final

from tierfleet.admission.heap import Ranked
from tierfleet.admission.requests import Request


class Line(Ranked):
    """A request waits in one line at a time; a line may stand in a heap of lines.

    Attributes:
        first: the oldest; None if nobody waits.
        last: the newest.
    """

    __slots__ = ("first", "last")

    def __init__(self) -> None:
        super().__init__()
        self.first: Request | None = None
        self.last: Request | None = None

    def append(self, request: Request) -> None:
        """The newest comes."""
        last = self.last
        if last is None:
            self.first = request
        else:
            last.newer = request
            request.older = last
        self.last = request

    def insert(self, request: Request) -> None:
        """One comes back to its old place: in front of all that are newer."""
        newer = self.first
        while newer is not None and newer.sequence < request.sequence:
            newer = newer.newer
        if newer is None:
            self.append(request)
            return
        older = newer.older
        request.newer, newer.older = newer, request
        if older is None:
            self.first = request
        else:
            older.newer, request.older = request, older

    def remove(self, request: Request) -> None:
        """It waits no longer."""
        older, newer = request.older, request.newer
        if older is None:
            self.first = newer
        else:
            older.newer = newer
        if newer is None:
            self.last = older
        else:
            newer.older = older
        request.older = request.newer = None

    def __iter__(self) -> Iterator[Request]:
        """All of them, the oldest first; the line must not change meanwhile."""
        request = self.first
        while request is not None:
            yield request
            request = request.newer


NOBODY: Final = Line()
"""For who has nothing to wait for there."""


class Ages:
    """Those of one tier, in the order in which they will have waited in vain.

    Attributes:
        oldest: the first to do so; None if nobody waits.
        newest: the last.
    """

    __slots__ = ("newest", "oldest")

    def __init__(self) -> None:
        self.oldest: Request | None = None
        self.newest: Request | None = None

    def append(self, request: Request) -> None:
        """One comes that may wait longer than all others."""
        newest = self.newest
        if newest is None:
            self.oldest = request
        else:
            newest.after = request
            request.before = newest
        self.newest = request
        request.ages = self

    def remove(self, request: Request) -> None:
        """It waits no longer."""
        before, after = request.before, request.after
        if before is None:
            self.oldest = after
        else:
            before.after = after
        if after is None:
            self.newest = before
        else:
            after.before = before
        request.before = request.after = request.ages = None
