"""The condition `Enforced`: what replicas reported, as a sentence."""

from typing import TypeGuard

from tierfleet.api.conditions import Condition, Judgement, Status
from tierfleet.api.poolstatus import PoolReason
from tierfleet.planning.enforcement import Enforcement
from tierfleet.planning.published import PATIENCE

_SAID = 400
"""Characters of what a replica says that are told."""

_REPORTED = {
    PoolReason.ENFORCED,
    PoolReason.PER_REPLICA_SHARES,
    PoolReason.PLAN_REFUSED,
    PoolReason.PLAN_OVERDUE,
    PoolReason.ROLLING_OUT,
}

_SECONDS = round(PATIENCE.total_seconds())


def of_pool(found: Enforcement, before: Condition | None = None) -> Judgement:
    """Whether the ready replicas run the plan that is in force.

    What was found `before` stands until one of them has been asked.
    """
    if found.plan.shadow:
        return _shadow(found, "and nothing is refused")
    if found.unasked and _stands(before):
        return Judgement(before.status, before.reason, before.message)
    if not found.heard:
        return _unheard(found)
    version, total = found.plan.version, found.ready
    if found.refusing:
        first, count = found.refusing[0], len(found.refusing)
        return Judgement(
            Status.FALSE,
            PoolReason.PLAN_REFUSED,
            f"{count} of {total} ready replicas {'refuse' if count > 1 else 'refuses'} plan "
            f"{version}. {first.pod} goes on with {first.version}: {_short(first.problem)}",
        )
    if found.late:
        first = found.late[0]
        what = f"is still at plan {first.version}" if first.version else "has not reported"
        why = f" ({_short(first.problem)})" if first.problem else ""
        return Judgement(
            Status.FALSE,
            PoolReason.PLAN_OVERDUE,
            f"{found.current} of {total} ready replicas report plan {version}, which all are given "
            f"within {_SECONDS} s. {first.pod} {what}{why}. Look at its sidecar's log and at its "
            "node.",
        )
    others = f"; the others are given it within {_SECONDS} s" if found.waited else ""
    told = f"{found.current} of {total} ready replicas report plan {version}{others}."
    if sum(group.desired for group in found.plan.groups) <= 1:
        return Judgement(Status.TRUE, PoolReason.ENFORCED, told)
    return Judgement(
        Status.TRUE,
        PoolReason.PER_REPLICA_SHARES,
        f"{told} Each counts limits and contracts by its share of them, which is approximate where "
        "callers come to replicas unevenly: there is no ledger yet.",
    )


def of_reservation(uid: str, found: Enforcement, before: Condition | None = None) -> Judgement:
    """Whether the plans that ready replicas run have the contract.

    In an older form while that may be, as for the pool; but not before it is in all of them.
    """
    if found.plan.shadow:
        return _shadow(found, "whatever is guaranteed")
    if found.unasked and _stands(before):
        return Judgement(before.status, before.reason, before.message)
    pool = of_pool(found)
    if pool.status is Status.UNKNOWN:
        return pool
    if uid in found.contracts or (pool.status is Status.TRUE and uid in found.known):
        return Judgement(
            Status.TRUE,
            PoolReason.ENFORCED,
            "Every ready replica reports a plan with this reservation.",
        )
    if pool.status is Status.FALSE:
        return pool
    return Judgement(
        Status.UNKNOWN,
        PoolReason.ROLLING_OUT,
        "Not every ready replica has reported yet that it runs a plan with this reservation; all "
        f"are given it within {_SECONDS} s.",
    )


def _stands(before: Condition | None) -> TypeGuard[Condition]:
    """True for what replicas have reported."""
    return before is not None and before.reason in _REPORTED


def _shadow(found: Enforcement, then: str) -> Judgement:
    return Judgement(
        Status.FALSE,
        PoolReason.SHADOW,
        f"TierPolicy {found.plan.policy!r} says Shadow: first come, first served, {then}. Set its "
        "enforcement to Enforce.",
    )


def _unheard(found: Enforcement) -> Judgement:
    told = sorted(one for one in (*found.late, *found.waited) if one.problem)
    why = (
        f" {told[0].pod}: {_short(told[0].problem)} The operator has to reach the admin port of "
        "the pool's pods."
        if told
        else ""
    )
    return Judgement(
        Status.UNKNOWN,
        PoolReason.NO_REPORTS,
        f"No ready replica has reported yet which version of the plan it runs.{why}",
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SAID else f"{line[:_SAID]}…"
