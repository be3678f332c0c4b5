"""Parts of a rate, in a pool with a replica whose rate nobody knows: they cannot be kept there.

A floor and a share that is not lent are percents of what a replica can do, and a sidecar refuses a
plan that asks for them without saying how much that is. Such a pool serves without them, and says
so. It must not know why a rate is not known.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tierfleet import plan


class Parts(NamedTuple):
    """What of a plan may hold parts of a rate."""

    tiers: tuple[plan.Tier, ...]
    lendable_percent: int
    reservations: tuple[plan.Reservation, ...]


def without(parts: Parts) -> Parts:
    """The same without floors, and with everything lent."""
    return Parts(
        tiers=tuple(tier.model_copy(update={"minimum_percent": 0}) for tier in parts.tiers),
        lendable_percent=100,
        reservations=tuple(
            contract.model_copy(
                update={"lending": contract.lending.model_copy(update={"lendable_percent": None})}
            )
            for contract in parts.reservations
        ),
    )


def named(parts: Parts) -> Iterator[str]:
    """Where the parts of a rate stand, as a person wrote them."""
    for tier in parts.tiers:
        if tier.minimum_percent:
            yield f"minimumPercent of tier {tier.name!r}"
    if parts.lendable_percent < 100:
        yield "partitioning.lendablePercent"
    for contract in parts.reservations:
        if contract.lending.lendable_percent not in {None, 100}:
            yield f"lending.lendablePercent of reservation {contract.name!r}"
