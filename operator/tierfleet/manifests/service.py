"""The Service through which callers reach a pool."""

from tierfleet.api import InferencePool
from tierfleet.manifests import labels, metadata, names
from tierfleet.manifests.metadata import Raw
from tierfleet.manifests.sidecar import DATA_PORT


def service(pool: InferencePool) -> Raw:
    """Every ready sidecar of the pool, on the port that they serve on."""
    name = pool.metadata.name
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata.of(pool, names.service(name), "service"),
        "spec": {
            "type": "ClusterIP",
            "selector": labels.selector(name),
            "ports": [
                {
                    "name": DATA_PORT,
                    "protocol": "TCP",
                    "port": pool.spec.sidecar.port,
                    "targetPort": DATA_PORT,
                    "appProtocol": "http",
                }
            ],
        },
    }
