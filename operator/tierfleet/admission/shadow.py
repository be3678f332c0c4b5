"""Shadow: everything is first come, first served, and each dispatch says what Enforce would do."""

from collections import deque
from collections.abc import Iterable

from tierfleet.admission.order import Order
from tierfleet.admission.requests import QUEUED, Request
from tierfleet.admission.seats import Seats
from tierfleet.admission.settlement import Settlement
from tierfleet.admission.shares import Share, TierQueue
from tierfleet.admission.types import ShedReason


class Shadow:
    """The one line of all requests.

    Attributes:
        on: it is in force; else nothing is noted here.
    """

    __slots__ = ("_let_wait", "_line", "_order", "_seats", "_settlement", "on")

    def __init__(self, order: Order, seats: Seats, settlement: Settlement) -> None:
        self._order = order
        self._seats = seats
        self._settlement = settlement
        self._line: deque[Request] = deque()
        # Of each share what Enforce would have waiting too, with what no longer waits.
        self._let_wait: dict[Share, deque[Request]] = {}
        self.on = False

    def change(self, waiting: Iterable[Request], *, on: bool) -> None:
        """A new plan; these wait."""
        self.on = on
        self._line.clear()
        self._let_wait.clear()
        if on:
            for request in sorted(waiting, key=lambda one: one.sequence):
                self.join(request)

    def join(self, request: Request) -> None:
        """It begins to wait."""
        self._line.append(request)
        if request.refused is None and not request.reserved:
            self._let_wait.setdefault(request.share, deque()).append(request)

    def join_again(self, request: Request) -> None:
        """It was thrown out before Shadow came, and has its old place."""
        self._line.append(request)
        self.moved()

    def moved(self) -> None:
        """What waits competes elsewhere: a term has begun or ended."""
        self.change([one for one in self._line if one.state == QUEUED], on=True)

    def next(self, now: int) -> tuple[Request | None, Request | None]:
        """The oldest request, if it may run, and the one that Enforce would send, if any."""
        choice = self._order.next(now)
        if choice is not None:
            choice.account = choice.floor = None
            choice.borrowed = False
            self._order.passed = []
        line = self._line
        while line and line[0].state != QUEUED:
            self._forget(line.popleft())
        if not line or self._seats.taken + line[0].seats > self._seats.total:
            return None, None
        oldest = line.popleft()
        self._forget(oldest)
        account = oldest.flow.account
        if account is not None and oldest.joined and account.due(conforming=oldest.reserved) <= now:
            oldest.account = account
        return oldest, choice

    def push_out(self, now: int, tier: TierQueue) -> None:
        """Notes whom Enforce would turn away, as the queue is fuller than it may be."""
        while tier.is_too_full():
            heaviest = tier.heaviest()
            newest = None if heaviest is None else self._newest(heaviest.share)
            if newest is None:
                return
            self._settlement.give_back(now, newest)
            newest.share.refuse(newest, ShedReason.QUEUE_FULL)

    def _newest(self, share: Share) -> Request | None:
        """The newest of a share that Enforce would have waiting; taken from its line."""
        line = self._let_wait.get(share)
        while line:
            newest = line.pop()
            if newest.state == QUEUED:
                return newest
        return None

    def _forget(self, request: Request) -> None:
        """The oldest of all goes."""
        line = self._let_wait.get(request.share)
        if line is not None:
            if line and line[0] is request:
                line.popleft()
            if not line:
                del self._let_wait[request.share]
