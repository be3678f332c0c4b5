"""Which reservations are accepted, and what each is granted.

Acceptance goes in the recorded order, then by age, then by name. What was accepted stays accepted:
when capacity is lost it is granted less, by rule. A changed contract is judged anew in its old
place; one that does not fit leaves what was agreed before in force. Rules: `docs/planning.md`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from tierfleet import plan
from tierfleet.api import CapacityReservation
from tierfleet.api.capacityreservation import ReservationReason
from tierfleet.api.conditions import Judgement, Status
from tierfleet.planning import contracts, index, promises
from tierfleet.planning.promises import Promise
from tierfleet.planning.refusals import UNIT, Market, Refusal, refusal, refusal_of_less
from tierfleet.planning.snapshot import PoolKey, Snapshot


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about one reservation; rates in service tokens per second.

    Attributes:
        accepted: the condition `Accepted`, about the spec as it is now.
        requested: what the spec asks for.
        short_by: what is missing to accept that; once it is accepted, to grant all of it.
        contract: what the plan carries; None if nothing is promised. After an edit that was
            refused it is what had been agreed before.
        owed: what that contract amounts to; more than is granted while capacity is lost.
    """

    accepted: Judgement
    requested: int = 0
    short_by: int = 0
    contract: plan.Reservation | None = None
    owed: int = 0


def judge(snapshot: Snapshot, market: Market) -> Mapping[str, Verdict]:
    """A verdict on each of the pool's reservations, by uid."""
    recorded = _agreed(snapshot, market.pool.key)
    agreed = {uid: _in_known_tier(contract, market) for uid, contract in recorded.items()}
    decided: dict[str, tuple[int, Refusal | None]] = {}
    left = index.room(agreed.values())
    for reservation in _in_order(snapshot.reservations_of(market.pool.key), agreed):
        uid = reservation.metadata.uid
        before = agreed.pop(uid, None)
        had = index.size(before) if before is not None else 0
        left += had
        # Whatever there is of it: what it has had it may go on to have.
        room = max(left, had)
        wanted, refused = _decided(reservation, before, agreed.values(), room, market)
        kept = before if refused else wanted
        if kept is not None and not promises.over(kept.term, market.now):
            agreed[uid] = kept
            left -= index.size(kept)
        decided[uid] = (market.amount(wanted) if wanted else 0, refused)
    granted = _granted(agreed.values(), market)
    owed = {uid: market.amount(contract) for uid, contract in granted.items()}
    lost = {uid: owed[uid] - contract.granted for uid, contract in granted.items()}
    return {
        uid: Verdict(
            accepted=_accepted(refused, granted.get(uid)),
            requested=requested,
            short_by=refused.short_by if refused else lost.get(uid, 0),
            contract=granted.get(uid),
            owed=owed.get(uid, 0),
        )
        for uid, (requested, refused) in decided.items()
    }


def held(snapshot: Snapshot, pool: PoolKey) -> Mapping[str, Verdict]:
    """The verdicts while the pool is not accepted: what was agreed stays, nothing is added."""
    agreed = _agreed(snapshot, pool)
    waiting = Refusal(
        ReservationReason.POOL_NOT_ACCEPTED,
        f"InferencePool {pool[1]!r} is not accepted, so nothing can be promised. "
        "Its condition Accepted says what to do.",
    )
    return {
        reservation.metadata.uid: _kept(reservation, agreed, waiting, snapshot.now)
        for reservation in snapshot.reservations_of(pool)
    }


def _kept(
    reservation: CapacityReservation,
    agreed: Mapping[str, plan.Reservation],
    waiting: Refusal,
    now: datetime,
) -> Verdict:
    """What was agreed stays as it was; a change of it waits."""
    contract = agreed.get(reservation.metadata.uid)
    if contract is None:
        return Verdict(accepted=_accepted(waiting, None))
    try:
        wanted = contracts.of(reservation, contract, contract.rank, now)
    except ValidationError:
        wanted = None
    changed = wanted is None or wanted.model_copy(update={"granted": contract.granted}) != contract
    return Verdict(
        accepted=_accepted(waiting if changed else None, contract),
        contract=contract,
        requested=contract.granted,
        owed=contract.granted,
    )


