"""Engines without tierfleet in front of them, to compare with. It must not know by what."""

from typing import Any

from e2e.images.build import tag

PORT = 8000
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - nothing stands in front of them

_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def engines(
    name: str, replicas: int, model: str, seats: int, *options: str
) -> list[dict[str, Any]]:
    """A Deployment and a Service of simulated engines that callers reach directly.

    Args:
        name: of both.
        replicas: how many engines.
        model: that they serve.
        seats: of each.
        options: more of `tierfleet engine`.
    """
    labels = {"app": name}
    container = {
        "name": "engine",
        "image": tag("engine"),
        "args": [
            *("--host", ANY_ADDRESS, "--port", str(PORT), "--model", model),
            *("--max-num-seqs", str(seats), *options),
        ],
        "readinessProbe": {"httpGet": {"path": "/health", "port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": _RESTRICTED,
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [{"port": PORT}]},
        },
    ]
