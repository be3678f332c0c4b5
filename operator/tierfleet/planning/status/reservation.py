"""The status of a CapacityReservation: a mirror of what the plan carries."""

from datetime import datetime

from pydantic import ValidationError

from tierfleet import plan
from tierfleet.api import CapacityReservation, Key
from tierfleet.api.capacityreservation import (
    CapacityReservationStatus,
    ReservationCondition,
    ReservationReason,
    Term,
)
from tierfleet.api.common import to_rfc3339
from tierfleet.api.conditions import (
    Condition,
    Judgement,
    Status,
    find,
    judged,
    stalled,
    summary,
)
from tierfleet.api.poolstatus import CapacitySource
from tierfleet.planning import contracts
from tierfleet.planning.backing import Backing
from tierfleet.planning.enforcement import Enforcement
from tierfleet.planning.pool import PoolPlan
from tierfleet.planning.reservations import Verdict
from tierfleet.planning.snapshot import Snapshot
from tierfleet.planning.status import enforced
from tierfleet.planning.translate import to_plan

_SEE = "{} of the InferencePool says what it waits for."


def summarise_reservation(
    snapshot: Snapshot,
    key: Key,
    pool_plan: PoolPlan | None,
    enforcement: Enforcement | None,
    backing: Backing | None = None,
) -> CapacityReservationStatus:
    """The status of the reservation, from the plan of its pool; None: there is no such pool.

    `enforcement` is what that pool's replicas run, `backing` what those that are ready can keep;
    without it nothing is said of that.

    Raises:
        KeyError: the snapshot does not have the reservation.
    """
    reservation = snapshot.reservations[key]
    uid = reservation.metadata.uid
    verdict = pool_plan.reservations[uid] if pool_plan else _no_pool(reservation)
    accepted = verdict.accepted
    judgements: dict[str, Judgement] = {
        ReservationCondition.ACCEPTED: accepted,
        ReservationCondition.ACTIVE: _active(verdict, _term(verdict, reservation), snapshot.now),
        ReservationCondition.ENFORCED: _enforced(
            verdict,
            enforcement,
            find(reservation.status.conditions, ReservationCondition.ENFORCED),
        ),
        ReservationCondition.DEGRADED: _degraded(verdict, pool_plan, backing),
    }
    ready = Judgement(Status.TRUE, ReservationReason.READY, accepted.message)
    judgements[ReservationCondition.READY] = summary(
        judgements, (ReservationCondition.ACCEPTED,), ready
    )
    if accepted.reason == ReservationReason.INVALID:
        # It does not heal by itself: the spec has to change.
        judgements |= stalled(accepted.reason, accepted.message)
    generation = reservation.metadata.generation
    return CapacityReservationStatus(
        observed_generation=generation,
        conditions=judged(
            reservation.status.conditions, judgements, generation=generation, now=snapshot.now
        ),
        guarantee=_guarantee(verdict, reservation),
        term_end=_term(verdict, reservation).end,
        granted=verdict.contract.granted if verdict.contract else 0,
        requested=verdict.requested,
        short_by=verdict.short_by,
    )


def _no_pool(reservation: CapacityReservation) -> Verdict:
    pool = reservation.spec.pool_ref.name
    return Verdict(
        Judgement(
            Status.FALSE,
            ReservationReason.POOL_NOT_FOUND,
            f"There is no InferencePool {pool!r} in namespace {reservation.key[0]!r}. Create it, "
            "or make a new reservation that names another one.",
        )
    )


def _active(verdict: Verdict, term: plan.Term | Term, now: datetime) -> Judgement:
    if term.end is not None and term.end <= now:
        return Judgement(
            Status.FALSE, ReservationReason.EXPIRED, f"Its term ended at {to_rfc3339(term.end)}."
        )
    if term.start is not None and now < term.start:
        return Judgement(
            Status.FALSE,
            ReservationReason.NOT_STARTED,
            f"Its term starts at {to_rfc3339(term.start)}.",
        )
    if verdict.contract is None:
        return _nothing_promised(verdict)
    until = f"until {to_rfc3339(term.end)}" if term.end else "until it is deleted"
    return Judgement(Status.TRUE, ReservationReason.IN_TERM, f"Its term runs {until}.")


def _enforced(
    verdict: Verdict, enforcement: Enforcement | None, before: Condition | None
) -> Judgement:
    if verdict.contract is None or enforcement is None:
        return _nothing_promised(verdict)
    return enforced.of_reservation(verdict.contract.uid, enforcement, before)


def _degraded(verdict: Verdict, pool_plan: PoolPlan | None, backing: Backing | None) -> Judgement:
    contract = verdict.contract
    if contract is None or pool_plan is None:
        return _nothing_promised(verdict)
    placement = pool_plan.placement
    if contract.granted < verdict.owed:
        left = f"{contract.granted} of {verdict.owed} service tokens/s are guaranteed"
        floors = pool_plan.floors
        measured = pool_plan.capacity.source is CapacitySource.MEASURED
        lost = "lost capacity or was measured to have less" if measured else "lost capacity"
        return Judgement(
            Status.TRUE,
            ReservationReason.CAPACITY_LOST,
            f"The pool has {lost}, or floors have taken it: {left}. Of "
            f"{pool_plan.capacity.sellable} that can be sold floors (minimumPercent) take {floors}."
            if floors
            else f"The pool has {lost}: {left} until it is back. {_SEE.format('Placed')}",
        )
    if contract.declared.percent is not None and placement.total < placement.wanted:
        return Judgement(
            Status.TRUE,
            ReservationReason.CAPACITY_LOST,
            f"{contracts.text(contract.declared)} of the pool is {contract.granted} service "
            f"tokens/s, because only {placement.total} of its {placement.wanted} replicas are "
            f"placed. {_SEE.format('Placed')}",
        )
    kept = backing.kept.get(contract.uid) if backing is not None else None
    if backing is not None and kept is not None and kept < contract.granted:
        return Judgement(
            Status.TRUE,
            ReservationReason.REPLICAS_NOT_READY,
            f"Only {backing.ready} of {backing.desired} replicas are ready: they can keep {kept} "
            f"of the {contract.granted} service tokens/s that are guaranteed, until more of them "
            f"are. {_SEE.format('Ready')}",
        )
    return Judgement(
        Status.FALSE,
        ReservationReason.CAPACITY_SUFFICIENT,
        f"{contract.granted} service tokens/s are guaranteed, all that was promised.",
    )


def _nothing_promised(verdict: Verdict) -> Judgement:
    if verdict.accepted.status is Status.TRUE:
        return Judgement(Status.FALSE, ReservationReason.EXPIRED, verdict.accepted.message)
    return Judgement(Status.FALSE, ReservationReason.NOT_ACCEPTED, "Nothing is promised.")


def _term(verdict: Verdict, reservation: CapacityReservation) -> plan.Term | Term:
    """Of the contract in force, which is not the one in the spec while a change is refused."""
    return verdict.contract.term if verdict.contract else reservation.spec.term


def _guarantee(verdict: Verdict, reservation: CapacityReservation) -> str | None:
    """Of the same, as text; None for one that is none, which only another version's object has."""
    if verdict.contract is not None:
        return contracts.text(verdict.contract.declared)
    try:
        guarantee = to_plan(reservation.spec.guarantee, plan.Guarantee)
    except ValidationError:
        return None
    return contracts.text(guarantee)