def _agreed(snapshot: Snapshot, pool: PoolKey) -> dict[str, plan.Reservation]:
    """Contracts on record, as long as their reservation exists and their term is not over."""
    alive = {reservation.metadata.uid for reservation in snapshot.reservations_of(pool)}
    return {
        contract.uid: contract
        for contract in snapshot.recorded_of(pool).reservations
        if contract.uid in alive and not promises.over(contract.term, snapshot.now)
    }


def _in_known_tier(contract: plan.Reservation, market: Market) -> plan.Reservation:
    """Once the tier that it spills over into is gone, it spills over into the tenant's own."""
    if contract.spillover.tier is None or contract.spillover.tier in market.tiers:
        return contract
    own = contract.spillover.model_copy(update={"tier": None})
    return contract.model_copy(update={"spillover": own})


def _in_order(
    reservations: Iterable[CapacityReservation], agreed: Mapping[str, plan.Reservation]
) -> list[CapacityReservation]:
    def precedence(reservation: CapacityReservation) -> tuple[bool, int, datetime, str]:
        metadata = reservation.metadata
        contract = agreed.get(metadata.uid)
        return (
            contract is None,
            contract.rank if contract else 0,
            metadata.creation_timestamp or datetime.max.replace(tzinfo=UTC),
            metadata.name,
        )

    return sorted(reservations, key=precedence)


def _decided(
    reservation: CapacityReservation,
    before: plan.Reservation | None,
    others: Collection[plan.Reservation],
    room: int,
    market: Market,
) -> tuple[plan.Reservation | None, Refusal | None]:
    """The contract that the spec asks for, and why it is refused (None: it is not)."""
    rank = before.rank if before else 1 + max((other.rank for other in others), default=-1)
    try:
        wanted = contracts.of(reservation, before, rank, market.now)
    except ValidationError as error:
        return None, Refusal(ReservationReason.INVALID, f"The spec is wrong: {plan.explain(error)}")
    if promises.over(wanted.term, market.now):
        return wanted, None
    if before and contracts.asks_no_more(wanted, before, market.now):
        return wanted, refusal_of_less(wanted, before, market)
    return wanted, refusal(wanted, others, market, room)


def _granted(agreed: Iterable[plan.Reservation], market: Market) -> Mapping[str, plan.Reservation]:
    """What each contract is granted: never more than can be sold at any instant of any term.

    Percents shrink with the pool by themselves, so they are served first; what is missing then is
    taken from the others, the last accepted first.
    """
    taken = [Promise(market.floors, plan.Term())]
    granted = {}
    for contract in sorted(agreed, key=contracts.precedence):
        room = market.capacity.sellable - promises.peak(taken, contract.term, market.now)
        amount = max(0, min(market.amount(contract), room))
        granted[contract.uid] = contract.model_copy(update={"granted": amount})
        taken.append(Promise(amount, contract.term))
    return granted


def _accepted(refused: Refusal | None, contract: plan.Reservation | None) -> Judgement:
    if refused is not None:
        before = (
            f" What was agreed before stays in force: {contracts.text(contract.declared)}, of "
            f"which {contract.granted} {UNIT} are granted."
            if contract
            else ""
        )
        return Judgement(Status.FALSE, refused.reason, refused.message + before)
    if contract is None:
        return Judgement(
            Status.TRUE,
            ReservationReason.FITS,
            "Its term is over, so nothing is promised. Delete it, or make a new one.",
        )
    return Judgement(
        Status.TRUE,
        ReservationReason.FITS,
        f"{contracts.text(contract.declared)} is promised for its whole term.",
    )
