"""What a reservation is owed on this replica, as a balance of service tokens over time.

The balance grows at the guaranteed rate r and pays for what is served under the reservation. A
request is served as reserved while the balance is not negative. This is mClock's reservation tag
(OSDI'10) written as a balance: the start tag S lies `balance / r` before now, so `S <= now` is
`balance >= 0`, and a changed rate converts no debt.

An idle reservation keeps at most r·β (its burst window); one with conforming requests waiting goes
on earning, up to r·(β + ω) with ω its longest wait, because a cap at r·β would take away just what
it waits for.

What does not conform lives on what would be lost: earnings beyond the cap go to a second balance,
the excess, which pays for it, so that no burst that conforms ever finds the first one spent on what
did not (the two buckets of the single-rate three-color marker, RFC 2697). The excess saves nothing
while nobody waits; while somebody does, both together come to r·(2β + ω) at most. Either way a
reservation earns r and never more.

A tier's floor is the same thing with the whole tier as its queue, all of it conforming, and the
longest wait of that as its ω.
"""

from datetime import datetime
from fractions import Fraction
from heapq import heapify, heappop, heapreplace
from typing import TYPE_CHECKING, Final

from tierfleet.admission.heap import Ranked
from tierfleet.admission.requests import Request
from tierfleet.plan import MICRO

if TYPE_CHECKING:
    from tierfleet.admission.flows import Flow
    from tierfleet.plan import Reservation

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000
FLOOR_BURST: Final = 500
"""Milliseconds, for the floor of a tier; its longest wait is that of the tier's queue."""


