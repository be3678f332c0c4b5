"""Everything that waits: it joins a line, leaves it, and may not wait for ever."""

from heapq import heapify, heappop, heappush

from tierfleet.admission.calendar import NEVER
from tierfleet.admission.order import Order
from tierfleet.admission.requests import QUEUED, Request
from tierfleet.admission.roster import Roster


class Waiting:
    """What waits in one replica.

    Attributes:
        number: requests that wait.
    """

    __slots__ = ("_expiries", "_order", "_roster", "number")

    def __init__(self, roster: Roster, order: Order) -> None:
        self._roster = roster
        self._order = order
        self._expiries: list[tuple[int, int, Request]] = []
        self.number = 0

    def put(self, now: int, request: Request, *, again: bool = False) -> None:
        """It begins to wait: last in its line, or `again` at its old place."""
        self.number += 1
        account = request.flow.account
        if account is None:
            request.share.put(now, request, again=again)
            return
        if request.conforming:
            self._roster.reserve(request, account, again=again)
        else:
            request.share.put(now, request, again=again)
        account.join(now)
        self._order.offer(account)

    def leave(self, now: int, request: Request) -> None:
        """It no longer waits."""
        self.number -= 1
        flow = request.flow
        account = flow.account
        if request.reserved:
            flow.reserved.remove(request)
            flow.home.reserved_waiting -= 1
            if account is not None:
                account.backlog -= request.cost
                account.conforming -= 1
        else:
            request.share.leave(now, request)
        if account is not None:
            account.leave(now)

    def watch(self, request: Request) -> None:
        """It has found no seat at once, so it will wait in vain from `expiry` on."""
        expiries = self._expiries
        heappush(expiries, (request.expiry, request.sequence, request))
        if len(expiries) > 64 and len(expiries) > 4 * self.number:
            # Behind one that waits long, those that have left would stay as long as it does.
            self._expiries = [entry for entry in expiries if entry[2].state == QUEUED]
            heapify(self._expiries)

    def due(self) -> int:
        """When the next one has waited in vain; `NEVER` if none waits."""
        expiries = self._expiries
        while expiries:
            if expiries[0][2].state == QUEUED:
                return expiries[0][0]
            heappop(expiries)
        return NEVER

    def expired(self, now: int) -> Request | None:
        """One that has waited in vain; None if none has. It has to leave before the next call."""
        return self._expiries[0][2] if self.due() <= now else None
