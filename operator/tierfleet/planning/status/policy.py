"""The status of a TierPolicy."""

from collections import Counter
from collections.abc import Sequence

from tierfleet import plan
from tierfleet.api import InferencePool, Key, TierPolicy
from tierfleet.api.conditions import Judgement, Status, judged, stalled
from tierfleet.api.tierpolicy import (
    MAX_ANCESTORS,
    Ancestor,
    PolicyCondition,
    PolicyReason,
    TierPolicyStatus,
    TierTenants,
)
from tierfleet.planning import acceptance, tenants
from tierfleet.planning.snapshot import Snapshot
from tierfleet.planning.tenancy import Problem

_MOST_TOLD = 5
"""Problems that are told at once; the rest are counted."""


def summarise_policy(snapshot: Snapshot, key: Key) -> TierPolicyStatus:
    """The status of the policy; the snapshot must have all pools that name it.

    Raises:
        KeyError: the snapshot does not have the policy.
    """
    policy = snapshot.policies[key]
    tenancy = tenants.of(snapshot, policy)
    refused = acceptance.of_policy(policy)
    accepted = refused or _accepted(tenancy.problems)
    judgements: dict[str, Judgement] = {
        PolicyCondition.ACCEPTED: accepted,
        PolicyCondition.READY: _ready(accepted),
    }
    if refused:
        judgements |= stalled(refused.reason, refused.message)
    pools = sorted(snapshot.pools_of(key), key=lambda pool: pool.key)
    generation = policy.metadata.generation
    return TierPolicyStatus(
        observed_generation=generation,
        conditions=judged(
            policy.status.conditions, judgements, generation=generation, now=snapshot.now
        ),
        tenant_count=len(tenancy.tenants),
        key_count=sum(len(tenant.keys) for tenant in tenancy.tenants),
        tiers=_tiers(policy, tenancy.tenants),
        ancestor_count=len(pools),
        ancestors=tuple(_ancestor(snapshot, policy, pool) for pool in pools[:MAX_ANCESTORS]),
    )


def _accepted(problems: Sequence[Problem]) -> Judgement:
    if not problems:
        return Judgement(Status.TRUE, PolicyReason.ACCEPTED, "The policy is in use as written.")
    told = " ".join(problem.message for problem in problems[:_MOST_TOLD])
    more = len(problems) - _MOST_TOLD
    return Judgement(
        Status.FALSE,
        problems[0].reason,
        f"{told} {more} more problems follow once these are solved." if more > 0 else told,
    )


def _ready(accepted: Judgement) -> Judgement:
    if accepted.status is Status.TRUE:
        return Judgement(Status.TRUE, PolicyReason.READY, accepted.message)
    return accepted


def _tiers(policy: TierPolicy, known: Sequence[plan.Tenant]) -> tuple[TierTenants, ...]:
    counted = Counter(tenant.tier for tenant in known)
    keys: Counter[str] = Counter()
    for tenant in known:
        keys[tenant.tier] += len(tenant.keys)
    return tuple(
        TierTenants(name=tier.name, tenants=counted[tier.name], keys=keys[tier.name])
        for tier in policy.spec.tiers
    )


def _ancestor(snapshot: Snapshot, policy: TierPolicy, pool: InferencePool) -> Ancestor:
    name = pool.metadata.name
    before = next((a.conditions for a in policy.status.ancestors if a.name == name), ())
    there = acceptance.of_pool(snapshot, pool)
    if there.status is Status.TRUE:
        there = Judgement(
            Status.TRUE, PolicyReason.ACCEPTED, f"InferencePool {name!r} is run by this policy."
        )
    return Ancestor(
        name=name,
        conditions=judged(
            before,
            {PolicyCondition.ACCEPTED: there},
            generation=policy.metadata.generation,
            now=snapshot.now,
        ),
    )