class Entitlement(Ranked):
    """One guarantee's balance; while something waits for it, in a heap by when that is due.

    It earns the fraction `gain / unit` of a micro service token a nanosecond, in lowest terms; the
    level counts `unit`-ths, so that earning and paying are whole numbers, and small ones.

    Attributes:
        index: its order in the plan; ties go by it.
        plan: the reservation; None for a floor.
        live: it guarantees something now: in its term, with a rate, and with a balance if prepaid.
        reclaims: it takes seats back by throwing others out.
        patience: nanoseconds that a conforming request waits for its turn at most: half of the wait
            that was promised, because it needs the other half to find a seat.
        tag: start tag S of its next request, by the clock of the last change.
        flows: of its tenants that have sent something.
        burst: nanoseconds at the rate that an idle balance saves.
        conforming: conforming requests that wait.
        waiting: their requests that wait, conforming or not.
        backlog: micro service tokens of the conforming ones.
        in_flight: seats that its tenants hold, whoever pays.
        unlent: seats that it keeps for its own tenants, used or not.
        keep: those of them that are not used.
        clock: virtual time among its tenants.
        balance: micro service tokens that are left of what was prepaid; None if nothing was.
        full: what that is after a period has turned, but for a debt.
        period_end: when the balance is filled up again.
    """

    __slots__ = (
        "_cap", "_cap_both", "_cap_waiting", "_excess", "_frozen", "_gain", "_level", "_then",
        "_unit", "backlog", "balance", "burst", "clock", "conforming", "flows", "full", "in_flight",
        "index", "keep", "live", "patience", "period_end", "plan", "reclaims", "tag", "unlent",
        "waiting",
    )  # fmt: skip

    def __init__(self, now: int, index: int, plan: "Reservation | None" = None) -> None:
        super().__init__()
        self.index = index
        self.plan = plan
        self.live = self.reclaims = False
        self.flows: list[Flow] = []
        self.waiting = 0
        self.backlog = 0
        self.in_flight = 0
        self.keep = self.unlent = 0
        self.clock = 0
        self.balance: int | None = None
        self.full = 0
        self.period_end: datetime | None = None
        self._then = now
        self._unit = 1
        self._level = self._excess = 0
        self._frozen = False
        self._gain = self._cap = self._cap_both = self._cap_waiting = 0
        self.patience = 0
        self.burst = 0
        self.conforming = 0
        self.tag = now

    def guarantee(self, now: int, rate: int, share: Fraction, burst: int, wait: int) -> None:
        """Sets rate (service tokens/s), this replica's share of it, burst and wait (ms).

        The balance stays what it is in service tokens.
        """
        self._earn(now)
        self._gain, unit = (rate * MICRO * share / SECOND).as_integer_ratio()
        self._level = self._level * unit // self._unit
        self._excess = self._excess * unit // self._unit
        self._unit = unit
        self.patience = wait * MILLISECOND // 2
        self.burst = burst * MILLISECOND
        self._cap = self._gain * burst * MILLISECOND
        self._cap_waiting = self._gain * (burst + wait) * MILLISECOND
        self._cap_both = self._gain * (2 * burst + wait) * MILLISECOND
        self._retag(now)

    def fill(self) -> None:
        """A new guarantee begins with its burst."""
        self._level = self._cap
        self._retag(self._then)

    def due(self, *, conforming: bool) -> int:
        """When its next request, which does or does not conform, is owed a seat.

        A conforming one from its start tag on. Another one when both balances together are as full
        as the first one gets while nothing waits: so it is paid for by what would be lost.
        """
        if conforming or not self._gain:
            return self.tag
        return self.tag + self.burst - self._excess // self._gain

    def soonest(self) -> int:
        """No request of it is owed a seat before that."""
        return min(self.tag, self.due(conforming=False))

    @property
    def saved(self) -> int:
        """Micro service tokens that an idle balance saves."""
        return self._cap // self._unit

    @property
    def guarantees(self) -> bool:
        """False for a rate of 0."""
        return self._gain > 0

    def freeze(self, now: int) -> None:
        """From now on nothing is earned, until `thaw`."""
        self._earn(now)
        self._frozen = True

    def thaw(self, now: int) -> None:
        """Time goes on."""
        self._then = now
        self._frozen = False
        self._retag(now)

    def is_owed(self, now: int) -> bool:
        """True if the balance pays for the next request now."""
        self._earn(now)
        return self.live and self._level >= 0

    def join(self, now: int, *, conforming: bool = True) -> None:
        """A request of one of its tenants begins to wait."""
        self._earn(now)
        self.waiting += 1
        if conforming:
            self.conforming += 1

    def leave(self, now: int, *, conforming: bool = True) -> None:
        """A request of one of its tenants no longer waits."""
        self._earn(now)
        self.waiting -= 1
        if conforming:
            self.conforming -= 1

    def leave_all(self, now: int) -> None:
        """Nothing waits: what does is about to join again."""
        self._earn(now)
        self.waiting = self.conforming = 0

    def spare(self, now: int) -> int:
        """Micro service tokens until a request would not conform any more; negative: it does not.

        A request conforms whose start tag, behind the conforming ones that wait, is at most ω/2
        ahead of now: one that is owed a seat only after ω would be late as soon as it has to wait
        for the seat as well.
        """
        self._earn(now)
        return (self._level + self._gain * self.patience) // self._unit - self.backlog

    def time_until_conforming(self, now: int) -> int:
        """Nanoseconds until one more request conforms, if nothing else comes; 0 if it does now.

        Without a guarantee (a grant of 0) that is never; the caller has to bound the answer.
        """
        self._earn(now)
        missing = self.backlog * self._unit - self._level - self._gain * self.patience
        return max(0, -(-missing // max(1, self._gain)))

    def pay(self, now: int, cost: int, *, conforming: bool = True) -> None:
        """Charges micro service tokens (negative: gives back) for one that did conform, or not."""
        self._earn(now)
        if conforming:
            self._level -= cost * self._unit
            self._retag(now)
        else:
            self._excess -= cost * self._unit

    def head(self) -> Request | None:
        """The request that it serves next: a conforming one, else any; None if none may run."""
        flows = self.flows
        if len(flows) == 1:
            flow = flows[0]
            return (flow.reserved.first or flow.share.first) if flow.may_run() else None
        ready = [flow for flow in flows if flow.may_run()]
        heads = [
            (flow.drawn, head.sequence, head) for flow in ready if (head := flow.reserved.first)
        ] or [(flow.drawn, head.sequence, head) for flow in ready if (head := flow.share.first)]
        return min(heads)[2] if heads else None

    def conforming_head(self) -> Request | None:
        """The conforming request that it serves next; None if none may run."""
        heads = [
            (flow.drawn, head.sequence, head)
            for flow in self.flows
            if flow.may_run() and (head := flow.reserved.first)
        ]
        return min(heads)[2] if heads else None

    def eligible_seats(self, now: int, most: int) -> int:
        """Seats that its conforming requests may take now by what is owed, counted up to `most`.

        They take turns as they will: the tenant that has drawn least is next, as long as it may
        have one more running.
        """
        self._earn(now)
        left, seats = self._level, 0
        turns = [
            (flow.drawn, head.sequence, head, flow.room())
            for flow in self.flows
            if flow.may_run() and (head := flow.reserved.first)
        ]
        heapify(turns)
        while turns and left >= 0 and seats < most:
            drawn, _, head, room = turns[0]
            seats += head.seats
            left -= head.cost * self._unit
            behind = head.newer
            if behind is None or room == 1:
                heappop(turns)
            else:
                heapreplace(turns, (drawn + head.cost, behind.sequence, behind, room - 1))
        return seats

    def _earn(self, now: int) -> None:
        passed = now - self._then
        if passed > 0 and not self._frozen:
            self._then = now
            self._level += passed * self._gain
            cap = self._cap_waiting if self.conforming else self._cap
            # Earning moves the balance and the time together, so the tag stays up to the cap.
            if self._level >= cap:
                self._excess += self._level - cap
                self._level = cap
                self._retag(now)
            if self._excess > 0:
                most = self._cap_both - self._level if self.waiting else 0
                self._excess = min(most, self._excess)

    def _retag(self, now: int) -> None:
        self.tag = now - self._level // self._gain if self._gain else now
