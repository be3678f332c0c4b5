"""Which request takes the next free seat, and who pays for it.

Reads what waits; changes nothing but its own heaps and the request that it chooses.

1. Guarantees that are owed something (start tag S <= now), the least S first. A head that does not
   fit into the KV cache may be passed by other guarantees' heads up to 8 times; nothing else fills
   around a guarantee that waits.
2. Floors of tiers.
3. Tiers by priority, strictly; inside one the tenant with the least service for its weight.
4. If nothing of that may run: a conforming request before its time, as borrowed.

Steps 2 to 4 stop at the seats that are held back.
"""

from typing import Final

from tierfleet.admission.calendar import NEVER
from tierfleet.admission.entitlements import Entitlement
from tierfleet.admission.heap import Heap
from tierfleet.admission.requests import Request
from tierfleet.admission.roster import Roster
from tierfleet.admission.seats import Seats
from tierfleet.admission.shares import TierQueue

OVERTAKINGS: Final = 8
"""Times that a request which does not fit into the KV cache may be passed."""


class Order:
    """The order of one replica.

    Attributes:
        blocked: a guarantee that is owed a seat waits for one, as of the last `next`.
        passed: what the choice of the last `next` overtakes because it does not fit into the KV
            cache.
        lends_held: seats that are held back may be used by what can be thrown out at once.
    """

    __slots__ = ("_owed", "_roster", "_seats", "blocked", "lends_held", "passed")

    def __init__(self, roster: Roster, seats: Seats) -> None:
        self._roster = roster
        self._seats = seats
        self._owed: Heap[Entitlement] = Heap()
        self.blocked: Entitlement | None = None
        self.passed: list[Request] = []
        self.lends_held = True

    def rebuild(self) -> None:
        """What waits has changed as a whole."""
        self._owed.clear()
        for entitlement in self._roster.entitlements:
            self.offer(entitlement)

    def offer(self, entitlement: Entitlement) -> None:
        """The guarantee has something waiting, or may be owed it sooner than was thought."""
        if entitlement.live and entitlement.waiting:
            soonest = entitlement.soonest()
            if entitlement.place < 0 or soonest < entitlement.rank:
                self._owed.put(entitlement, soonest, entitlement.index)

    def due(self, now: int) -> int:
        """No guarantee begins to be owed something before that; `NEVER` if none will be."""
        owed = self._owed.items
        if owed and owed[0].rank > now:
            return owed[0].rank
        top = self._top()
        if top is None or top.rank > now:
            return NEVER if top is None else top.rank
        # It waits for something else than the time, and others may not.
        least = NEVER
        for entitlement in self._owed.items:
            head = entitlement.head()
            if head is not None:
                due = entitlement.due(conforming=head.reserved)
                if now < due < least:
                    least = due
        return least

    def next(self, now: int) -> Request | None:
        """The request that takes a seat now, with who pays for it; None if none may."""
        self._begin()
        owed = self._owed.items
        # Ranks are never later than what they stand for: whatever makes it sooner is an `offer`.
        if owed and owed[0].rank <= now:
            entitlement = self._top()
            if entitlement is not None and entitlement.rank <= now:
                request = self._reserved(now, entitlement)
                if request is not None or self.blocked is not None:
                    return request
        if self._seats.taken >= self._seats.total:
            return None
        return self._floor(now) or self._shared() or self._borrowed()

    def _begin(self) -> None:
        self.blocked = None
        if self.passed:
            self.passed = []

    # 1

    def _top(self) -> Entitlement | None:
        """The guarantee that is owed something first, of those with a request that may run.

        Its rank is when that is.
        """
        owed = self._owed
        while owed.items:
            entitlement = owed.items[0]
            head = entitlement.head()
            # Offered again when one of its tenants may run again.
            if head is None:
                owed.remove(entitlement)
                continue
            due = entitlement.due(conforming=head.reserved)
            if entitlement.rank == due:
                return entitlement
            owed.put(entitlement, due, entitlement.index)
        return None

    def _reserved(self, now: int, top: Entitlement) -> Request | None:
        seats = self._seats
        found: Request | None = None
        aside: list[Entitlement] = []
        entitlement: Entitlement | None = top
        while entitlement is not None and entitlement.rank <= now:
            head = entitlement.head()
            if head is None:
                break
            # What does not conform has no claim to what is held back.
            if head.reserved or seats.seats_to_share(head.seats, anytime=False):
                if not seats.seats_for(head.seats, entitlement):
                    self.blocked = self.blocked or entitlement
                    if seats.taken + head.seats > seats.total:
                        break
                    # Others do not lend it these free seats: their owner comes next.
                elif seats.kv_for(head.kv):
                    head.account = entitlement
                    found = head
                    break
                else:
                    self.blocked = self.blocked or entitlement
                    if head.passed >= OVERTAKINGS:
                        break
                    self.passed.append(head)
            aside.append(entitlement)
            self._owed.remove(entitlement)
            entitlement = self._top()
        for one in aside:
            self.offer(one)
        return found

    # 2 to 4

    def _floor(self, now: int) -> Request | None:
        for tier in self._roster.floors:
            floor = tier.floor
            if tier.waiting and floor is not None and floor.is_owed(now):
                head = tier.top()
                if head is not None and self._fits(head):
                    head.floor = floor
                    return head
        return None

    def _shared(self) -> Request | None:
        seats, anytime = self._seats, False
        for band in self._roster.bands:
            head = _first(band.tiers, anytime=anytime)
            if head is not None and not anytime and not self._fits(head):
                if not seats.seats_to_share(head.seats, anytime=True):
                    return None
                if not seats.kv_to_share(head.kv):
                    return None
                # It would fit but for the seats that are held back, where only such may sit as can
                # be thrown out at once.
                anytime = True
                head = _first(band.tiers, anytime=True)
            if head is not None:
                return head if self._fits(head) else None
        return None

    def _borrowed(self) -> Request | None:
        head: Request | None = None
        least: Entitlement | None = None
        for entitlement in self._owed.items:
            if least is None or (entitlement.tag, entitlement.index) < (least.tag, least.index):
                candidate = entitlement.conforming_head()
                if candidate is not None and not candidate.share.tier.is_too_long(candidate):
                    head, least = candidate, entitlement
        if head is None or not self._seats.seats_to_share(head.seats, anytime=False):
            return None
        if not self._seats.kv_to_share(head.kv):
            return None
        head.borrowed = True
        return head

    def _fits(self, head: Request) -> bool:
        seats, anytime = self._seats, head.share.tier.anytime
        found = seats.seats_to_share(head.seats, anytime=anytime, lent=self.lends_held)
        return found and seats.kv_to_share(head.kv)


def _first(tiers: list[TierQueue], *, anytime: bool) -> Request | None:
    """Of tiers that share a clock, the request to be served; ties go to the older one.

    With `anytime`, only of those whose requests can be thrown out at any time.
    """
    first: Request | None = None
    least = 0
    for tier in tiers:
        head = tier.top() if tier.waiting and (tier.anytime or not anytime) else None
        if head is not None:
            v = head.share.v
            older = first is None or (v == least and head.sequence < first.sequence)
            if older or v < least:
                first, least = head, v
    return first
