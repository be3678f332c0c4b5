"""Everything that waits: it joins a line, leaves it, and may not wait for ever.

Requests of one tier wait equally long, so they expire in the order in which they came; those that
expire earlier, by a deadline of their own or after a new plan, are in a heap.
"""

from heapq import heappop, heappush

from tierfleet.admission.calendar import NEVER
from tierfleet.admission.order import Order
from tierfleet.admission.requests import QUEUED, Request
from tierfleet.admission.roster import Roster


class Waiting:
    """What waits in one replica.

    Attributes:
        number: requests that wait.
    """

    __slots__ = ("_early", "_oldest", "_order", "_roster", "_watched", "number")

    def __init__(self, roster: Roster, order: Order) -> None:
        self._roster = roster
        self._order = order
        self._early: list[tuple[int, int, Request]] = []
        self._oldest: Request | None = None
        self._watched = 0
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
        ages = request.share.tier.ages
        if ages and request.expiry < ages[-1].expiry:
            heappush(self._early, (request.expiry, request.sequence, request))
        else:
            ages.append(request)
        if self._oldest is not None and request.expiry < self._oldest.expiry:
            self._oldest = request
        self._watched += 1
        if self._watched > 64 and self._watched > 4 * self.number:
            self._forget()

    def due(self) -> int:
        """When the next one has waited in vain; `NEVER` if none waits."""
        if not self.number:
            return NEVER
        if self._oldest is None or self._oldest.state != QUEUED:
            self._oldest = self._find()
        return NEVER if self._oldest is None else self._oldest.expiry

    def expired(self, now: int) -> Request | None:
        """One that has waited in vain; None if none has. It has to leave before the next call."""
        return self._oldest if self.due() <= now else None

    def _find(self) -> Request | None:
        early = self._early
        while early and early[0][2].state != QUEUED:
            heappop(early)
        oldest = early[0][2] if early else None
        for tier in self._roster.tiers.values():
            ages = tier.ages
            while ages and ages[0].state != QUEUED:
                ages.popleft()
            if ages and (oldest is None or ages[0].expiry < oldest.expiry):
                oldest = ages[0]
        return oldest

    def _forget(self) -> None:
        """Behind one that waits long, those that have left would stay as long as it does."""
        queued = [entry[2] for entry in self._early]
        for tier in self._roster.tiers.values():
            queued += tier.ages
        self.rewatch([request for request in queued if request.state == QUEUED])

    def rewatch(self, requests: list[Request]) -> None:
        """These are all that wait, and their tiers may be others than before."""
        self._early = []
        self._oldest = None
        self._watched = 0
        for tier in self._roster.tiers.values():
            tier.ages.clear()
        for request in sorted(requests, key=lambda one: (one.expiry, one.sequence)):
            self._watched += 1
            request.share.tier.ages.append(request)
