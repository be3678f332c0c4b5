"""The sentences about placement: where replicas are, and why there are not more."""

from collections.abc import Sequence

from tierfleet.api import InferencePool
from tierfleet.api.accelerator import Accelerator
from tierfleet.api.conditions import Judgement, Status
from tierfleet.api.poolstatus import PoolReason
from tierfleet.planning.placement import Limit, Placement, Shortfall
from tierfleet.planning.snapshot import Pod


def placed(pool: InferencePool, placement: Placement, pods: Sequence[Pod]) -> Judgement:
    """The condition `Placed`: whether every wanted replica has devices, or what is missing.

    `pods` are the pool's, those that only work for a replica too.
    """
    if not placement.wanted:
        return Judgement(Status.TRUE, PoolReason.SCALED_TO_ZERO, "No replica is asked for.")
    if placement.total < placement.wanted:
        return _missing(pool, placement)
    refused = _refused(pool, placement, pods)
    if refused:
        return Judgement(
            Status.FALSE,
            PoolReason.UNSCHEDULABLE,
            f"There are devices for {refused.accelerator}, but the scheduler finds no node for pod "
            f"{refused.name}: {refused.message or 'it gives no reason.'}",
        )
    return Judgement(
        Status.TRUE,
        PoolReason.PLACED,
        f"{_replicas(placement.wanted)} placed: {placement.summary}.",
    )


def why_not_more(accelerator: Accelerator, shortfall: Shortfall | None) -> str | None:
    """Why there are not more replicas on the accelerator; None if no more were wanted."""
    if shortfall is None:
        return None
    products = " or ".join(accelerator.products)
    labels = "".join(f" and {key}={value}" for key, value in accelerator.node_selector.items())
    match shortfall.limit:
        case Limit.MAX_REPLICAS:
            return f"maxReplicas is {accelerator.max_replicas}; {shortfall.wanted} were wanted."
        case Limit.MOVING:
            return (
                f"{_replicas(shortfall.wanted)} wanted, and there is room again: those on less "
                "preferred accelerators move once that has lasted, no more at a time than "
                "disruption.maxUnavailable."
            )
        case Limit.NO_SUCH_ACCELERATOR:
            return (
                f"No node has {accelerator.product_label}={products}{labels}; "
                f"{_replicas(shortfall.wanted)} wanted. Add such nodes, or correct products."
            )
        case Limit.LEADER_WORKER_SET_MISSING:
            return (
                f"{_replicas(shortfall.wanted)} wanted of {accelerator.nodes_per_replica} nodes "
                "each, which need LeaderWorkerSet, and the cluster does not know "
                "leaderworkersets.leaderworkerset.x-k8s.io (v1). Install LeaderWorkerSet 0.9 or "
                "newer; they are made once it is there."
            )
    wanted = f"{_replicas(shortfall.wanted)} wanted with {_devices(accelerator)}"
    sentences = [f"{wanted}, room found for {shortfall.found}."]
    if shortfall.stranded:
        sentences.append(
            f"{shortfall.stranded} free {_are(shortfall.stranded)} on nodes that have too few left."
            if accelerator.nodes_per_replica == 1
            else f"{shortfall.stranded} more {_are(shortfall.stranded)} free, which are not enough "
            "or not together."
        )
    if shortfall.closed:
        nodes = "node of this product takes" if shortfall.closed == 1 else "nodes take"
        sentences.append(
            f"{shortfall.closed} {nodes} no new pods (not ready, cordoned or tainted)."
        )
    return " ".join(sentences)


def _devices(accelerator: Accelerator) -> str:
    """What one replica takes, and where."""
    each = f"{accelerator.devices_per_replica} {accelerator.resource} on"
    nodes = accelerator.nodes_per_replica
    return f"{each} one node each" if nodes == 1 else f"{each} each of {nodes} nodes"


def _missing(pool: InferencePool, placement: Placement) -> Judgement:
    shortfalls = {a.name: a.shortfall for a in placement.accelerators if a.shortfall}
    if not shortfalls:
        return Judgement(
            Status.UNKNOWN,
            PoolReason.PENDING,
            f"{placement.total} of {_replicas(placement.wanted)} placed; nothing is added before "
            "the pool is accepted.",
        )
    limits = {shortfall.limit for shortfall in shortfalls.values()}
    reason = next(
        (
            PoolReason(limit)
            for limit in (
                Limit.LEADER_WORKER_SET_MISSING,
                Limit.INSUFFICIENT_DEVICES,
                Limit.NO_SUCH_ACCELERATOR,
            )
            if limit in limits
        ),
        PoolReason.MAX_REPLICAS,
    )
    details = " ".join(
        f"{accelerator.name}: {why_not_more(accelerator, shortfalls[accelerator.name])}"
        for accelerator in pool.spec.accelerators
        if accelerator.name in shortfalls
    )
    return Judgement(
        Status.FALSE,
        reason,
        f"{placement.total} of {_replicas(placement.wanted)} placed: {placement.summary}. {details}"
        f" {_next_step(reason, placement)}".rstrip(),
    )


def _next_step(reason: PoolReason, placement: Placement) -> str:
    fewer = "lower spec.replicas" if placement.scale is None else "lower scaling.maxReplicas"
    if reason is PoolReason.INSUFFICIENT_DEVICES:
        return f"Free devices, add nodes, or {fewer}."
    return f"Raise maxReplicas, or {fewer}." if reason is PoolReason.MAX_REPLICAS else ""


def _refused(pool: InferencePool, placement: Placement, pods: Sequence[Pod]) -> Pod | None:
    """A planned pod that no node takes, although it has devices and none is about to be freed."""
    desired = placement.desired
    for accelerator in pool.spec.accelerators:
        name, nodes = accelerator.name, accelerator.nodes_per_replica
        own = [pod for pod in pods if pod.accelerator == name and not pod.finished]
        waiting = [pod for pod in own if pod.unschedulable and not pod.terminating]
        leaving = sum(pod.terminating for pod in own)
        surplus = max(0, len(own) - leaving - desired[name] * nodes)
        if len(waiting) > leaving + surplus:
            return min(waiting, key=lambda pod: pod.name)
    return None


def _replicas(count: int) -> str:
    return f"{count} replica" if count == 1 else f"{count} replicas"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
