"""The sentences about the number of replicas, where the operator decides about it."""

from tierfleet.api import InferencePool
from tierfleet.api.conditions import Judgement, Status
from tierfleet.api.poolstatus import PoolReason
from tierfleet.planning.measured import Sight
from tierfleet.planning.placement import Placement, Scale

_WHY = {
    Scale.AT_TARGET: "as load and promises ask for",
    Scale.MIN_REPLICAS: "because of scaling.minReplicas; the load asks for fewer",
    Scale.PROMISED: "so that what was promised fits; the load asks for fewer",
    Scale.MAX_REPLICAS: "because of scaling.maxReplicas; load or promises ask for more: raise it, "
    "limit the load, or promise less",
    Scale.NO_METRICS: "as there were, because the load is not known:",
}
_MEASURE = "start the operator with --prometheus-url"
_WAIT = "it is once replicas serve and CapacityKnown has no complaint"
_STATUS = {Scale.MAX_REPLICAS: Status.FALSE, Scale.NO_METRICS: Status.UNKNOWN}


def scaled(pool: InferencePool, placement: Placement, sight: Sight) -> Judgement | None:
    """The condition `Scaled`; None unless the mode is Automatic.

    No number in it changes while the load moves and the pool does not.
    """
    scale, wanted = placement.scale, placement.wanted
    if scale is None:
        return None
    status, reason, why = _STATUS.get(scale, Status.TRUE), PoolReason(scale), _WHY[scale]
    if scale is Scale.NO_METRICS:
        why += f" {_MEASURE if sight is Sight.OFF else _WAIT}"
    if placement.total < wanted and status is Status.TRUE:
        status, reason = Status.FALSE, PoolReason.INSUFFICIENT_DEVICES
        why += f"; {placement.total} are placed, and Placed says what the others lack"
    return Judgement(
        status,
        reason,
        f"{wanted} wanted, of {pool.spec.scaling.min_replicas or 1} to {pool.spec.most_replicas}, "
        f"{why}. spec.replicas is not used with scaling.mode Automatic, nor is what kubectl scale "
        "or an HPA writes there: set scaling.minReplicas and scaling.maxReplicas.",
    )
