"""One tenant inside the core: what it waits for, what it may use, what it is likely to cost."""

from typing import TYPE_CHECKING, Final

from tierfleet.admission.limits import UNLIMITED, Bucket
from tierfleet.admission.lines import NOBODY
from tierfleet.admission.requests import Request
from tierfleet.admission.shares import Share, TierQueue

if TYPE_CHECKING:
    from tierfleet.admission.entitlements import Entitlement

ASSUMED_OUTPUT_TOKENS: Final = 256
"""Of one sequence, before a tenant has sent anything."""

_HORIZON: Final = 3
"""Estimates are moving averages with a weight of 1/8 for the newest."""


class Flow:
    """One tenant; None is all anonymous callers together.

    Attributes:
        tenant: its name.
        home: its tier's queue.
        share: where it competes when no reservation pays.
        shares: all places it has, by tier; the one in `share` is among them.
        weight: of its own; None for that of the tier.
        requests, tokens: its limits; None without.
        max_in_flight: requests that it may have running, this replica's part, or `UNLIMITED`.
        in_flight, seats: running requests, and the seats that they hold.
        account: its reservation, while that is in force.
        reserved: conforming requests that wait; `NOBODY` without a reservation.
        served: the plan gives it access.
        drawn: service received under the reservation, for the order among its tenants.
        drawn_base: refunds take `drawn` no lower: the reservation's clock when the tenant last came
            back.
        output_estimate: output tokens of one sequence.
        cached_permille: cached part of prompts.
    """

    __slots__ = (
        "account", "cached_permille", "drawn", "drawn_base", "home", "in_flight", "max_in_flight",
        "output_estimate", "requests", "reserved", "seats", "served", "share", "shares", "tenant",
        "tokens", "weight",
    )  # fmt: skip

    def __init__(self, tenant: str | None, home: TierQueue, weight: int | None) -> None:
        # In the order of use: compiled, neighbours here are neighbours in memory.
        self.share = Share(self, home, weight or home.plan.weight)
        self.home = home
        self.served = True
        self.account: Entitlement | None = None
        self.requests: Bucket | None = None
        self.tokens: Bucket | None = None
        self.output_estimate = ASSUMED_OUTPUT_TOKENS
        self.cached_permille = 0
        self.in_flight = self.seats = 0
        self.max_in_flight = UNLIMITED
        self.tenant = tenant
        self.reserved = NOBODY
        self.drawn = self.drawn_base = 0
        self.weight = weight
        self.shares: dict[str, Share] | None = None

    def come_back(self, clock: int) -> None:
        """It has conforming requests again, or another reservation, whose clock that is.

        What it did not draw meanwhile is gone, as in `Share.come_back`.
        """
        self.drawn_base = clock
        self.drawn = max(self.drawn, clock)

    def draw(self, change: int) -> None:
        """Service under the reservation; a refund (negative) goes no lower than `drawn_base`."""
        self.drawn += change
        if change < 0:
            self.drawn = max(self.drawn, self.drawn_base)

    def waits(self) -> bool:
        """True if something of it waits."""
        return self.reserved.first is not None or any(
            share.first is not None for share in self.all_shares()
        )

    def owes_nothing(self, now: int) -> bool:
        """True if it would be the same if it had never sent anything, but for its estimates."""
        buckets = (self.requests, self.tokens)
        return all(bucket is None or bucket.is_full(now) for bucket in buckets) and all(
            share.v <= share.tier.band.clock for share in self.all_shares()
        )

    def may_run(self) -> bool:
        """False while as many of its requests run as may."""
        return self.in_flight < self.max_in_flight

    def room(self) -> int:
        """How many more of its requests may run."""
        return self.max_in_flight - self.in_flight

    def share_in(self, tier: TierQueue) -> Share:
        """Its place in that tier."""
        if self.share.tier is tier:
            return self.share
        if self.shares is None:
            self.shares = {}
        name = tier.plan.name
        found = self.shares.get(name)
        if found is None:
            found = self.shares[name] = Share(self, tier, self.weight or tier.plan.weight)
        return found

    def all_shares(self) -> list[Share]:
        """All places it has."""
        if not self.shares:
            return [self.share]
        return [self.share, *(one for one in self.shares.values() if one is not self.share)]

    def expected_output(self, max_tokens: int | None, sequences: int) -> int:
        """Output tokens to charge at first: the estimate, never more than the caller allows."""
        expected = self.output_estimate
        if max_tokens is not None and max_tokens < expected:
            expected = max_tokens
        return expected * sequences

    def learn(self, request: Request) -> None:
        """A request has been answered in full: the estimates move by an eighth."""
        self.output_estimate += (request.output // request.seats - self.output_estimate) >> _HORIZON
        if request.prompt > 0:
            permille = 1000 * request.cached // request.prompt
            self.cached_permille += (permille - self.cached_permille) >> _HORIZON
