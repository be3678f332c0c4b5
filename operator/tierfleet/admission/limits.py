"""Token buckets for limits per minute, exact in integers.

A bucket is one window (a minute) deep and refills evenly, so there is no edge of a minute at which
a caller can send twice its limit. It is charged at arrival and settled at the end; a settlement may
take it below zero, which only delays what comes next.
"""

from fractions import Fraction

from tierfleet.admission.types import Allowance

MINUTE = 60_000_000_000
"""The window, in nanoseconds."""


class Bucket:
    """`limit` units a minute, times this replica's share of it.

    It refills by the fraction `gain / unit` a nanosecond, in lowest terms; the level counts
    `unit`-ths, so that refilling and taking are whole numbers, and small ones.
    """

    __slots__ = ("_depth", "_gain", "_level", "_then", "_unit")

    def __init__(self, now: int, limit: int, share: Fraction) -> None:
        self._then = now
        self._resize(limit, share)
        self._level = self._depth

    def _resize(self, limit: int, share: Fraction) -> None:
        self._gain, self._unit = (limit * share / MINUTE).as_integer_ratio()
        # A share of a small limit may be less than one request, which could then never be sent.
        self._depth = max(self._gain * MINUTE, self._unit)

    def change(self, now: int, limit: int, share: Fraction) -> None:
        """A new limit or share. What was used stays used, what is left is not given twice."""
        self._refill(now)
        used = Fraction(self._depth - self._level, self._unit)
        self._resize(limit, share)
        self._level = self._depth - int(used * self._unit)

    def take(self, now: int, units: int) -> int:
        """Takes the units and answers 0, or takes nothing and answers the ns until it would.

        A charge deeper than the bucket is taken when the bucket is full: it must not wait for ever.
        """
        self._refill(now)
        missing = min(units * self._unit, self._depth) - self._level
        if missing > 0:
            return -(-missing // self._gain)
        self._level -= units * self._unit
        return 0

    def settle(self, now: int, units: int) -> None:
        """Charges more (positive) or gives back (negative), without asking."""
        self._refill(now)
        self._level = min(self._depth, self._level - units * self._unit)

    def allowance(self, now: int) -> Allowance:
        """What the bucket shows: whole units, rounded against the caller so that it is true."""
        level = self._level_at(now)
        return Allowance(
            limit=self._depth // self._unit,
            remaining=max(0, level // self._unit),
            reset=-(-(self._depth - level) // self._gain),
        )

    def is_full(self, now: int) -> bool:
        """True if nothing of it is used."""
        return self._level_at(now) >= self._depth

    def _level_at(self, now: int) -> int:
        if now <= self._then:
            return self._level
        level = self._level + (now - self._then) * self._gain
        return min(self._depth, level)

    def _refill(self, now: int) -> None:
        if now > self._then:
            self._level = self._level_at(now)
            self._then = now
