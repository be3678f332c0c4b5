"""The pools whose children the tests look at, with fixed plans."""

import json
from typing import Any

from tests.unit.api.documents import MINIMAL, changed, full
from tests.unit.planning.world import H100, NAMESPACE, PRODUCT, TOKENS, nodes, policy, secret, world
from tierfleet.api import InferencePool
from tierfleet.manifests import Tokens, children
from tierfleet.planning.devices import grant
from tierfleet.planning.pool import PoolPlan, plan_pool

CLEAR = Tokens(admin="admin", hook="hook")

_BUILT: dict[str, Any] = {
    "policyRef.name": "standard",
    "access": {},
    "scaling": {"mode": "Manual"},
    "partitioning": {"mode": "Sliced"},
}


def everything() -> InferencePool:
    """A pool with every field that there is, as far as it is built."""
    return parsed(changed(full()["InferencePool"], **_BUILT))


def minimal(**changes: Any) -> InferencePool:
    """A pool with only what is required, and these fields changed."""
    built = {"policyRef.name": "standard"}
    return parsed(changed(MINIMAL["InferencePool"], **(built | changes)))


def several_nodes(**changes: Any) -> InferencePool:
    """A pool whose replicas take eight devices on each of two nodes, and these fields changed."""
    pair = {"accelerators[0].devicesPerReplica": 8, "accelerators[0].nodesPerReplica": 2}
    return minimal(**(pair | changes))


def parsed(document: dict[str, Any]) -> InferencePool:
    metadata = document["metadata"] | {"uid": "11111111-2222-3333-4444-555555555555"}
    return InferencePool.model_validate(document | {"metadata": metadata})


def planned(pool: InferencePool) -> PoolPlan:
    """Its plan on two nodes of eight H100."""
    labels = {PRODUCT: H100, "topology.kubernetes.io/zone": "a"}
    fleet = world(pool, policy(), tenants=(secret("acme"),), nodes=nodes(H100, 2, labels=labels))
    assert pool.key[0] == NAMESPACE
    return plan_pool(fleet, pool.key, grant(fleet, [pool.key])[pool.key], TOKENS)


def objects(pool: InferencePool) -> dict[tuple[str, str], Any]:
    """The children by kind and name, through JSON: what is not plain data fails here."""
    made = children(pool, planned(pool), CLEAR)
    plain = json.loads(json.dumps(made))
    return {(child["kind"], child["metadata"]["name"]): child for child in plain}


def pod_spec(pool: InferencePool, accelerator: str = "h100") -> Any:
    """The pods on one accelerator."""
    deployment = objects(pool)[("Deployment", f"{pool.metadata.name}-{accelerator}")]
    return deployment["spec"]["template"]["spec"]


def engine(pool: InferencePool, accelerator: str = "h100") -> Any:
    """The engine's container on one accelerator."""
    return pod_spec(pool, accelerator)["containers"][0]
