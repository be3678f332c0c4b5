"""How many seats are held back, so that what is promised finds one free.

With all W seats full and μ completions a second a reserved request waits about Exp(μ). Ordinary
work therefore stops at W - h: h is the least with `ρ^h · e^(-(μ - λ)·ω/2) <= 0.001`, ρ the reserved
share of dispatches, λ the reserved arrivals a second, ω the wait that is promised, of which half is
for finding a seat (an M/M/W queue with a reserved part, as in the trunk reservation of telephone
networks; `make bench-contract` measures what it is worth).
"""

import math
from typing import Final

from tierfleet.admission.entitlements import SECOND
from tierfleet.plan import most_held_back

TAIL: Final = 0.001
"""Part of the conforming requests that may wait longer than was promised."""
_MOST_SHARE = 0.95
"""Beyond that nearly all work is reserved, and holding back from the rest helps nobody."""
_MOST_PART = 0.5
"""Most of the seats that are kept while nothing is measured."""
_GAIN = 0.2
"""Of a new second, against all before it."""
_IDLE = 60 * SECOND


def held_back(share: float, margin: float) -> int:
    """The least h with `share^h · e^-margin <= TAIL`.

    Args:
        share: ρ, above 0 and below 1.
        margin: (μ - λ)·ω/2, completions beyond the reserved arrivals within the wait.
    """
    return max(0, math.ceil((math.log(TAIL) + margin) / math.log(share)))


class HoldBack:
    """Measures ρ, μ and λ, and keeps h.

    The formula is that of a steady flow. Where completions do not outpace reserved arrivals (all
    that runs is young: a start, or a flood after a quiet time) nothing would come free in time, and
    the whole reserved part of the seats is kept until they do.

    Attributes:
        seats: h, now.
        due: when to `roll` next.
        ended, arrived, reserved, shared: counted since the last time: seats that came free, seats
            that conforming arrivals asked for, seats dispatched as reserved and as anything else.
        cost: micro service tokens that the arrivals are expected to cost.
        running: seats that hold reserved work now.
    """

    __slots__ = (
        "_arrivals", "_completions", "_cost", "_last_arrival", "_rolled", "_share", "arrived",
        "cost", "due", "ended", "reserved", "running", "seats", "shared",
    )  # fmt: skip

    def __init__(self, now: int) -> None:
        self.seats = 0
        self.due = now
        self.ended = self.arrived = self.reserved = self.shared = self.cost = self.running = 0
        self._cost = 0
        self._rolled = now
        self._last_arrival = now
        self._completions = 0.0
        self._arrivals = 0.0
        self._share = 0.0

    def roll(self, now: int, wait: int, seats: int, promised: float, burst: int) -> None:
        """Takes the counts since the last time into the averages, and h anew.

        Args:
            now: nanoseconds.
            wait: ω/2 in nanoseconds, the least of all reservations.
            seats: W.
            promised: the reserved part of this replica's rate; 1 if that is not known.
            burst: micro service tokens that all reservations may ask for at once.
        """
        seconds = (now - self._rolled) / SECOND
        if self.arrived:
            self._last_arrival = now
        if seconds > 0:
            keep = (1 - _GAIN) ** seconds
            self._completions += (1 - keep) * (self.ended / seconds - self._completions)
            self._arrivals += (1 - keep) * (self.arrived / seconds - self._arrivals)
            dispatched = self.reserved + self.shared
            if dispatched:
                self._share += (1 - keep) * (self.reserved / dispatched - self._share)
            if self.arrived:
                self._cost = (3 * self._cost + self.cost // self.arrived) // 4 or 1
            self.ended = self.arrived = self.reserved = self.shared = self.cost = 0
            self._rolled = now
        self.due = now + SECOND
        if now - self._last_arrival >= _IDLE:
            self.seats = 0
            return
        # Bursts come at more than the mean, so what is promised counts where it is more.
        share = min(max(self._share, min(promised, _MOST_PART)), _MOST_SHARE)
        margin = max(0.0, self._completions - self._arrivals) * wait / SECOND
        at_once = -(-burst // self._cost) if self._cost else 0
        self.seats = min(most_held_back(seats), held_back(share, margin) + at_once) if share else 0
        if self._completions <= 2 * self._arrivals or not self._completions:
            kept = int(min(promised, _MOST_PART) * seats) - self.running
            self.seats = max(self.seats, kept)
