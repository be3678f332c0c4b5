"""All child objects of a pool, in the order in which they are applied."""

from tierfleet.api import InferencePool
from tierfleet.api.inferencepool import GatewayMode
from tierfleet.manifests import deployment, disruption, gateway, secrets, service
from tierfleet.manifests.metadata import Raw
from tierfleet.manifests.secrets import Tokens
from tierfleet.planning.pool import PoolPlan


def children(pool: InferencePool, pool_plan: PoolPlan, tokens: Tokens) -> tuple[Raw, ...]:
    """The children that the plan wants; none if the pool is held, which is not a wish to delete.

    What pods mount comes before the pods, and the plan's index after the parts that it names. An
    accelerator without replicas keeps its Deployment: its last pods may still be draining.
    """
    if pool_plan.plan is None:
        return ()
    return (
        secrets.tokens(pool, tokens),
        *secrets.plan(pool, pool_plan.plan),
        service.service(pool),
        disruption.budget(pool, pool_plan.placement.wanted),
        *_gateway(pool),
        *(
            deployment.deployment(
                pool, accelerator, pool_plan.placement.desired[accelerator.name], tokens
            )
            for accelerator in pool.spec.accelerators
        ),
    )


def _gateway(pool: InferencePool) -> tuple[Raw, ...]:
    options = pool.spec.gateway
    if options.inference_pool is GatewayMode.NEVER or options.endpoint_picker_ref is None:
        return ()
    return (gateway.inference_pool(pool, options.endpoint_picker_ref),)
