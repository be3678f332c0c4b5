"""Where the demo plays: a cluster with the examples, and where two replicas are reached."""

from collections.abc import Callable
from dataclasses import dataclass

from e2e.cluster import Cluster


@dataclass(frozen=True)
class Stage:
    """A fleet that serves.

    Attributes:
        cluster: with the operator and the examples.
        straight: base URLs of the engines, where callers go around the sidecars.
        sidecars: base URLs through the sidecars.
        admin: base URL of a sidecar's admin port.
        check: returns if all of it still runs; a PartDownError says what does not.
    """

    cluster: Cluster
    straight: list[str]
    sidecars: list[str]
    admin: str
    check: Callable[[], None]
