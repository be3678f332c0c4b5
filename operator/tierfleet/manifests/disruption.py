"""The PodDisruptionBudget of a pool: what a node drain may take at once.

One for the whole pool: an eviction fails when two budgets select the same pod. It does not restrain
rollouts; those are bounded by the Deployments.

It says how many have to stay, of those that are wanted. As `maxUnavailable` it would count
from what the Deployments ask for, and these are made smaller when an evicted replica finds no
device: the drain of a pool's only nodes would then go on to its last replica.
"""

from tierfleet.api import InferencePool
from tierfleet.manifests import labels, metadata, names
from tierfleet.manifests.metadata import Raw


def budget(pool: InferencePool, wanted: int) -> Raw:
    """All but `disruption.maxUnavailable`; a pod that is not ready anyway may always go."""
    name = pool.metadata.name
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata.of(pool, names.disruption_budget(name), "disruption"),
        "spec": {
            "minAvailable": max(0, wanted - pool.spec.disruption.max_unavailable),
            "selector": {"matchLabels": labels.selector(name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
