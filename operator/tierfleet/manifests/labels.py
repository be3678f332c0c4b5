"""The labels that tell whose a child is.

What selects pods must never change while a pool exists: a Deployment's selector is immutable.
"""

from collections.abc import Mapping

from tierfleet.api import GROUP

POOL = f"{GROUP}/pool"
"""The InferencePool that an object belongs to."""
ACCELERATOR = f"{GROUP}/accelerator"
"""The accelerator, of those in the pool's spec, that a pod runs on."""

MANAGER = "tierfleet"


def selector(pool: str) -> dict[str, str]:
    """Labels that select all pods of the pool, in its namespace."""
    return {POOL: pool}


def selector_text(labels: Mapping[str, str]) -> str:
    """The labels as a label selector in one line, as `kubectl -l` takes it."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def common(pool: str, component: str) -> dict[str, str]:
    """Labels of every child: the recommended ones of Kubernetes, and whose it is."""
    return {
        "app.kubernetes.io/name": MANAGER,
        "app.kubernetes.io/instance": pool,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": MANAGER,
        **selector(pool),
    }
