"""Why a contract cannot be accepted: one function per reason, each a sentence with the next step.

The first reason that applies is given. It must not know in which order contracts are judged, nor
what happens to one that is refused.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tierfleet import plan
from tierfleet.api import InferencePool
from tierfleet.api.capacityreservation import ReservationReason
from tierfleet.api.inferencepool import ScalingMode
from tierfleet.planning import burst, contracts, index, promises
from tierfleet.planning.capacity import Capacity
from tierfleet.planning.measured import MeanCost
from tierfleet.planning.promises import Promise

UNIT = "service tokens/s"


@dataclass(frozen=True, slots=True)
class Market:
    """What a pool has to sell, and to whom; rates in service tokens per second.

    Attributes:
        parts: of one replica of each accelerator that has any.
        floors: what tiers keep for themselves (`minimumPercent`).
        tiers: priorities of the policy's tiers, by name.
        callers: tenants of the policy, by name.
        mean_cost: of one request.
        now: what is past need not fit any more.
    """

    pool: InferencePool
    capacity: Capacity
    parts: tuple[burst.Part, ...]
    floors: int
    tiers: Mapping[str, int]
    callers: Mapping[str, plan.Tenant]
    mean_cost: MeanCost
    now: datetime

    def amount(self, contract: plan.Reservation) -> int:
        """What the contract takes of the pool."""
        return promises.amount(contract.declared, self.capacity.total)

    def promised(self, agreed: Collection[plan.Reservation], term: plan.Term) -> int:
        """What contracts and floors take at the worst instant of the term."""
        taken = (Promise(self.amount(contract), contract.term) for contract in agreed)
        return self.floors + promises.peak(taken, term, self.now)


class Refusal(NamedTuple):
    """Why a contract is not accepted; `short_by` where it is a question of size."""

    reason: ReservationReason
    message: str
    short_by: int = 0


def refusal(
    wanted: plan.Reservation,
    others: Collection[plan.Reservation],
    market: Market,
    room: int,
) -> Refusal | None:
    """Why the contract cannot be accepted beside the others, or None if it can.

    `room` is what it may take of the plan, in bytes (`index.size`).
    """
    return (
        _tenant_not_found(wanted, market)
        or _conflict(wanted, others, market)
        or _spillover(wanted, market)
        or _ledger_required(wanted, market)
        or _insufficient_capacity(wanted, others, market)
        or _burst_not_backed(wanted, others, market)
        or _plan_full(wanted, room)
    )


def refusal_of_less(
    wanted: plan.Reservation, before: plan.Reservation, market: Market
) -> Refusal | None:
    """Why a contract that asks for no more than the one before cannot be accepted, or None.

    What it asks of the pool's throughput is agreed; where it spills over may be new, and a balance
    is judged whenever the pool has changed its size.
    """
    moved = wanted.spillover != before.spillover
    return (_spillover(wanted, market) if moved else None) or _ledger_required(wanted, market)


def _tenant_not_found(wanted: plan.Reservation, market: Market) -> Refusal | None:
    policy = market.pool.spec.policy_ref.name
    for tenant in wanted.tenants:
        if tenant not in market.callers:
            return Refusal(
                ReservationReason.TENANT_NOT_FOUND,
                f"TierPolicy {policy!r} knows no tenant {tenant!r}. Create a Secret with its key "
                f"and the labels tierfleet.dev/policy: {policy}, tierfleet.dev/tenant: {tenant} "
                "and tierfleet.dev/tier, or correct spec.tenants.",
            )
        if not market.callers[tenant].access:
            return Refusal(
                ReservationReason.TENANT_NOT_FOUND,
                f"Tenant {tenant!r} may not use the pool: its Secret has not the labels that "
                "spec.access.tenantSelector of the pool asks for. Add them, or correct "
                "spec.tenants.",
            )
    return None


def _conflict(
    wanted: plan.Reservation, others: Collection[plan.Reservation], market: Market
) -> Refusal | None:
    own = {*wanted.tenants}
    for other in others:
        if own.isdisjoint(other.tenants):
            continue
        if promises.overlap(wanted.term, other.term, market.now):
            shared = min(own & {*other.tenants})
            return Refusal(
                ReservationReason.CONFLICT,
                f"Tenant {shared!r} has reservation {other.name!r} in this pool at the same "
                "time, and a tenant has at most one. Raise that one instead, or let this one "
                "start when it ends.",
            )
    return None


def _spillover(wanted: plan.Reservation, market: Market) -> Refusal | None:
    tier = wanted.spillover.tier
    if tier is None:
        return None
    if tier not in market.tiers:
        policy = market.pool.spec.policy_ref.name
        return Refusal(
            ReservationReason.TIER_NOT_FOUND,
            f"TierPolicy {policy!r} has no tier {tier!r} to spill over into; its tiers are "
            f"{', '.join(sorted(market.tiers))}. Correct spec.spillover.tier, or leave it out for "
            "the tenant's own.",
        )
    for tenant in wanted.tenants:
        known = market.callers.get(tenant)
        if known is not None and market.tiers[tier] > market.tiers[known.tier]:
            return Refusal(
                ReservationReason.TIER_TOO_HIGH,
                f"Tenant {tenant!r} is in tier {known.tier!r}, and tier {tier!r} has a higher "
                "priority: more would be served sooner beyond the guarantee than without one. "
                "Name a tier of no higher priority in spec.spillover.tier, or leave it out for the "
                "tenant's own.",
            )
    return None


def _ledger_required(wanted: plan.Reservation, market: Market) -> Refusal | None:
    if wanted.declared.prepaid is None or market.pool.spec.most_replicas <= 1:
        return None
    most = market.pool.spec.most_replicas
    return Refusal(
        ReservationReason.LEDGER_REQUIRED,
        f"Each of the pool's {most} replicas would count a prepaid balance "
        "for itself: more than one needs a ledger, which there is not yet. Use "
        "serviceTokensPerSecond or percent, or a pool of one replica.",
    )


def _insufficient_capacity(
    wanted: plan.Reservation,
    others: Collection[plan.Reservation],
    market: Market,
) -> Refusal | None:
    asked = contracts.text(wanted.declared)
    amount = market.amount(wanted)
    if not market.capacity.total:
        why = (
            f"accelerator {market.capacity.unknown[0]!r} declares no capacity. Declare "
            "serviceTokensPerSecond there"
            if market.capacity.unknown
            else "none of its replicas has devices. Add nodes or replicas"
        )
        return Refusal(
            ReservationReason.INSUFFICIENT_CAPACITY,
            f"{asked} is asked for, but the pool has nothing to promise: {why}.",
            amount,
        )
    sellable = market.capacity.sellable
    promised = market.promised(others, wanted.term)
    short_by = amount + promised - sellable
    if short_by <= 0:
        return None
    size = asked if wanted.declared.percent is None else f"{asked}, {amount} {UNIT},"
    kept = f" ({market.floors} of them to floors, minimumPercent)" if market.floors else ""
    more = "add replicas to the pool"
    if market.pool.spec.scaling.mode is ScalingMode.AUTOMATIC:
        more = "raise scaling.minReplicas of the pool"
    return Refusal(
        ReservationReason.INSUFFICIENT_CAPACITY,
        f"{size} is asked for; of {sellable} {UNIT} that can be sold {promised} are promised "
        f"already within its term{kept}: short by {short_by}. Ask for less, choose another term, "
        f"or {more}.",
        short_by,
    )


def _burst_not_backed(
    wanted: plan.Reservation,
    others: Collection[plan.Reservation],
    market: Market,
) -> Refusal | None:
    rate, wait = market.amount(wanted), wanted.max_wait_milliseconds
    if not rate or not market.mean_cost.service_tokens or not market.parts:
        # Requests that cost nothing use up no guarantee, however many come at once.
        return None
    reserved = rate + market.promised(others, wanted.term)
    replicas = [
        burst.Replica(part, market.capacity.total, reserved, market.mean_cost.service_tokens)
        for part in market.parts
    ]

    def largest_at(replica: burst.Replica) -> int:
        return burst.largest_window_milliseconds(replica, rate, wait)

    tightest = min(replicas, key=largest_at)
    largest = largest_at(tightest)
    at_once = burst.requests(tightest, rate, wanted.burst_window_milliseconds)
    startable = burst.startable(tightest, wait)
    if at_once <= startable:
        return None
    cost = f"{market.mean_cost.service_tokens:,.0f} service tokens each"
    how = "assumed" if market.mean_cost.since is None else "measured"
    return Refusal(
        ReservationReason.BURST_NOT_BACKED,
        f"A burst of {wanted.burst_window_milliseconds} ms is {at_once} requests at once on one "
        f"replica ({cost}, as {how}), of which {startable} can start within "
        f"maxWaitMilliseconds, {wait}. Set "
        f"burst.windowMilliseconds to {largest} or less, or raise maxWaitMilliseconds.",
    )


def _plan_full(wanted: plan.Reservation, room: int) -> Refusal | None:
    size = index.size(wanted)
    if size <= room:
        return None
    tenants = f"{len(wanted.tenants)} tenants" if len(wanted.tenants) > 1 else "one tenant"
    return Refusal(
        ReservationReason.PLAN_FULL,
        f"The pool's plan has no room for it: all contracts together may take "
        f"{index.CONTRACT_BYTES} bytes, {max(0, room)} are left, and with {tenants} this one takes "
        f"{size}. Name fewer tenants, delete reservations that nobody needs, or use another pool.",
    )
