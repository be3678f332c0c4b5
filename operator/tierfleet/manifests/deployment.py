"""The Deployment of a pool's replicas on one accelerator, each of which takes one node."""

from tierfleet.api import InferencePool
from tierfleet.api.accelerator import Accelerator
from tierfleet.manifests import labels, metadata, names, pod
from tierfleet.manifests.metadata import Raw
from tierfleet.manifests.secrets import Tokens

KIND = "Deployment"
REVISION_LABEL = "pod-template-hash"
"""Label of its pods: which template they were made from."""

_SLACK_SECONDS = 600
"""For pulling an image, beside draining the old replica and starting the new one."""


def deployment(pool: InferencePool, accelerator: Accelerator, replicas: int, tokens: Tokens) -> Raw:
    """That many replicas.

    An update never surges: the new replica needs the devices of the old one.
    """
    name = pool.metadata.name
    own = {labels.ACCELERATOR: accelerator.name}
    return {
        "apiVersion": "apps/v1",
        "kind": KIND,
        "metadata": metadata.of(pool, names.replicas(name, accelerator.name), "replica", **own),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {**labels.selector(name), **own}},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {
                    "maxSurge": 0,
                    "maxUnavailable": pool.spec.disruption.max_unavailable,
                },
            },
            "progressDeadlineSeconds": (
                pool.spec.engine.startup_timeout_seconds
                + pod.grace_period_seconds(pool)
                + _SLACK_SECONDS
            ),
            "revisionHistoryLimit": 3,
            "template": pod.template(pool, accelerator, tokens.hook, REVISION_LABEL),
        },
    }
