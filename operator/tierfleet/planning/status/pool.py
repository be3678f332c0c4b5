"""The status of an InferencePool."""

from collections import Counter
from collections.abc import Sequence

from tierfleet.api import InferencePool
from tierfleet.api.conditions import (
    Judgement,
    Status,
    find,
    judged,
    reconciling,
    stalled,
    summary,
)
from tierfleet.api.poolstatus import (
    AcceleratorStatus,
    CapacityStatus,
    Endpoint,
    InferencePoolStatus,
    PartitionStatus,
    PlanStatus,
    PoolCondition,
    PoolReason,
)
from tierfleet.manifests import labels, names
from tierfleet.plan import PartitionName
from tierfleet.planning.enforcement import Enforcement
from tierfleet.planning.placement import Placement
from tierfleet.planning.pool import PoolPlan
from tierfleet.planning.snapshot import Pod, Snapshot
from tierfleet.planning.status import enforced
from tierfleet.planning.status.known import capacity_known, of_replica
from tierfleet.planning.status.placed import placed, why_not_more
from tierfleet.planning.status.scaled import scaled

_FOR_A_PERSON = {PoolReason.INVALID, PoolReason.NOT_IMPLEMENTED, PoolReason.ROUTING_REQUIRED}
"""Reasons that do not heal by themselves: the spec has to change."""


def summarise_pool(
    snapshot: Snapshot, pool_plan: PoolPlan, enforcement: Enforcement, outdated: int = 0
) -> InferencePoolStatus:
    """The status of the pool; conditions keep their times from the status that it has.

    `outdated` is how many replicas do not run the planned pod template, ready or not.

    Raises:
        KeyError: the snapshot does not have the pool.
    """
    pool = snapshot.pools[pool_plan.key]
    pods = [pod for pod in snapshot.pods_of(pool.key) if not pod.finished and not pod.terminating]
    ready = [pod for pod in pods if pod.ready]
    placement = pool_plan.placement
    version = pool_plan.plan.version if pool_plan.plan else snapshot.recorded_of(pool.key).version
    generation = pool.metadata.generation
    return InferencePoolStatus(
        observed_generation=generation,
        conditions=judged(
            pool.status.conditions,
            _judgements(snapshot, pool_plan, enforcement, ready, outdated),
            generation=generation,
            now=snapshot.now,
        ),
        replicas=len(pods),
        ready_replicas=len(ready),
        selector=labels.selector_text(labels.selector(pool.metadata.name)),
        ready_summary=f"{len(ready)}/{placement.wanted}",
        placement_summary=placement.summary,
        endpoints=(
            Endpoint(
                partition=PartitionName.SLICED, url=names.url(pool.key, pool.spec.sidecar.port)
            ),
        ),
        accelerators=_accelerators(pool, pool_plan, ready),
        capacity=_capacity(pool_plan),
        partitions=_partitions(pool_plan),
        plan=_plan(pool.status.plan, version, enforcement),
    )


def _judgements(
    snapshot: Snapshot,
    pool_plan: PoolPlan,
    enforcement: Enforcement,
    ready: Sequence[Pod],
    outdated: int,
) -> dict[str, Judgement]:
    pool = snapshot.pools[pool_plan.key]
    pods = list(snapshot.pods_of(pool.key))
    judgements: dict[str, Judgement] = {
        PoolCondition.ACCEPTED: pool_plan.accepted,
        PoolCondition.PLACED: placed(pool, pool_plan.placement, pods),
        PoolCondition.CAPACITY_KNOWN: capacity_known(
            pool_plan, snapshot.measured_of(pool.key).sight
        ),
        PoolCondition.ENFORCED: enforced.of_pool(
            enforcement, find(pool.status.conditions, PoolCondition.ENFORCED)
        ),
    }
    of_scale = scaled(pool, pool_plan.placement, snapshot.measured_of(pool.key).sight)
    if of_scale is not None:
        judgements[PoolCondition.SCALED] = of_scale
    all_ready = _rolling_out(pool, pool_plan.placement, outdated)
    all_ready = all_ready or _all_ready(pool_plan.placement, ready)
    whole = summary(judgements, (PoolCondition.ACCEPTED, PoolCondition.PLACED), all_ready)
    judgements[PoolCondition.READY] = whole
    if PoolReason(whole.reason) in _FOR_A_PERSON:
        return {**judgements, **stalled(whole.reason, whole.message)}
    if whole is all_ready and whole.status is not Status.TRUE:
        return {**judgements, **reconciling(whole.reason, whole.message)}
    return judgements


def _rolling_out(pool: InferencePool, placement: Placement, outdated: int) -> Judgement | None:
    if not outdated:
        return None
    return Judgement(
        Status.FALSE,
        PoolReason.ROLLING_OUT,
        f"{outdated} replicas, of {placement.total} planned, are still to be brought up to date "
        f"with the spec: at most {pool.spec.disruption.max_unavailable} at a time, one accelerator "
        "after the other.",
    )


def _all_ready(placement: Placement, pods: Sequence[Pod]) -> Judgement:
    on = Counter(pod.accelerator for pod in pods)
    ready = sum(min(desired, on[name]) for name, desired in placement.desired.items())
    counted = f"{ready} of {placement.total} replicas are ready"
    if ready == placement.total:
        return Judgement(Status.TRUE, PoolReason.READY, f"{counted}.")
    if ready:
        return Judgement(
            Status.FALSE,
            PoolReason.REPLICAS_NOT_READY,
            f"{counted}; the others are starting, loading the model, draining, or wait until those "
            "that serve have taken smaller shares.",
        )
    return Judgement(
        Status.FALSE, PoolReason.STARTING, f"{counted}; each is once it has loaded the model."
    )


def _plan(before: PlanStatus | None, version: str, enforcement: Enforcement) -> PlanStatus | None:
    if not version:
        return None
    if enforcement.unasked and before is not None and before.version == version:
        return before
    return PlanStatus(version=version, enforced_replicas=enforcement.current)


def _accelerators(
    pool: InferencePool, pool_plan: PoolPlan, ready: Sequence[Pod]
) -> tuple[AcceleratorStatus, ...]:
    placed_on = pool_plan.placement.accelerators
    return tuple(
        AcceleratorStatus(
            name=spec.name,
            desired=planned.desired,
            ready=sum(pod.accelerator == spec.name for pod in ready),
            capacity=of_replica(pool_plan.rates[spec.name]),
            message=why_not_more(spec, planned.shortfall),
        )
        for spec, planned in zip(pool.spec.accelerators, placed_on, strict=True)
    )


def _capacity(pool_plan: PoolPlan) -> CapacityStatus:
    capacity = pool_plan.capacity
    return CapacityStatus(
        source=capacity.source,
        since=capacity.since,
        total=capacity.total,
        survivable=capacity.survivable,
        sellable=capacity.sellable,
        promised=pool_plan.promised,
        shared=max(0, capacity.total - pool_plan.promised),
    )


def _partitions(pool_plan: PoolPlan) -> tuple[PartitionStatus, ...]:
    return (
        PartitionStatus(name=PartitionName.RESERVED, service_tokens_per_second=pool_plan.promised),
        PartitionStatus(
            name=PartitionName.SHARED,
            service_tokens_per_second=max(0, pool_plan.capacity.total - pool_plan.promised),
        ),
    )
