"""How many seats are held back, so that what is promised finds one free.

With all W seats full and μ completions a second a reserved request waits about Exp(μ). Ordinary
work therefore stops at W - h: h is the least with `ρ^h · e^(-(μ - λ)·ω) <= 0.001`, ρ the reserved
share of dispatches, λ the reserved arrivals a second, ω the wait that is promised (an M/M/W queue
with a reserved part, as in the trunk reservation of telephone networks; docs/admission.md has the
derivation and the simulation).
"""

import math
from typing import Final

from tierfleet.admission.entitlements import SECOND

TAIL: Final = 0.001
"""Part of the conforming requests that may wait longer than was promised."""
_MOST_SHARE = 0.95
"""Beyond that nearly all work is reserved, and holding back from the rest helps nobody."""
_GAIN = 0.2
"""Of a new second, against all before it."""
_IDLE = 60 * SECOND


def held_back(share: float, margin: float) -> int:
    """The least h with `share^h · e^-margin <= TAIL`.

    Args:
        share: ρ, above 0 and below 1.
        margin: (μ - λ)·ω, completions beyond the reserved arrivals within the wait.
    """
    return max(0, math.ceil((math.log(TAIL) + margin) / math.log(share)))


class HoldBack:
    """Measures ρ, μ and λ, and keeps h.

    Attributes:
        seats: h, now.
        due: when to `roll` next.
        ended, arrived, reserved, shared: counted since the last time: seats that came free, seats
            that conforming arrivals asked for, seats dispatched as reserved and as anything else.
    """

    __slots__ = (
        "_arrivals", "_completions", "_last_arrival", "_rolled", "_share", "arrived", "due",
        "ended", "reserved", "seats", "shared",
    )  # fmt: skip

    def __init__(self, now: int) -> None:
        self.seats = 0
        self.due = now + SECOND
        self.ended = self.arrived = self.reserved = self.shared = 0
        self._rolled = now
        self._last_arrival = now - _IDLE
        self._completions: float | None = None
        self._arrivals: float | None = None
        self._share: float | None = None

    def roll(self, now: int, wait: int, seats: int, promised: float) -> None:
        """Takes the counts of the last second into the averages, and h anew.

        Args:
            now: nanoseconds.
            wait: ω in nanoseconds, the least of all reservations.
            seats: W; h is at most a quarter of it.
            promised: the reserved part of this replica's rate; 1 if that is not known.
        """
        seconds = (now - self._rolled) / SECOND
        if seconds <= 0:
            return
        if self.arrived:
            self._last_arrival = now
        keep = (1 - _GAIN) ** seconds
        self._completions = _mixed(self._completions, self.ended / seconds, keep)
        self._arrivals = _mixed(self._arrivals, self.arrived / seconds, keep)
        dispatched = self.reserved + self.shared
        if dispatched:
            self._share = _mixed(self._share, self.reserved / dispatched, keep)
        self.ended = self.arrived = self.reserved = self.shared = 0
        self._rolled = now
        self.due = now + SECOND
        share = min(self._share or 0.0, promised, _MOST_SHARE)
        if share <= 0 or now - self._last_arrival >= _IDLE:
            self.seats = 0
        else:
            margin = (self._completions - self._arrivals) * wait / SECOND
            self.seats = min(seats // 4, held_back(share, margin))


def _mixed(before: float | None, new: float, keep: float) -> float:
    return new if before is None else keep * before + (1 - keep) * new
