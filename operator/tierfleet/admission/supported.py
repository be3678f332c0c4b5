"""What a plan may ask for that this core cannot do: said, never ignored."""

from tierfleet.plan import Plan


def unsupported(plan: Plan) -> tuple[str, ...]:
    """Paths of the plan's fields that cannot be obeyed, each with the next step.

    The operator refuses the same things on its resources, or leaves them out and says so; this is
    for plans that are written by hand.
    """
    found: list[str] = []
    unrated = [g.name for g in plan.groups if g.desired and not g.service_tokens_per_second]
    if unrated:
        rate = f"is a part of a rate: set serviceTokensPerSecond of group {unrated[0]}"
        found += [
            f"tiers[{tier.name}].minimumPercent: {rate}"
            for tier in plan.tiers
            if tier.minimum_percent
        ]
        found += [
            f"reservations[{reservation.name}].lending.lendablePercent: {rate}"
            for reservation in plan.reservations
            if _lendable(plan, reservation.lending.lendable_percent) < 100
        ]
    return tuple(found)


def _lendable(plan: Plan, own: int | None) -> int:
    return plan.lendable_percent if own is None else own
