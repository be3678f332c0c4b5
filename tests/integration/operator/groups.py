"""Groups of pods that LeaderWorkerSet makes, in the words of the stories about them."""

from e2e.leaderworkersets import KIND
from e2e.wait import wait_until
from e2e.world import H100, PATIENCE_SECONDS, Document, World

WIDE = H100 | {
    "devicesPerReplica": 8,
    "nodesPerReplica": 2,
    "capacity": {"serviceTokensPerSecond": 30000},
}
"""An accelerator whose replicas take two nodes each."""

NAME_LABEL = "leaderworkerset.sigs.k8s.io/name"


def asked_for(world: World, name: str, replicas: int) -> Document:
    """The LeaderWorkerSet, once it asks for so many groups."""

    def found() -> Document | None:
        there = world.find(KIND, name)
        return there if there and there["spec"]["replicas"] == replicas else None

    there = wait_until(
        found, timeout=PATIENCE_SECONDS, why=f"LeaderWorkerSet {name} of {replicas} groups"
    )
    assert there is not None
    return there


def made(world: World, name: str, replicas: int) -> list[Document]:
    """All pods of so many groups, by name, once there are these, ready, and no others."""
    size = asked_for(world, name, replicas)["spec"]["leaderWorkerTemplate"]["size"]
    wanted = [
        f"{name}-{group}" + (f"-{index}" if index else "")
        for group in range(replicas)
        for index in range(size)
    ]

    def there() -> list[Document] | None:
        pods = world.all("pods", f"--selector={NAME_LABEL}={name}")
        pods.sort(key=lambda pod: str(pod["metadata"]["name"]))
        as_wanted = [pod["metadata"]["name"] for pod in pods] == sorted(wanted)
        return pods if as_wanted and all(map(_ready, pods)) else None

    pods = wait_until(there, timeout=PATIENCE_SECONDS, why=f"just {wanted} to be ready")
    assert pods is not None
    return pods


def _ready(pod: Document) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return "deletionTimestamp" not in pod["metadata"] and any(
        (one["type"], one["status"]) == ("Ready", "True") for one in conditions
    )
