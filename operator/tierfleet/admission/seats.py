"""The engine's room: seats first, KV cache second; who may use what is left of them.

The window is the engine's own number of seats. Its gauges are seconds late, so what is in flight is
counted here and they only scale the estimate of the KV cache (shared prefixes are counted twice by
us). Steering the window by a late gauge swings between empty and full instead.
"""

from typing import Final

from tierfleet.admission.entitlements import Entitlement
from tierfleet.admission.types import EngineLimits, EngineReading

KV_SHARED: Final = 900
KV_RESERVED: Final = 970
"""Permille of the KV cache up to which ordinary and reserved work is dispatched."""
_SCALES = (50, 2000)
"""Bounds of the measured KV cache over the counted one, permille: beyond them a gauge is wrong."""


class Seats:
    """Seats and KV cache of one engine.

    Attributes:
        total: seats of the engine.
        taken: by running requests.
        firm: of those, what cannot be thrown out at any time.
        held: kept free of ordinary work for what is promised.
        kept: free seats that are not lent, of all reservations.
        kv: tokens of KV cache, as counted here.
    """

    __slots__ = (
        "_kv_reserved", "_kv_scale", "_kv_shared", "_kv_total", "firm", "held", "kept", "kv",
        "taken", "total",
    )  # fmt: skip

    def __init__(self) -> None:
        self.total = self.taken = self.firm = self.held = self.kept = self.kv = 0
        self._kv_total: int | None = None
        self._kv_scale = 1000
        self._kv_shared = self._kv_reserved = 0

    def change(self, limits: EngineLimits) -> None:
        """New limits of the engine."""
        self.total = limits.seats
        self._kv_total = limits.kv_tokens
        self._rescale()

    def read(self, reading: EngineReading) -> None:
        """The engine's gauge of its KV cache corrects ours, a quarter of the way each time."""
        if self._kv_total and self.kv:
            measured = reading.kv_used_permille * self._kv_total // self.kv
            self._kv_scale += (min(max(measured, _SCALES[0]), _SCALES[1]) - self._kv_scale) // 4
            self._rescale()

    def _rescale(self) -> None:
        if self._kv_total is not None:
            self._kv_shared = self._kv_total * KV_SHARED // self._kv_scale
            self._kv_reserved = self._kv_total * KV_RESERVED // self._kv_scale

    def seats_for(self, seats: int, entitlement: Entitlement) -> bool:
        """True if a guarantee's request finds seats: all but those that others do not lend.

        An empty engine takes any, or one that is larger than what is lent would never go.
        """
        return self.taken + seats <= self.total - self.kept + entitlement.keep or not self.taken

    def seats_to_share(self, seats: int, *, anytime: bool, lent: bool = True) -> bool:
        """True if an ordinary request finds seats.

        One that can be thrown out at any time may sit in those that are held back, while they are
        `lent`. One that is larger than what is not held back goes when nothing else that is firm
        runs.
        """
        if anytime and not lent:
            fits = self.taken + seats <= self.total - max(self.held, self.kept)
            return fits or not (self.taken or self.kept)
        if self.taken + seats > self.total - self.kept and (self.kept == 0 or self.taken):
            return False
        return anytime or self.firm + seats <= self.total - self.held or not self.firm

    def kv_for(self, tokens: int) -> bool:
        """True if a guarantee's request finds KV cache. An empty engine takes anything."""
        return self._kv_total is None or self.kv + tokens <= self._kv_reserved or not self.taken

    def kv_to_share(self, tokens: int) -> bool:
        """True if an ordinary request finds KV cache. An empty engine takes anything."""
        return self._kv_total is None or self.kv + tokens <= self._kv_shared or not self.taken
