"""The status of an InferencePool."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

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
from tierfleet.planning.pool import PoolPlan
from tierfleet.planning.snapshot import Pod, PoolKey, Snapshot
from tierfleet.planning.status import enforced
from tierfleet.planning.status.known import capacity_known, of_replica, of_request
from tierfleet.planning.status.placed import placed, why_not_more
from tierfleet.planning.status.scaled import scaled
from tierfleet.planning.status.serving import serving

_NOTHING_HELD: Mapping[str, PoolKey] = MappingProxyType({})
_FOR_A_PERSON = {PoolReason.INVALID, PoolReason.NOT_IMPLEMENTED, PoolReason.ROUTING_REQUIRED}
"""Reasons that do not heal by themselves: the spec has to change."""


def summarise_pool(
    snapshot: Snapshot,
    pool_plan: PoolPlan,
    enforcement: Enforcement,
    outdated: int = 0,
    held: Mapping[str, PoolKey] = _NOTHING_HELD,
) -> InferencePoolStatus:
    """The status of the pool; conditions keep their times from the status that it has.

    Args:
        snapshot: has it.
        pool_plan: what was planned from the snapshot.
        enforcement: what its replicas run.
        outdated: how many replicas do not run the planned pod template, ready or not.
        held: accelerators whose planned replicas may not be asked for yet, and the pool that has to
            give up devices first: itself, if it has them under another name.

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
            _judgements(snapshot, pool_plan, enforcement, outdated, held),
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
    outdated: int,
    held: Mapping[str, PoolKey],
) -> dict[str, Judgement]:
    pool = snapshot.pools[pool_plan.key]
    pods = [*snapshot.pods_of(pool.key), *snapshot.workers_of(pool.key)]
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
    all_ready = serving(pool, pool_plan.placement, pods, outdated, held)
    whole = summary(judgements, (PoolCondition.ACCEPTED, PoolCondition.PLACED), all_ready)
    judgements[PoolCondition.READY] = whole
    if PoolReason(whole.reason) in _FOR_A_PERSON:
        return {**judgements, **stalled(whole.reason, whole.message)}
    if whole is all_ready and whole.status is not Status.TRUE:
        return {**judgements, **reconciling(whole.reason, whole.message)}
    return judgements


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
        mean_cost=None if pool_plan.mean_cost is None else of_request(pool_plan.mean_cost),
    )


def _partitions(pool_plan: PoolPlan) -> tuple[PartitionStatus, ...]:
    return (
        PartitionStatus(name=PartitionName.RESERVED, service_tokens_per_second=pool_plan.promised),
        PartitionStatus(
            name=PartitionName.SHARED,
            service_tokens_per_second=max(0, pool_plan.capacity.total - pool_plan.promised),
        ),
    )
