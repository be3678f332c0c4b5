"""The labels that tell whose a child is.

What selects pods must never change while a pool exists: a Deployment's selector is immutable.
"""

from collections.abc import Mapping

from tierfleet.api import GROUP

POOL = f"{GROUP}/pool"
"""The InferencePool that an object belongs to."""
ACCELERATOR = f"{GROUP}/accelerator"
"""The accelerator, of those in the pool's spec, that a pod runs on."""
WORKER_OF = f"{GROUP}/worker-of"
"""The InferencePool that a pod works for beside a replica's leader. It has this instead of POOL:
what selects replicas (Services, metrics, the scale subresource) must not find it."""

MANAGER = "tierfleet"
_MANAGED_BY = "app.kubernetes.io/managed-by"
_INSTANCE = "app.kubernetes.io/instance"


def selector(pool: str) -> dict[str, str]:
    """Labels that select all replicas of the pool, in its namespace."""
    return {POOL: pool}


def with_workers(pool: str) -> dict[str, str]:
    """Labels that select all pods of the pool, in its namespace, workers too."""
    return {_INSTANCE: pool, _MANAGED_BY: MANAGER}


def selector_text(labels: Mapping[str, str]) -> str:
    """The labels as a label selector in one line, as `kubectl -l` takes it."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def common(pool: str, component: str) -> dict[str, str]:
    """Labels of every child: the recommended ones of Kubernetes, and whose it is."""
    return _recommended(pool, component) | selector(pool)


def worker(pool: str) -> dict[str, str]:
    """Labels of a pod that works beside a replica's leader."""
    return _recommended(pool, "worker") | {WORKER_OF: pool}


def _recommended(pool: str, component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": MANAGER,
        _INSTANCE: pool,
        "app.kubernetes.io/component": component,
        _MANAGED_BY: MANAGER,
    }
