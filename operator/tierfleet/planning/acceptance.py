"""What is done at all: an object is accepted whole, or nothing of it is enforced.

A pool that is not accepted is held: what it has stays as it is. It must not know what is done with
what was accepted.
"""

from tierfleet.api import InferencePool, TierPolicy
from tierfleet.api.common import Resource
from tierfleet.api.conditions import Judgement, Status
from tierfleet.api.implemented import not_implemented
from tierfleet.api.poolstatus import PoolReason
from tierfleet.planning.snapshot import Snapshot


def unbuilt(resource: Resource) -> Judgement | None:
    """`Accepted` False with every path that this version cannot do; None if it can do all."""
    rows = not_implemented(resource)
    if not rows:
        return None
    return Judgement(
        Status.FALSE, rows[0].reason, " ".join(f"{row.path}: {row.message}" for row in rows)
    )


def of_pool(snapshot: Snapshot, pool: InferencePool) -> Judgement:
    """`Accepted` of a pool: its own spec, then its policy."""
    refused = unbuilt(pool)
    if refused:
        return refused
    namespace, name = pool.key[0], pool.spec.policy_ref.name
    policy = snapshot.policies.get((namespace, name))
    if policy is None:
        return Judgement(
            Status.FALSE,
            PoolReason.POLICY_NOT_FOUND,
            f"There is no TierPolicy {name!r} in namespace {namespace!r}. "
            f"{_HELD} Create it, or correct spec.policyRef.",
        )
    refused = of_policy(policy)
    if refused:
        return Judgement(
            Status.FALSE,
            PoolReason.POLICY_NOT_ACCEPTED,
            f"TierPolicy {name!r} is not accepted: {refused.message} {_HELD}",
        )
    return Judgement(
        Status.TRUE, PoolReason.ACCEPTED, f"The pool is run as declared, with TierPolicy {name!r}."
    )


def of_policy(policy: TierPolicy) -> Judgement | None:
    """Why nothing of the policy is enforced, or None.

    What is wrong with single tenants is no reason to drop the rest: that is for `tenants.py`.
    """
    return unbuilt(policy)


_HELD = "What already serves goes on with its last plan; nothing new is started."
