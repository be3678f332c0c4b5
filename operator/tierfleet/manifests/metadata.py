"""What every child carries: whose it is, in labels and in its owner reference."""

from typing import Any

from tierfleet.api import API_VERSION, InferencePool
from tierfleet.manifests import labels

Raw = dict[str, Any]
"""An API object, or a part of one, as JSON."""


def of(pool: InferencePool, name: str, component: str, **more: str) -> Raw:
    """Metadata of a child; it goes with the pool (garbage collection by owner reference)."""
    return {
        "name": name,
        "namespace": pool.metadata.namespace,
        "labels": labels.common(pool.metadata.name, component) | more,
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": pool.kind,
                "name": pool.metadata.name,
                "uid": pool.metadata.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
