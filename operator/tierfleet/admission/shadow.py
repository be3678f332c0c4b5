"""Shadow: everything is first come, first served, and each dispatch says what Enforce would do."""

from collections import deque
from collections.abc import Iterable

from tierfleet.admission.order import Order
from tierfleet.admission.requests import QUEUED, Request
from tierfleet.admission.seats import Seats


class Shadow:
    """The one line of all requests.

    Attributes:
        on: it is in force; else nothing is noted here.
    """

    __slots__ = ("_line", "_order", "_seats", "on")

    def __init__(self, order: Order, seats: Seats) -> None:
        self._order = order
        self._seats = seats
        self._line: deque[Request] = deque()
        self.on = False

    def change(self, waiting: Iterable[Request], *, on: bool) -> None:
        """A new plan; these wait."""
        self.on = on
        line = sorted(waiting, key=lambda request: request.sequence) if on else ()
        self._line = deque(line)

    def join(self, request: Request) -> None:
        """It begins to wait."""
        self._line.append(request)

    def join_again(self, request: Request) -> None:
        """It was thrown out before Shadow came, and has its old place."""
        self._line.append(request)
        self._line = deque(sorted(self._line, key=lambda one: one.sequence))

    def next(self, now: int) -> tuple[Request | None, int | None]:
        """The oldest request, if it may run, with the id of the one that Enforce would send."""
        choice = self._order.next(now)
        if choice is not None:
            choice.account = choice.floor = None
            choice.borrowed = False
            self._order.passed = []
        line = self._line
        while line and line[0].state != QUEUED:
            line.popleft()
        if not line or self._seats.taken + line[0].seats > self._seats.total:
            return None, None
        oldest = line.popleft()
        account = oldest.flow.account
        if account is not None and oldest.joined and account.due(conforming=oldest.reserved) <= now:
            oldest.account = account
        return oldest, choice.id if choice is not None and choice is not oldest else None
