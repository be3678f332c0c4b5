"""The sidecar container: a native sidecar (KEP-753), so it starts before the engine and ends after.

Everything that the kubelet probes goes through its admin port, because the engine listens on
loopback only.
"""

from tierfleet.api import InferencePool
from tierfleet.api.accelerator import Accelerator
from tierfleet.manifests.metadata import Raw

NAME = "sidecar"
DATA_PORT = "http"
ADMIN_PORT = "admin"
PLAN_VOLUME = "plan"
PLAN_PATH = "/etc/tierfleet/plan"

_ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - the kubelet and callers come to the pod's address


def container(pool: InferencePool, accelerator: Accelerator) -> Raw:
    """The sidecar, an init container that keeps running."""
    spec = pool.spec.sidecar
    return {
        "name": NAME,
        "image": spec.image,
        "restartPolicy": "Always",
        "args": _args(pool),
        "env": [{"name": "TIERFLEET_GROUP", "value": accelerator.name}],
        "ports": [
            {"name": DATA_PORT, "containerPort": spec.port, "protocol": "TCP"},
            {"name": ADMIN_PORT, "containerPort": spec.admin_port, "protocol": "TCP"},
        ],
        "resources": spec.resources.to_raw(),
        "startupProbe": {**_probe("/healthz"), "periodSeconds": 1, "failureThreshold": 120},
        "livenessProbe": {**_probe("/healthz"), "periodSeconds": 10, "failureThreshold": 3},
        "readinessProbe": {**_probe("/readyz"), "periodSeconds": 2, "failureThreshold": 2},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": PLAN_VOLUME, "mountPath": PLAN_PATH, "readOnly": True}],
    }


def _args(pool: InferencePool) -> list[str]:
    spec = pool.spec
    options = {
        "--plan": PLAN_PATH,
        "--group": "$(TIERFLEET_GROUP)",
        "--upstream": f"http://127.0.0.1:{spec.engine.port}",
        "--host": _ALL_ADDRESSES,
        "--port": spec.sidecar.port,
        "--admin-host": _ALL_ADDRESSES,
        "--admin-port": spec.sidecar.admin_port,
        "--drain-timeout-seconds": spec.drain_timeout_seconds,
    }
    return ["sidecar", *(str(part) for option in options.items() for part in option)]


def _probe(path: str) -> Raw:
    return {"httpGet": {"path": path, "port": ADMIN_PORT}, "timeoutSeconds": 2}
