"""All child objects of a pool, in the order in which they are applied."""

from tierfleet.api import InferencePool
from tierfleet.api.accelerator import Accelerator
from tierfleet.api.inferencepool import GatewayMode
from tierfleet.manifests import (
    deployment,
    disruption,
    gateway,
    leaderworkerset,
    secrets,
    service,
)
from tierfleet.manifests.metadata import Raw
from tierfleet.manifests.secrets import Tokens
from tierfleet.planning.pool import PoolPlan


def children(pool: InferencePool, pool_plan: PoolPlan, tokens: Tokens) -> tuple[Raw, ...]:
    """The children that the plan wants; none if the pool is held, which is not a wish to delete.

    What pods mount comes before the pods, and the plan's index after the parts that it names. An
    accelerator without replicas keeps what they are made from: its last pods may still be draining.
    """
    if pool_plan.plan is None:
        return ()
    return (
        secrets.tokens(pool, tokens),
        *secrets.plan(pool, pool_plan.plan),
        service.service(pool),
        disruption.budget(pool, pool_plan.placement),
        *_gateway(pool),
        *(
            _replicas(pool, accelerator, pool_plan.placement.desired[accelerator.name], tokens)
            for accelerator in pool.spec.accelerators
        ),
    )


REPLICAS = (deployment.KIND, leaderworkerset.KIND)
"""The kinds of those children that replicas are made from."""


def templates(manifest: Raw) -> Raw:
    """What the pods of such a child are made from; if it differs, every replica is replaced."""
    spec: Raw = manifest["spec"]
    found: Raw = spec["template"] if "template" in spec else spec["leaderWorkerTemplate"]
    return found


def leading(child: Raw) -> Raw:
    """The template of the pods that are its replicas; of one that was edited too."""
    spec: Raw = child["spec"]
    several: Raw = spec.get("leaderWorkerTemplate", {}).get("leaderTemplate", {})
    template: Raw = spec.get("template", several)
    return template


def _replicas(pool: InferencePool, accelerator: Accelerator, count: int, tokens: Tokens) -> Raw:
    if accelerator.nodes_per_replica == 1:
        return deployment.deployment(pool, accelerator, count, tokens)
    return leaderworkerset.leader_worker_set(pool, accelerator, count, tokens)


def _gateway(pool: InferencePool) -> tuple[Raw, ...]:
    options = pool.spec.gateway
    if options.inference_pool is GatewayMode.NEVER or options.endpoint_picker_ref is None:
        return ()
    return (gateway.inference_pool(pool, options.endpoint_picker_ref),)
