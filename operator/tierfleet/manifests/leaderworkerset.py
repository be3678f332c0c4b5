"""The LeaderWorkerSet of a pool's replicas on one accelerator, each of which takes several nodes.

A kind of kubernetes-sigs/lws (API reference `leaderworkerset.x-k8s.io/v1`), in place of the
Deployment: a replica is a group of pods, the first of which leads. What it would default is said
here, so that a difference means drift.
"""

from tierfleet.api import InferencePool
from tierfleet.api.accelerator import Accelerator
from tierfleet.manifests import labels, metadata, names, pod
from tierfleet.manifests.metadata import Raw
from tierfleet.manifests.secrets import Tokens

KIND = "LeaderWorkerSet"
REVISION_LABEL = "leaderworkerset.sigs.k8s.io/template-revision-hash"
"""Label of its pods: which template they were made from."""


def leader_worker_set(
    pool: InferencePool, accelerator: Accelerator, replicas: int, tokens: Tokens
) -> Raw:
    """That many replicas.

    An update never surges, as with a Deployment. A replica whose pods are not all there cannot go
    on, so all of them start anew together.
    """
    name = names.replicas(pool.metadata.name, accelerator.name)
    own = {labels.ACCELERATOR: accelerator.name}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": KIND,
        "metadata": metadata.of(pool, name, "replica", **own),
        "spec": {
            "replicas": replicas,
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {
                    "partition": 0,
                    "maxSurge": 0,
                    "maxUnavailable": pool.spec.disruption.max_unavailable,
                },
            },
            "startupPolicy": "LeaderCreated",
            "networkConfig": {"subdomainPolicy": "Shared"},
            "leaderWorkerTemplate": {
                "size": accelerator.nodes_per_replica,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": pod.template(pool, accelerator, tokens.hook, REVISION_LABEL),
                "workerTemplate": pod.worker_template(pool, accelerator),
            },
        },
    }
