"""Everything that waits: it joins a line, leaves it, and may not wait for ever.

Requests of one tier wait equally long, so they expire in the order in which they came; those that
expire earlier, by a deadline of their own or after a new plan, are in a heap.
"""

from collections.abc import Iterable

from tierfleet.admission.calendar import NEVER
from tierfleet.admission.heap import Heap
from tierfleet.admission.lines import Ages
from tierfleet.admission.order import Order
from tierfleet.admission.requests import Request
from tierfleet.admission.roster import Roster, joins


class Waiting:
    """What waits in one replica.

    Attributes:
        number: requests that wait.
        due: no request will have waited in vain before that. It may be early: the one that would
            have may have left since.
    """

    __slots__ = ("_ages", "_early", "_order", "_roster", "due", "number")

    def __init__(self, roster: Roster, order: Order) -> None:
        self._roster = roster
        self._order = order
        self._early: Heap[Request] = Heap()
        self._ages: list[Ages] = []
        self.due = NEVER
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
        if joins(request):
            request.joined = True
            account.join(now, conforming=request.reserved)
            self._order.offer(account)

    def leave(self, now: int, request: Request) -> None:
        """It no longer waits."""
        self.number -= 1
        if request.ages is not None:
            request.ages.remove(request)
        elif request.place >= 0:
            self._early.remove(request)
        flow = request.flow
        account = flow.account
        if request.reserved:
            flow.reserved.remove(request)
            flow.home.reserved_waiting -= 1
            if account is not None:
                account.backlog -= request.cost
        else:
            request.share.leave(now, request)
        if request.joined:
            request.joined = False
            if account is not None:
                account.leave(now, conforming=request.reserved)
                # What it serves next may be of the other kind, and owed something sooner.
                self._order.offer(account)

    def watch(self, request: Request) -> None:
        """It has found no seat at once, so it will wait in vain from `expiry` on."""
        self.due = min(self.due, request.expiry)
        ages = request.flow.home.ages
        newest = ages.newest
        if newest is None or newest.expiry <= request.expiry:
            ages.append(request)
        else:
            self._early.put(request, request.expiry, request.sequence)

    def rewatch(self, requests: Iterable[Request]) -> None:
        """These are all that wait, and their tiers may be others than before."""
        self._early.clear()
        self.due = NEVER
        for request in requests:
            request.ages = request.before = request.after = None
        self._ages = [tier.ages for tier in self._roster.tiers.values()]
        for ages in self._ages:
            ages.oldest = ages.newest = None
        for request in sorted(requests, key=lambda one: (one.expiry, one.sequence)):
            self.watch(request)

    def expired(self, now: int) -> Request | None:
        """One that has waited in vain; None if none has. It has to leave before the next call."""
        if now < self.due:
            return None
        oldest = self._oldest()
        self.due = NEVER if oldest is None else oldest.expiry
        return oldest if self.due <= now else None

    def _oldest(self) -> Request | None:
        early = self._early.items
        found = early[0] if early else None
        least = NEVER if found is None else found.expiry
        for ages in self._ages:
            oldest = ages.oldest
            if oldest is not None and oldest.expiry < least:
                found, least = oldest, oldest.expiry
        return found
