"""Pods of LeaderWorkerSets, made by hand: its controller does not run here.

Each call does once what the controller would have done by then: the pods of each group with the
labels by which they are known, none beyond the groups that are wanted, and the status.
"""

import json
from pathlib import Path
from typing import Any

from e2e.cluster import Cluster
from e2e.wait import wait_until
from e2e.world import PATIENCE_SECONDS, Document, World

THEIRS = "leaderworkersets.leaderworkerset.x-k8s.io"
_CRD = Path(__file__).with_name("leaderworkerset.yaml")
_PREFIX = "leaderworkerset.sigs.k8s.io"


def install(cluster: Cluster) -> None:
    """Make the cluster know the kind, and return once it does."""
    cluster.apply(_CRD)
    wait_until(
        lambda: cluster.kubectl("get", THEIRS, "--all-namespaces", check=False).returncode == 0,
        timeout=PATIENCE_SECONDS,
        why="the kind to be served",
    )


def uninstall(cluster: Cluster) -> None:
    """Make it know the kind no more."""
    cluster.kubectl("delete", "--ignore-not-found", f"--filename={_CRD}")


def asked_for(world: World, name: str, replicas: int) -> Document:
    """The LeaderWorkerSet, once it asks for so many groups."""

    def found() -> Document | None:
        there = world.find(THEIRS, name)
        return there if there and there["spec"]["replicas"] == replicas else None

    there = wait_until(
        found, timeout=PATIENCE_SECONDS, why=f"LeaderWorkerSet {name} of {replicas} groups"
    )
    assert there is not None
    return there


def carry_out(world: World, name: str, replicas: int) -> list[str]:
    """Wait until it asks for so many groups, and see to it that there are; names all pods."""
    owner = asked_for(world, name, replicas)
    size = owner["spec"]["leaderWorkerTemplate"]["size"]
    wanted = {
        f"{name}-{group}" + (f"-{index}" if index else ""): (group, index)
        for group in range(replicas)
        for index in range(size)
    }
    there = {pod["metadata"]["name"] for pod in _pods(world, name)}
    for gone in there - wanted.keys():
        world.kubectl("delete", "pod", gone, "--wait=false")
    for missing in sorted(wanted.keys() - there):
        world.apply(_pod(owner, missing, *wanted[missing]))
    tell(world, owner, updatedReplicas=replicas, readyReplicas=replicas)
    return sorted(wanted)


def tell(world: World, owner: Document, **status: int) -> None:
    """What the status says of this generation."""
    metadata, counts = owner["metadata"], {"replicas": owner["spec"]["replicas"]} | status
    told = {"status": {"observedGeneration": metadata["generation"], **counts}}
    world.kubectl(
        *("patch", THEIRS, metadata["name"], "--subresource=status", "--type=merge"),
        f"-p={json.dumps(told)}",
    )


def _pods(world: World, name: str) -> list[Document]:
    pods = world.all("pods", f"--selector={_PREFIX}/name={name}")
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def _pod(owner: Document, name: str, group: int, index: int) -> Document:
    templates: Any = owner["spec"]["leaderWorkerTemplate"]
    template = templates["workerTemplate" if index else "leaderTemplate"]
    known = {"name": owner["metadata"]["name"], "group-index": group, "worker-index": index}
    labels = {f"{_PREFIX}/{key}": str(value) for key, value in known.items()}
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    metadata = template["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **metadata,
            "name": name,
            "labels": metadata["labels"] | labels,
            "ownerReferences": [reference],
        },
        "spec": template["spec"],
    }
