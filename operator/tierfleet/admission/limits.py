"""Token buckets for limits per minute, exact in integers.

A bucket is one window (a minute) deep and refills evenly, so there is no edge of a minute at which
a caller can send twice its limit. It is charged at arrival and settled at the end; a settlement may
take it below zero, which only delays what comes next.
"""

from fractions import Fraction
from typing import Final, NamedTuple

from tierfleet.admission.types import Allowance

UNLIMITED: Final = 1 << 61
"""More than any count; a None would have to be told from a number for every request."""
MINUTE: Final = 60_000_000_000
"""The window, in nanoseconds."""


class Limit:
    """`limit` units a minute, times this replica's share of it; what many buckets have in common.

    A bucket refills by the fraction `gain / unit` a nanosecond, in lowest terms; its level counts
    `unit`-ths, so that refilling and taking are whole numbers, and small ones.
    """

    __slots__ = ("depth", "gain", "unit")

    def __init__(self, limit: int, share: Fraction) -> None:
        self.gain, self.unit = (limit * share / MINUTE).as_integer_ratio()
        # A share of a small limit may be less than one request, which could then never be sent.
        self.depth = max(self.gain * MINUTE, self.unit)


class TierLimits(NamedTuple):
    """What each tenant of a tier may send to this replica; None and `UNLIMITED`: anything."""

    requests: Limit | None
    tokens: Limit | None
    in_flight: int


class Bucket:
    """What one tenant may still send under a limit."""

    __slots__ = ("_level", "_limit", "_then")

    def __init__(self, now: int, limit: Limit) -> None:
        self._then = now
        self._limit = limit
        self._level = limit.depth

    def change(self, now: int, limit: Limit) -> None:
        """A new limit or share. What was used stays used, what is left is not given twice."""
        self._refill(now)
        known = self._limit
        if (known.gain, known.unit, known.depth) == (limit.gain, limit.unit, limit.depth):
            self._limit = limit
            return
        used = Fraction(self._limit.depth - self._level, self._limit.unit)
        self._limit = limit
        self._level = limit.depth - int(used * limit.unit)

    def take(self, now: int, units: int) -> int:
        """Takes the units and answers 0, or takes nothing and answers the ns until it would.

        A charge deeper than the bucket is taken when the bucket is full: it must not wait for ever.
        """
        self._refill(now)
        limit = self._limit
        missing = min(units * limit.unit, limit.depth) - self._level
        if missing > 0:
            return -(-missing // limit.gain)
        self._level -= units * limit.unit
        return 0

    def settle(self, now: int, units: int) -> None:
        """Charges more (positive) or gives back (negative), without asking."""
        self._refill(now)
        limit = self._limit
        # Two products of what is positive: compiled, those of negative numbers are slow.
        if units > 0:
            self._level -= units * limit.unit
        else:
            self._level = min(limit.depth, self._level + -units * limit.unit)

    def is_full(self, now: int) -> bool:
        """True if nothing is missing."""
        return self._level_at(now) == self._limit.depth

    def allowance(self, now: int) -> Allowance:
        """What the bucket shows: whole units, rounded against the caller so that it is true."""
        level, limit = self._level_at(now), self._limit
        return Allowance(
            limit=limit.depth // limit.unit,
            remaining=max(0, level // limit.unit),
            reset=-(-(limit.depth - level) // limit.gain),
        )

    def _level_at(self, now: int) -> int:
        passed = now - self._then
        if passed <= 0:
            return self._level
        limit = self._limit
        # By a quotient and not by the product, which is a large number after a long silence.
        if passed > (limit.depth - self._level) // limit.gain:
            return limit.depth
        return self._level + passed * limit.gain

    def _refill(self, now: int) -> None:
        if now > self._then:
            self._level = self._level_at(now)
            self._then = now
