"""A CapacityReservation as the contract that a plan carries, and contracts compared.

It must not know whether a contract can be kept.
"""

from datetime import datetime

from tierfleet import plan
from tierfleet.api import CapacityReservation
from tierfleet.planning import promises
from tierfleet.planning.translate import to_plan


def of(
    reservation: CapacityReservation, before: plan.Reservation | None, rank: int, now: datetime
) -> plan.Reservation:
    """The contract that the spec asks for, nothing granted yet.

    It keeps rank and time of acceptance of the one that was agreed before; else they are given.

    Raises:
        pydantic.ValidationError: the spec contradicts itself.
    """
    spec = reservation.spec
    return plan.Reservation(
        uid=reservation.metadata.uid,
        name=reservation.metadata.name,
        tenants=tuple(sorted(spec.tenants)),
        declared=to_plan(spec.guarantee, plan.Guarantee),
        granted=0,
        rank=before.rank if before else rank,
        accepted_at=before.accepted_at if before else now.replace(microsecond=0),
        burst_window_milliseconds=spec.burst.window_milliseconds,
        max_wait_milliseconds=spec.max_wait_milliseconds,
        spillover=to_plan(spec.spillover, plan.Spillover),
        lending=to_plan(spec.lending, plan.Lending),
        term=to_plan(spec.term, plan.Term),
    )


def asks_no_more(wanted: plan.Reservation, before: plan.Reservation, now: datetime) -> bool:
    """True if a pool of any size that keeps the old contract keeps the wanted one too."""
    return (
        set(wanted.tenants) <= set(before.tenants)
        and _no_larger(wanted.declared, before.declared)
        and wanted.burst_window_milliseconds <= before.burst_window_milliseconds
        and wanted.max_wait_milliseconds >= before.max_wait_milliseconds
        and promises.within(wanted.term, before.term, now)
    )


def _no_larger(wanted: plan.Guarantee, before: plan.Guarantee) -> bool:
    """A percent and a rate cannot be compared: one grows with the pool and the other does not."""
    if wanted.percent is not None and before.percent is not None:
        return wanted.percent <= before.percent
    if wanted.percent is None and before.percent is None:
        return promises.amount(wanted, 0) <= promises.amount(before, 0)
    return False


def precedence(contract: plan.Reservation) -> tuple[bool, int, str]:
    """Smaller is served first where there is less than was promised.

    Percents, which shrink with the pool by themselves; then the others as they were accepted.
    """
    return (contract.declared.percent is None, contract.rank, contract.uid)


def text(guarantee: plan.Guarantee) -> str:
    """The guarantee as a person writes it: `30%`, `9000/s`, `1000000/Month at 3000/s`."""
    if guarantee.percent is not None:
        return f"{guarantee.percent}%"
    if guarantee.prepaid is not None:
        prepaid = guarantee.prepaid
        rate = prepaid.service_tokens_per_second
        return f"{prepaid.service_tokens}/{prepaid.period} at {rate}/s"
    return f"{guarantee.service_tokens_per_second}/s"
