"""Which request takes the next free seat. Reads what waits; changes nothing but its own heaps.

1. Guarantees that are owed something (start tag S <= now), the least S first. A head that does not
   fit into the KV cache may be passed by other guarantees' heads up to 8 times; nothing else fills
   around a guarantee that waits.
2. Floors of tiers.
3. Tiers by priority, strictly; inside one the tenant with the least service for its weight.
4. If nothing of that may run: a conforming request before its time, as borrowed.

Steps 2 to 4 stop at the seats that are held back.
"""

import heapq
from collections.abc import Sequence
from typing import Final, NamedTuple

from tierfleet.admission.entitlements import Entitlement
from tierfleet.admission.requests import Request
from tierfleet.admission.roster import Roster
from tierfleet.admission.seats import Seats
from tierfleet.admission.shares import TierQueue

OVERTAKINGS: Final = 8
"""Times that a request which does not fit into the KV cache may be passed."""


class Choice(NamedTuple):
    """The next request, and who pays.

    Attributes:
        request: to be dispatched.
        account: the guarantee that pays; None for the tenant's share.
        floor: the floor that is charged too; None for none.
        borrowed: a conforming request before its time.
        passed: requests that it overtakes because they do not fit into the KV cache.
        instead_of: in Shadow, the id of the request that Enforce would have chosen.
    """

    request: Request
    account: Entitlement | None = None
    floor: Entitlement | None = None
    borrowed: bool = False
    passed: tuple[Request, ...] = ()
    instead_of: int | None = None


class Order:
    """The order of one replica.

    Attributes:
        blocked: a guarantee that is owed a seat waits for one, as of the last `next`.
        lends_held: seats that are held back may be used by what can be thrown out at once.
    """

    __slots__ = ("_owed", "_roster", "_seats", "blocked", "lends_held")

    def __init__(self, roster: Roster, seats: Seats) -> None:
        self._roster = roster
        self._seats = seats
        self._owed: list[tuple[int, int, Entitlement]] = []
        self.blocked: Entitlement | None = None
        self.lends_held = True

    def rebuild(self) -> None:
        """What waits has changed as a whole."""
        self._owed = []
        for entitlement in self._roster.entitlements:
            entitlement.entry = None
            self.offer(entitlement)

    def offer(self, entitlement: Entitlement) -> None:
        """The guarantee has something waiting, or its tag has come nearer."""
        if entitlement.live and entitlement.waiting:
            entry = entitlement.entry
            if entry is None or entry[0] > entitlement.due:
                entitlement.entry = (entitlement.due, entitlement.index, entitlement)
                heapq.heappush(self._owed, entitlement.entry)

    def due(self, now: int) -> int | None:
        """When the next guarantee is owed something; None if none has anything waiting."""
        top = self._top()
        return None if top is None else max(now, top[0].due)

    def next(self, now: int) -> Choice | None:
        """The request that takes a seat now; None if none may."""
        self.blocked = None
        if self._owed:
            top = self._top()
            if top is not None and top[0].due <= now:
                choice = self._reserved(now)
                if choice is not None or self.blocked is not None:
                    return choice
        if self._seats.taken >= self._seats.total:
            return None
        return self._floor(now) or self._shared() or self._borrowed()

    # 1

    def _top(self) -> tuple[Entitlement, Request] | None:
        """The guarantee with the least tag that has a request which may run, and that request."""
        owed = self._owed
        while owed:
            entry = owed[0]
            entitlement = entry[2]
            if entitlement.entry is not entry:
                heapq.heappop(owed)
                continue
            head = entitlement.head() if entitlement.waiting else None
            # Offered again when one of its tenants may run again.
            if head is None:
                heapq.heappop(owed)
                entitlement.entry = None
                continue
            if entry[0] == entitlement.due:
                return entitlement, head
            entitlement.entry = (entitlement.due, entitlement.index, entitlement)
            heapq.heapreplace(owed, entitlement.entry)
        return None

    def _reserved(self, now: int) -> Choice | None:
        seats = self._seats
        found: Choice | None = None
        aside: list[Entitlement] = []
        passed: list[Request] = []
        while (top := self._top()) is not None and top[0].due <= now:
            entitlement, head = top
            if not head.reserved and not seats.seats_to_share(head.seats, anytime=False):
                # It does not conform: what is held back is not for it.
                aside.append(entitlement)
                heapq.heappop(self._owed)
                entitlement.entry = None
                continue
            if not seats.seats_for(head.seats, entitlement):
                self.blocked = self.blocked or entitlement
                if seats.taken + head.seats > seats.total:
                    break
                # Free seats that others do not lend it: they are for their owner, who comes next.
                aside.append(entitlement)
                heapq.heappop(self._owed)
                entitlement.entry = None
                continue
            if seats.kv_for(head.kv):
                found = Choice(head, entitlement, passed=tuple(passed))
                break
            if self.blocked is None:
                self.blocked = entitlement
            if head.passed >= OVERTAKINGS:
                break
            passed.append(head)
            aside.append(entitlement)
            heapq.heappop(self._owed)
            entitlement.entry = None
        for entitlement in aside:
            self.offer(entitlement)
        return found

    # 2 to 4

    def _floor(self, now: int) -> Choice | None:
        for tier in self._roster.floors:
            floor = tier.floor
            if floor is not None and tier.waiting and floor.is_owed(now):
                head = tier.top()
                if head is not None and self._fits(head):
                    return Choice(head, floor=floor)
        return None

    def _shared(self) -> Choice | None:
        only_anytime = False
        for band in self._roster.bands:
            head = _first(band.tiers)
            if head is None or (only_anytime and not head.share.tier.anytime):
                continue
            if self._fits(head):
                return Choice(head)
            if self._seats.seats_to_share(head.seats, anytime=True):
                if not self._seats.kv_to_share(head.kv):
                    return None
                # It would fit but for the seats that are held back, where only such may sit as can
                # be thrown out at once.
                only_anytime = True
                continue
            return None
        return None

    def _borrowed(self) -> Choice | None:
        best: tuple[int, int, Request] | None = None
        for tag, index, entitlement in self._owed:
            entry = entitlement.entry
            if entry is not None and entry[0] == tag and (best is None or (tag, index) < best[:2]):
                head = entitlement.conforming_head()
                if head is not None:
                    best = (tag, index, head)
        if best is None:
            return None
        head = best[2]
        fits = self._seats.seats_to_share(head.seats, anytime=False)
        return Choice(head, borrowed=True) if fits and self._seats.kv_to_share(head.kv) else None

    def _fits(self, head: Request) -> bool:
        seats, anytime = self._seats, head.share.tier.anytime
        found = seats.seats_to_share(head.seats, anytime=anytime, lent=self.lends_held)
        return found and seats.kv_to_share(head.kv)


def _first(tiers: Sequence[TierQueue]) -> Request | None:
    """Of tiers that share a clock, the request to be served; ties go to the older one."""
    if len(tiers) == 1:
        return tiers[0].top()
    tops = [top for tier in tiers if (top := tier.top()) is not None]
    return min(tops, key=lambda head: (head.share.v, head.sequence)) if tops else None
