"""Which replicas a Deployment that shrinks should rather keep.

It is Kubernetes that chooses: pods that are not ready go first, and of those that are ready the
ones of the lowest deletion cost (KEP-2255). So the work of a replica is asked for only where it
decides between two. It must not know how a replica is asked, nor where a cost is written.
"""

from collections.abc import Iterable

from tierfleet.planning import enforcement
from tierfleet.planning.snapshot import Pod

LARGEST_COST = 2**31 - 1
"""Kubernetes takes an int32."""


def rivals(pods: Iterable[Pod], accelerator: str, deployed: int, wanted: int) -> list[Pod]:
    """The ready replicas of which some will stay and some will go, by name.

    None if the Deployment does not shrink, gives up all, or has enough that are not ready.

    Args:
        pods: of the pool.
        accelerator: of the Deployment.
        deployed: replicas that it asks for now.
        wanted: replicas that it is to ask for.
    """
    ready = [
        pod
        for pod in pods
        if pod.accelerator == accelerator and pod.ready and enforcement.asked(pod)
    ]
    chosen = wanted < deployed and 0 < wanted < len(ready)
    return sorted(ready, key=lambda pod: pod.name) if chosen else []


def cost(in_flight: int) -> int:
    """What it costs to give up a replica with so many requests that run or wait."""
    return min(in_flight, LARGEST_COST)
