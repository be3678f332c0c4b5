"""The PodDisruptionBudget of a pool: what a node drain may take at once.

One for the whole pool: an eviction fails when two budgets select the same pod. It does not restrain
rollouts; those are bounded by the Deployments.
"""

from tierfleet.api import InferencePool
from tierfleet.manifests import labels, metadata, names
from tierfleet.manifests.metadata import Raw


def budget(pool: InferencePool) -> Raw:
    """At most `disruption.maxUnavailable`; a pod that is not ready anyway may always go."""
    name = pool.metadata.name
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata.of(pool, names.disruption_budget(name), "disruption"),
        "spec": {
            "maxUnavailable": pool.spec.disruption.max_unavailable,
            "selector": {"matchLabels": labels.selector(name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
