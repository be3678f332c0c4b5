"""The InferencePool of the Gateway API Inference Extension: how a Gateway reaches the pool's pods.

Another kind than ours of the same name, in the group `inference.networking.k8s.io`: a selector of
pods, and who picks one for a request. Its API reference is that of version 1.
"""

from tierfleet.api import InferencePool
from tierfleet.api.inferencepool import EndpointPickerRef
from tierfleet.manifests import labels, metadata, names
from tierfleet.manifests.metadata import Raw


def inference_pool(pool: InferencePool, picker: EndpointPickerRef) -> Raw:
    """Every pod of the pool, on the port that its sidecar serves on: nobody goes past admission."""
    name = pool.metadata.name
    return {
        "apiVersion": "inference.networking.k8s.io/v1",
        "kind": "InferencePool",
        "metadata": metadata.of(pool, names.gateway_pool(name), "gateway"),
        "spec": {
            "selector": {"matchLabels": labels.selector(name)},
            "targetPorts": [{"number": pool.spec.sidecar.port}],
            "endpointPickerRef": {
                "kind": "Service",
                "name": picker.name,
                "port": {"number": picker.port.number},
                "failureMode": picker.failure_mode,
            },
        },
    }
