"""What a reservation is owed on this replica, as a balance of service tokens over time.

The balance grows at the guaranteed rate r and pays for what is served under the reservation. A
request is served as reserved while the balance is not negative. This is mClock's reservation tag
(OSDI'10) written as a balance: a start tag S lies `balance / r` before now, so `S <= now` is
`balance >= 0`, and a changed rate converts no debt.

The cap follows the rule that a tag uses the arrival time and never the dispatch time: an idle
reservation keeps at most r·β (its burst window), but one with requests waiting goes on earning, up
to r·(β + ω) with ω its longest wait. Capping a waiting one at r·β would take away just what it
waits for.
"""

from fractions import Fraction

from tierfleet.plan import MICRO, Reservation

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


class Entitlement:
    """One reservation's balance.

    The level is in micro service tokens x nanoseconds of a second x the share's denominator, so
    that earning and paying are whole numbers.

    Attributes:
        plan: the reservation as the plan has it.
        backlog: micro service tokens of its tenants' queued requests.
        waiting: number of them.
    """

    __slots__ = ("_gain", "_level", "_then", "_unit", "backlog", "plan", "waiting")

    def __init__(self, now: int, plan: Reservation, share: Fraction) -> None:
        self._then = now
        self.backlog = 0
        self.waiting = 0
        self._unit = SECOND * share.denominator
        self.plan = plan
        self._gain = plan.granted * MICRO * share.numerator
        self._level = self._gain * plan.burst_window_milliseconds * MILLISECOND

    def change(self, now: int, plan: Reservation, share: Fraction) -> None:
        """A new rate, window or share; the balance stays what it is in service tokens."""
        self._earn(now)
        unit = SECOND * share.denominator
        self._level = self._level * unit // self._unit
        self._unit = unit
        self.plan = plan
        self._gain = plan.granted * MICRO * share.numerator

    def join(self, now: int, cost: int) -> None:
        """A request of one of its tenants begins to wait."""
        self._earn(now)
        self.waiting += 1
        self.backlog += cost

    def leave(self, now: int, cost: int) -> None:
        """A request of one of its tenants no longer waits."""
        self._earn(now)
        self.waiting -= 1
        self.backlog -= cost

    def may_serve(self, now: int) -> bool:
        """True while the balance pays for the next request."""
        self._earn(now)
        return self._gain > 0 and self._level >= 0

    def lead(self, now: int) -> Fraction:
        """Nanoseconds by which its next start tag lies before now: the largest is served first."""
        self._earn(now)
        return Fraction(self._level, self._gain) if self._gain else Fraction(-1)

    def conforms(self, now: int) -> bool:
        """True if one more request would be served within the longest wait, by what is owed."""
        self._earn(now)
        patience = self._gain * self.plan.max_wait_milliseconds * MILLISECOND
        return self._gain > 0 and self.backlog * self._unit <= self._level + patience

    def time_until_conforming(self, now: int) -> int:
        """Nanoseconds until one more request conforms, if nothing else comes; 0 if it does now.

        Without a guarantee (a grant of 0) that is never; the caller has to bound the answer.
        """
        self._earn(now)
        patience = self._gain * self.plan.max_wait_milliseconds * MILLISECOND
        missing = self.backlog * self._unit - self._level - patience
        return max(0, -(-missing // max(1, self._gain)))

    def pay(self, now: int, cost: int) -> None:
        """Charges micro service tokens (negative: gives back)."""
        self._earn(now)
        self._level -= cost * self._unit

    def _earn(self, now: int) -> None:
        window = self.plan.burst_window_milliseconds
        if self.waiting:
            window += self.plan.max_wait_milliseconds
        cap = self._gain * window * MILLISECOND
        self._level = min(cap, self._level + (now - self._then) * self._gain)
        self._then = now
