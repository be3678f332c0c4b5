"""What a plan says and its writer can hardly have meant. Pure.

None of it makes a plan unusable: an operator's plan may run ahead of what it speaks of (a tenant
whose key is made later). Who writes one by hand has nobody else to tell.
"""

from tierfleet.plan.document import Plan
from tierfleet.plan.reservations import Reservation


def warnings(plan: Plan) -> list[str]:
    """A sentence each; none for most plans."""
    tenants = {tenant.name for tenant in plan.tenants}
    found = [
        f"Reservation {one.name!r} is for tenant {name!r}, and the plan has no such tenant:"
        " nobody is served under it by that name."
        for one in plan.reservations
        for name in one.tenants
        if name not in tenants
    ]
    capacity = sum(group.desired * group.service_tokens_per_second for group in plan.groups)
    known = all(group.service_tokens_per_second for group in plan.groups if group.desired)
    promised = max((_beside(one, plan) for one in plan.reservations), default=0)
    if known and promised > capacity:
        found.append(
            f"Reservations are granted {promised} service tokens a second at once, and all"
            f" replicas together do {capacity}: some of it will not be kept."
        )
    return found


def _beside(one: Reservation, plan: Plan) -> int:
    """What is granted in the moment in which the term of one begins."""
    start = one.term.start
    return sum(
        other.granted
        for other in plan.reservations
        if (other.term.start is None if start is None else other.term.holds_at(start))
    )
