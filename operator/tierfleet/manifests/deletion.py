"""What a pod is told about itself before its Deployment shrinks: one annotation, applied by itself.

Not part of the pod template: that would restart every replica.
"""

from tierfleet.manifests.metadata import Raw

COST = "controller.kubernetes.io/pod-deletion-cost"
"""Annotation of a pod; of those that are ready the one of the lowest cost goes first (KEP-2255)."""


def cost(namespace: str, name: str, uid: str, number: int) -> Raw:
    """The pod of that uid, as far as it costs so much to give it up (an int32)."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": uid,
            "annotations": {COST: str(number)},
        },
    }
