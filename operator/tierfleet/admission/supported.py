"""What a plan may ask for that this core does not do yet: said, never ignored."""

from tierfleet.plan import Enforcement, Plan, Preemption, Reclaim, SpilloverAction


def unsupported(plan: Plan) -> tuple[str, ...]:
    """Paths of the plan's fields whose behaviour is not built yet, with the value that is.

    The operator refuses the same things on its resources with reason `NotImplemented`; this is for
    plans that are written by hand.
    """
    found: list[str] = []
    if plan.enforcement is not Enforcement.ENFORCE:
        found.append("enforcement: only Enforce is built")
    if plan.identification.gateway is not None:
        found.append("identification.gateway: leave it out")
    if plan.lendable_percent != 100:
        found.append("lendablePercent: only 100 is built")
    for tier in plan.tiers:
        path = f"tiers[{tier.name}]"
        if tier.minimum_percent:
            found.append(f"{path}.minimumPercent: only 0 is built")
        if tier.preemption is not Preemption.NEVER:
            found.append(f"{path}.preemption: only Never is built")
        if tier.weight != 1:
            found.append(f"{path}.weight: only 1 is built")
        if tier.long_context is not None:
            found.append(f"{path}.longContext: leave it out")
    for reservation in plan.reservations:
        path = f"reservations[{reservation.name}]"
        if reservation.declared.prepaid is not None:
            found.append(f"{path}.declared.prepaid: use percent or serviceTokensPerSecond")
        if reservation.spillover.action is SpilloverAction.QUEUE or reservation.spillover.tier:
            found.append(
                f"{path}.spillover: only Shared (in the tenant's tier) and Reject are built"
            )
        if reservation.lending.reclaim is not Reclaim.NEXT_SEAT:
            found.append(f"{path}.lending.reclaim: only NextSeat is built")
        if reservation.lending.lendable_percent not in (None, 100):
            found.append(f"{path}.lending.lendablePercent: only 100 is built")
    found += [
        f"tenants[{tenant.name}].weight: only 1 is built"
        for tenant in plan.tenants
        if tenant.weight != 1
    ]
    return tuple(found)
