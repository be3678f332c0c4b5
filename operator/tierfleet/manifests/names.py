"""The names of a pool's children.

A pool's name has at most 40 characters and an accelerator's at most 15, so that every name here is
a DNS label (63) and leaves room for the suffix of a Deployment's pods.
"""

from tierfleet.api import Key


def replicas(pool: str, accelerator: str) -> str:
    """The replicas on one accelerator."""
    return f"{pool}-{accelerator}"


def service(pool: str) -> str:
    """Where callers reach the pool."""
    return pool


def url(key: Key, port: int) -> str:
    """Base URL of the pool inside the cluster."""
    namespace, pool = key
    return f"http://{service(pool)}.{namespace}.svc:{port}"


def disruption_budget(pool: str) -> str:
    """The PodDisruptionBudget over all replicas."""
    return pool


def gateway_pool(pool: str) -> str:
    """The InferencePool of the Gateway API Inference Extension."""
    return pool


def plan_index(pool: str) -> str:
    """The Secret with the plan's index."""
    return f"{pool}-plan"


def plan_shard(pool: str, shard: str) -> str:
    """The Secret with one shard of the plan's tenants, by hex digit."""
    return f"{pool}-plan-{shard}"


def tokens(pool: str) -> str:
    """The Secret with the tokens of the admin port."""
    return f"{pool}-tokens"
