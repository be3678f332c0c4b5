"""The plan of one pool: everything that is decided about it, put into the plan document.

It must not know how the plan is written down or what pods look like.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from tierfleet import plan
from tierfleet.api import InferencePool, TierPolicy
from tierfleet.api.conditions import Judgement, Status
from tierfleet.api.engine import EngineType
from tierfleet.api.poolstatus import PoolReason
from tierfleet.planning import (
    acceptance,
    burst,
    capacity,
    reservations,
    shares,
    tenants,
    traffic,
    unrated,
)
from tierfleet.planning.capacity import Capacity
from tierfleet.planning.measured import MeanCost, Rate
from tierfleet.planning.placement import Placement
from tierfleet.planning.refusals import Market
from tierfleet.planning.reservations import Verdict
from tierfleet.planning.snapshot import PoolKey, Snapshot
from tierfleet.planning.tenancy import Tenancy
from tierfleet.planning.translate import to_plan


class TokenHashes(NamedTuple):
    """SHA-256 (hex) of the tokens that the sidecars of a pool ask for."""

    admin: str
    hook: str


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What is decided about a pool.

    Attributes:
        accepted: the condition `Accepted`.
        rates: of one replica on each accelerator.
        plan: the plan document. None: the pool is held, and every child, the plan Secrets too,
            stays as it is.
        reservations: verdicts by uid.
        floors: what tiers keep for themselves, service tokens/s.
        promised: granted by contracts whose term holds now, and floors; service tokens/s.
        suspended: what is not in force while a rate is not known (`unrated`).
        mean_cost: of a request, by which bursts are judged; None while the pool is held.
        market: what contracts were judged by; None while the pool is held.
        next_change: when a term starts or ends next: plan again then, if nothing else happens.
    """

    key: PoolKey
    accepted: Judgement
    placement: Placement
    capacity: Capacity
    rates: Mapping[str, Rate]
    plan: plan.Plan | None
    reservations: Mapping[str, Verdict]
    promised: int
    next_change: datetime | None
    floors: int = 0
    suspended: tuple[str, ...] = ()
    mean_cost: MeanCost | None = None
    # It has the time in it, which makes no other plan.
    market: Market | None = field(default=None, compare=False, repr=False)


def plan_pool(
    snapshot: Snapshot, key: PoolKey, placement: Placement, tokens: TokenHashes
) -> PoolPlan:
    """The plan of the pool, on the devices that `devices.grant` gave it.

    Raises:
        KeyError: the snapshot has no such pool.
    """
    pool = snapshot.pools[key]
    accepted = acceptance.of_pool(snapshot, pool)
    if accepted.status is not Status.TRUE:
        return _held(snapshot, pool, placement, accepted)
    try:
        return _planned(snapshot, pool, placement, accepted, tokens)
    except ValidationError as error:
        wrong = f"No plan can be made of the pool and its policy: {plan.explain(error)}"
        refused = Judgement(Status.FALSE, PoolReason.INVALID, wrong)
        return _held(snapshot, pool, placement, refused)


def _planned(
    snapshot: Snapshot,
    pool: InferencePool,
    placement: Placement,
    accepted: Judgement,
    tokens: TokenHashes,
) -> PoolPlan:
    policy = snapshot.policies[(pool.key[0], pool.spec.policy_ref.name)]
    rules = _rules(policy)
    callers = _with_access(pool, tenants.of(snapshot, policy))
    counted = shares.counted(
        placement.desired,
        snapshot.replicas.get(pool.key, {}),
        snapshot.pods_of(pool.key),
        snapshot.now,
    )
    rates = capacity.rates(snapshot, pool)
    able = capacity.of(pool, placement.desired, rates, counted)
    groups = _groups(pool, counted, rates)
    percent = 0 if able.unknown else sum(tier.minimum_percent for tier in rules.tiers)
    floors = able.total * percent // 100
    mean_cost = traffic.mean_cost(
        rules.burndown,
        snapshot.recorded_of(pool.key).mean_cost,
        snapshot.measured_of(pool.key),
    )
    market = Market(
        pool=pool,
        capacity=able,
        parts=_parts(groups, placement),
        floors=floors,
        tiers={tier.name: tier.priority for tier in rules.tiers},
        callers={tenant.name: tenant for tenant in callers},
        mean_cost=mean_cost,
        now=snapshot.now,
    )
    verdicts = reservations.judge(snapshot, market)
    declared = unrated.Parts(
        rules.tiers, pool.spec.partitioning.lendable_percent, _contracts(verdicts)
    )
    kept = unrated.without(declared) if able.unknown else declared
    document = plan.Plan(
        pool=plan.PoolIdentity(namespace=pool.key[0], name=pool.key[1]),
        policy=policy.metadata.name,
        model=plan.Model(name=pool.spec.model.name, aliases=tuple(sorted(pool.spec.model.aliases))),
        engine_type=plan.EngineType(pool.spec.engine.type),
        engine_priority=pool.spec.engine.type is EngineType.VLLM,
        enforcement=policy.spec.enforcement,
        burndown=rules.burndown,
        identification=rules.identification,
        lendable_percent=kept.lendable_percent,
        admin_token_sha256=tokens.admin,
        hook_token_sha256=tokens.hook,
        tiers=kept.tiers,
        groups=groups,
        mean_cost=traffic.to_record(mean_cost),
        reservations=kept.reservations,
        tenants=callers,
    )
    return PoolPlan(
        key=pool.key,
        accepted=accepted,
        placement=placement,
        capacity=able,
        rates=rates,
        plan=document,
        reservations=verdicts,
        promised=floors + _granted_now(verdicts, snapshot.now),
        next_change=_next_change(snapshot, pool.key, verdicts),
        floors=floors,
        suspended=tuple(unrated.named(declared)) if able.unknown else (),
        mean_cost=mean_cost,
        market=market,
    )


