"""The sentences about whether every planned replica serves, and what keeps one from it."""

from collections import Counter
from collections.abc import Mapping, Sequence

from tierfleet.api import InferencePool
from tierfleet.api.conditions import Judgement, Status
from tierfleet.api.poolstatus import PoolReason
from tierfleet.planning.placement import Placement
from tierfleet.planning.snapshot import Fault, Pod, PoolKey, Trouble


def serving(
    pool: InferencePool,
    placement: Placement,
    pods: Sequence[Pod],
    outdated: int,
    held: Mapping[str, PoolKey],
) -> Judgement:
    """Whether as many replicas as planned are ready on each accelerator, as the spec says now.

    `pods` are the pool's, those that only work for a replica too. `outdated` is how many replicas
    do not run the planned pod template, ready or not. `held` are accelerators on which replicas
    wait for a pool to give up devices.
    """
    live = [pod for pod in pods if not pod.finished and not pod.terminating]
    on = Counter(pod.accelerator for pod in live if pod.ready and pod.pool is not None)
    ready = sum(min(desired, on[name]) for name, desired in placement.desired.items())
    counted = f"{ready} of {placement.total} replicas are ready"
    if ready == placement.total and not outdated:
        return Judgement(Status.TRUE, PoolReason.READY, f"{counted}.")
    troubled = sorted((pod.name, pod.trouble) for pod in live if pod.trouble and not pod.ready)
    if troubled:
        return Judgement(
            Status.FALSE, PoolReason.CANNOT_START, f"{counted}. {_cannot_start(troubled)}"
        )
    if outdated:
        return Judgement(
            Status.FALSE,
            PoolReason.ROLLING_OUT,
            f"{outdated} replicas, of {placement.total} planned, are still to be brought up to "
            f"date with the spec: at most {pool.spec.disruption.max_unavailable} at a time, one "
            "accelerator after the other.",
        )
    if held:
        return Judgement(Status.FALSE, PoolReason.DEVICES_HELD, f"{counted}. {_holds(pool, held)}")
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


def _holds(pool: InferencePool, held: Mapping[str, PoolKey]) -> str:
    """The first of them."""
    accelerator, (namespace, name) = min(held.items())
    if (namespace, name) == pool.key:
        return f"{accelerator}: the replicas of before, under another name, have to go first."
    where = "" if namespace == pool.key[0] else f" of namespace {namespace}"
    return (
        f"{accelerator}: pool {name}{where} still asks for more such devices than it is granted; "
        "they are taken as soon as it does not. Its conditions, or the operator's log, tell what "
        "keeps it."
    )


def _cannot_start(pods: Sequence[tuple[str, Trouble]]) -> str:
    """The first of them, and how many there are."""
    (name, trouble), *others = pods
    more = f" {len(others)} more have such trouble." if others else ""
    return f"Pod {name} cannot start: {_why(name, trouble)}.{more}"


def _why(pod: str, trouble: Trouble) -> str:
    match trouble.fault:
        case Fault.IMAGE:
            return (
                f"the image {trouble.detail} of container {trouble.container} cannot be pulled. "
                "Correct it, or name a Secret that may read it in spec.engine.imagePullSecrets"
            )
        case Fault.CONFIGURATION:
            return f"container {trouble.container} cannot be made: {trouble.detail.rstrip('.')}"
        case Fault.CRASH:
            return (
                f"container {trouble.container} ends with status {trouble.detail} again and again. "
                f"`kubectl logs {pod} --container={trouble.container} --previous` tells why"
            )
