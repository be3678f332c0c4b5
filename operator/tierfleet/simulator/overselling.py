"""Does a plan promise more than its replicas do? The operator refuses that; a run shows it. Pure.

The operator's rule (docs/planning.md) is stricter: it also keeps spare replicas and sells a part
only, which a plan does not tell. It must not know how the run fares.
"""

from datetime import datetime
from typing import NamedTuple

from tierfleet.plan import Plan
from tierfleet.planning import promises
from tierfleet.planning.promises import Promise


class Oversold(NamedTuple):
    """Service tokens per second at the worst instant, floors among them, of how many there are."""

    promised: int
    total: int
    floors: int


def oversold(plan: Plan, start: datetime) -> Oversold | None:
    """What is promised from then on, if it is more than all desired replicas do.

    None as well while one of their rates is not known.
    """
    if any(group.desired and not group.service_tokens_per_second for group in plan.groups):
        return None
    total = sum(group.desired * group.service_tokens_per_second for group in plan.groups)
    floors = total * sum(tier.minimum_percent for tier in plan.tiers) // 100
    taken = [Promise(reservation.granted, reservation.term) for reservation in plan.reservations]
    worst = max((promises.peak(taken, promise.term, start) for promise in taken), default=0)
    if not total or not worst or floors + worst <= total:
        return None
    return Oversold(floors + worst, total, floors)
