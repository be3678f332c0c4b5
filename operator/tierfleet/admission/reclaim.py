"""Taking lent seats back: which running request is thrown out, and how much that may cost.

Work that is thrown away is work of the engine for nothing, so it is bounded: at most 5 % of what
was done in a minute. It is charged to nobody's share and to nobody's bill.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from tierfleet.admission.calendar import NEVER
from tierfleet.admission.entitlements import MILLISECOND, SECOND
from tierfleet.admission.requests import ABORTING, RUNNING, Request
from tierfleet.admission.roster import Roster
from tierfleet.admission.seats import Seats
from tierfleet.admission.settlement import Settlement
from tierfleet.admission.shares import Band

PATIENCE: Final = 20 * MILLISECOND
"""τ: nanoseconds that a request which is owed a seat waits before others are thrown out."""
LOST_PERCENT: Final = 5
_WINDOW: Final = 60 * SECOND
_SLICE: Final = SECOND
_MOST: Final = 64
"""Seats that are taken back in one event."""


class Losses:
    """Work done and work thrown away in the last minute, micro service tokens.

    Attributes:
        abort_to_free: nanoseconds from throwing out to the free seat, a moving average.
    """

    __slots__ = ("_began", "_done", "_lost", "_new_done", "_new_lost", "_slices", "abort_to_free")

    def __init__(self) -> None:
        # Begin, done, lost; the one under way is apart, because it is counted for every request.
        self._slices: deque[tuple[int, int, int]] = deque()
        self._began = 0
        self._new_done = self._new_lost = 0
        self._done = self._lost = 0
        self.abort_to_free = 0

    def done(self, now: int, cost: int) -> None:
        """So much work was of use."""
        if now - self._began >= _SLICE:
            self._slice(now)
        self._new_done += cost
        self._done += cost

    def lose(self, now: int, cost: int) -> None:
        """So much work is thrown away."""
        self._slice(now)
        self._new_lost += cost
        self._lost += cost

    def may_lose(self, now: int, cost: int, at_least: int) -> bool:
        """True if that keeps within the bound; `at_least` is what a minute's work is taken for."""
        self._slice(now)
        work = max(self._done + self._lost, at_least)
        return (self._lost + cost) * 100 <= LOST_PERCENT * work

    def may_double(self, now: int, at_least: int) -> bool:
        """True if as much again as was lost may be."""
        self._slice(now)
        return self.may_lose(now, self._lost, at_least)

    def eases(self) -> int:
        """When the bound is next less tight: what was lost first leaves the window."""
        lost = next((began for began, _, lost in self._slices if lost), None)
        return _WINDOW + (self._began if lost is None else lost)

    def freed(self, nanoseconds: int) -> None:
        """The engine let go of a seat so long after it was told to."""
        self.abort_to_free += (nanoseconds - self.abort_to_free) // 8

    def _slice(self, now: int) -> None:
        slices = self._slices
        if now - self._began >= _SLICE:
            slices.append((self._began, self._new_done, self._new_lost))
            self._began = now
            self._new_done = self._new_lost = 0
        while slices and slices[0][0] <= now - _WINDOW:
            _, done, lost = slices.popleft()
            self._done -= done
            self._lost -= lost


class Reclaim:
    """Decides who is thrown out.

    Attributes:
        losses: what that has cost.
        pending: seats that the engine has been told to let go of and still holds.
    """

    __slots__ = ("_again", "_roster", "_seats", "_since", "losses", "pending")

    def __init__(self, roster: Roster, seats: Seats) -> None:
        self._roster = roster
        self._seats = seats
        self._since = NEVER
        self._again = 0
        self.losses = Losses()
        self.pending = 0

    def due(self) -> int:
        """When a guarantee will have waited long enough; `NEVER` if none waits.

        Where the bound on losses did not let it have its seats then, when that is less tight.
        """
        return max(self._again, min(NEVER, self._since + PATIENCE))

    def takes_back_within(self, now: int, wait: int) -> bool:
        """True if every guarantee gets what is lent back in less than so many nanoseconds.

        Each of them throws out, the engine lets go by then, and enough may still be lost: as much
        again as in the last minute.
        """
        losses = self.losses
        return (
            all(e.reclaims for e in self._roster.entitlements if e.live)
            and losses.abort_to_free < wait
            and losses.may_double(now, self._roster.minute)
        )

    def relax(self) -> None:
        """No guarantee waits for a seat."""
        self._since = NEVER

    def throw_out(self, now: int, settlement: Settlement) -> Iterator[Request]:
        """Requests that have to go for guarantees that wait, as of now."""
        self._since = min(self._since, now)
        self._again = 0
        if now - self._since < PATIENCE:
            return
        need = self._needed(now) - self.pending
        for request in victims(self._roster.bands) if need > 0 else ():
            cost = settlement.cost(request)
            if need <= 0:
                return
            if not self.losses.may_lose(now, cost, self._roster.minute):
                self._again = self.losses.eases()
                return
            self.losses.lose(now, cost)
            request.state = ABORTING
            request.aborted_at = now
            self.pending += request.seats
            need -= request.seats
            yield request

    def gone(self, now: int, request: Request) -> None:
        """The engine has let go of it."""
        self.pending -= request.seats
        self.losses.freed(now - request.aborted_at)

    def _needed(self, now: int) -> int:
        """Seats that guarantees which take seats back lack now; one if it is KV cache they lack."""
        wanted = sum(
            entitlement.eligible_seats(now, _MOST)
            for entitlement in self._roster.entitlements
            if entitlement.reclaims and entitlement.waiting
        )
        free = self._seats.total - self._seats.taken
        if 0 < wanted <= free:
            return 1
        return min(_MOST, wanted) - free


def victims(bands: Iterable[Band]) -> Iterator[Request]:
    """Whom to throw out, in this order; each at most once in its life.

    `Anytime` before `BeforeFirstByte` (of which only those that the caller has seen nothing of),
    the lowest tier first, the newest first.
    """
    lowest_first = [tier for band in reversed(list(bands)) for tier in band.tiers]
    for anytime in (True, False):
        for tier in lowest_first:
            if tier.preemptible and tier.anytime is anytime:
                for request in reversed(tier.running):
                    if (
                        request.state == RUNNING
                        and request.aborted_at < 0
                        and request.account is None
                        and (anytime or not request.sent)
                    ):
                        yield request
