"""The PodDisruptionBudget of a pool: what a node drain may take at once.

One for the whole pool: an eviction fails when two budgets select the same pod. It does not restrain
rollouts; those are bounded by the Deployments.

It says how many have to stay, of those that are wanted. As `maxUnavailable` it would count
from what the Deployments ask for, and these are made smaller when an evicted replica finds no
device: the drain of a pool's only nodes would then go on to its last replica.

Who evicts one pod of a replica of several nodes ends the whole replica, and its other pods are not
evicted but deleted. So all of them are counted, and no more than one of each may go.
"""

from tierfleet.api import InferencePool
from tierfleet.manifests import labels, metadata, names
from tierfleet.manifests.metadata import Raw
from tierfleet.planning.placement import Placement


def budget(pool: InferencePool, placement: Placement) -> Raw:
    """All but `disruption.maxUnavailable`; a pod that is not ready anyway may always go."""
    name = pool.metadata.name
    workers = {a.name: a.nodes_per_replica - 1 for a in pool.spec.accelerators}
    beside = sum(n * workers[on] for on, n in placement.desired.items())
    pods = labels.with_workers(name) if pool.spec.on_several_nodes else labels.selector(name)
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata.of(pool, names.disruption_budget(name), "disruption"),
        "spec": {
            "minAvailable": max(
                0, placement.wanted + beside - pool.spec.disruption.max_unavailable
            ),
            "selector": {"matchLabels": pods},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