def _held(
    snapshot: Snapshot, pool: InferencePool, placement: Placement, accepted: Judgement
) -> PoolPlan:
    verdicts = reservations.held(snapshot, pool.key)
    rates = capacity.rates(snapshot, pool)
    return PoolPlan(
        key=pool.key,
        accepted=accepted,
        placement=placement,
        capacity=capacity.of(pool, placement.desired, rates),
        rates=rates,
        plan=None,
        reservations=verdicts,
        promised=_granted_now(verdicts, snapshot.now),
        next_change=_next_change(snapshot, pool.key, verdicts),
    )


class _Rules(NamedTuple):
    """What a plan takes over from the policy as it is."""

    burndown: plan.Burndown
    identification: plan.Identification
    tiers: tuple[plan.Tier, ...]


def _rules(policy: TierPolicy) -> _Rules:
    spec = policy.spec
    anonymous = to_plan(spec.identification.anonymous, plan.Anonymous)
    return _Rules(
        burndown=to_plan(spec.burndown, plan.Burndown),
        identification=plan.Identification(anonymous=anonymous),
        tiers=tuple(to_plan(tier, plan.Tier) for tier in spec.tiers),
    )


def _groups(
    pool: InferencePool, counted: Mapping[str, int], rates: Mapping[str, Rate]
) -> tuple[plan.Group, ...]:
    """One per accelerator, those without replicas too: their last pods still read the plan."""
    engine = pool.spec.engine
    return tuple(
        plan.Group(
            name=accelerator.name,
            accelerator=accelerator.name,
            desired=counted[accelerator.name],
            service_tokens_per_second=rates[accelerator.name].service_tokens_per_second,
            measured_since=rates[accelerator.name].since,
            max_sequences=engine.overridden_by(accelerator.engine).max_sequences,
        )
        for accelerator in pool.spec.accelerators
    )


def _parts(groups: Sequence[plan.Group], placement: Placement) -> tuple[burst.Part, ...]:
    """As the replicas will share the rates once those that leave are gone: then each has most."""
    wanted = [g.model_copy(update={"desired": placement.desired[g.name]}) for g in groups]
    return tuple(
        burst.Part(plan.share(wanted, group), group.max_sequences)
        for group in wanted
        if group.desired
    )


def _with_access(pool: InferencePool, tenancy: Tenancy) -> tuple[plan.Tenant, ...]:
    """The policy's tenants; those that the pool does not select stay known, without access."""
    selector = pool.spec.access.tenant_selector
    return tuple(
        tenant
        if selector.matches(dict(tenancy.labels[tenant.name]))
        else tenant.model_copy(update={"access": False})
        for tenant in tenancy.tenants
    )


def _contracts(verdicts: Mapping[str, Verdict]) -> tuple[plan.Reservation, ...]:
    return tuple(v.contract for v in verdicts.values() if v.contract is not None)


def _granted_now(verdicts: Mapping[str, Verdict], now: datetime) -> int:
    return sum(c.granted for c in _contracts(verdicts) if c.term.holds_at(now))


def _next_change(
    snapshot: Snapshot, key: PoolKey, verdicts: Mapping[str, Verdict]
) -> datetime | None:
    edges = [
        edge
        for reservation in snapshot.reservations_of(key)
        for edge in (reservation.spec.term.start, reservation.spec.term.end)
    ]
    for contract in _contracts(verdicts):
        edges += (contract.term.start, contract.term.end)
    return min((edge for edge in edges if edge and edge > snapshot.now), default=None)
