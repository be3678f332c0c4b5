"""Every state that objects of a namespace were in, in the order of the API server.

A watch of the API server's own leaves no state out, so what must never be is looked for here.
"""

import base64
import contextlib
import json
import subprocess
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from e2e.wait import wait_until
from e2e.world import PATIENCE_SECONDS, World

COST = "controller.kubernetes.io/pod-deletion-cost"


class Recorder:
    """A watch of Deployments, Secrets, pods and pools that is written to files."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder

    def _events(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """`{type, object}` of each event so far."""
        text, decoder, start = self._file(kind).read_text(), json.JSONDecoder(), 0
        while start < len(text.rstrip()):
            event, start = decoder.raw_decode(text, start + (text[start] == "\n"))
            yield event

    def _file(self, kind: str) -> Path:
        return self._folder / f"{kind}.json"

    def states(self) -> Iterator[Mapping[str, Any]]:
        """All Deployments by name, as they were after each change."""
        self._catch_up("deployments")
        found: dict[str, Any] = {}
        for event in self._events("deployments"):
            name = event["object"]["metadata"]["name"]
            found.pop(name, None)
            if event["type"] != "DELETED":
                found[name] = event["object"]
            yield dict(found)

    def most_devices(self, each: Mapping[str, int]) -> int:
        """The most devices that all Deployments together ever asked for.

        `each` is devices per replica by the Deployment's name.
        """
        asked = (
            sum(one["spec"]["replicas"] * each.get(name, 0) for name, one in state.items())
            for state in self.states()
        )
        return int(max(asked))

    def fewest_ready(self, pool: str, wanted: int) -> int:
        """The fewest ready replicas of the pool at any time since there were so many.

        From the pods themselves: the status of a Deployment is later.
        """
        self._catch_up("pods")
        ready: set[str] = set()
        seen: list[int] = []
        for event in self._events("pods"):
            pod = event["object"]
            name, labels = pod["metadata"]["name"], pod["metadata"].get("labels", {})
            if labels.get("tierfleet.dev/pool") != pool:
                continue
            ready.discard(name)
            if event["type"] != "DELETED" and _serves(pod):
                ready.add(name)
            seen.append(len(ready))
        return min(seen[seen.index(wanted) :])

    def deletion_costs(self, pool: str) -> Iterator[Mapping[str, int]]:
        """What Kubernetes was told that each of the pool's pods costs, after each change of it."""
        self._catch_up("pods")
        found: dict[str, int] = {}
        for event in self._events("pods"):
            metadata = event["object"]["metadata"]
            cost = metadata.get("annotations", {}).get(COST)
            if metadata.get("labels", {}).get("tierfleet.dev/pool") != pool or cost is None:
                continue
            if found.get(metadata["name"]) != int(cost):
                found[metadata["name"]] = int(cost)
                yield dict(found)

    def plans(self, pool: str) -> Iterator[Mapping[str, Any]]:
        """The index of the pool's plan as it was after each change."""
        self._catch_up("secrets")
        for event in self._events("secrets"):
            found = event["object"]
            if found["metadata"]["name"] == f"{pool}-plan" and event["type"] != "DELETED":
                yield json.loads(base64.b64decode(found["data"]["index.json"]))

    def placed(self, pool: str) -> Mapping[str, list[Mapping[str, int]]]:
        """How many replicas the pool was to have, by accelerator, with each version of its plan.

        As its status told at each of its changes.
        """
        self._catch_up("inferencepools")
        found = defaultdict[str, list[Mapping[str, int]]](list)
        for event in self._events("inferencepools"):
            status = event["object"].get("status", {})
            if event["object"]["metadata"]["name"] == pool and "plan" in status:
                replicas = {a["name"]: a["desired"] for a in status["accelerators"]}
                if replicas not in found[status["plan"]["version"]]:
                    found[status["plan"]["version"]].append(replicas)
        return found

    def _catch_up(self, kind: str) -> None:
        """Return once the watch has told of everything that happened before this call."""
        marker = f"marker-{uuid.uuid4().hex}"
        self._world.kubectl(*(word.format(marker) for word in _MARKERS[kind]))
        wait_until(
            lambda: marker in self._file(kind).read_text(),
            timeout=PATIENCE_SECONDS,
            why="the recorder to catch up",
        )


def _serves(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


_MARKERS = {
    "deployments": ("create", "deployment", "--image=none", "--replicas=0", "{}"),
    "secrets": ("create", "secret", "generic", "{}"),
    "pods": ("run", "--image=none", "{}"),
    "inferencepools": ("annotate", "inferencepools.tierfleet.dev", "--all", "{}="),
}
"""How kubectl makes a change that nobody waits for; of pools there has to be one."""


@contextlib.contextmanager
def recording(world: World, folder: Path) -> Iterator[Recorder]:
    """Record Deployments, Secrets, pods and pools of the namespace, from what is there now."""
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as watches:
        for kind in _MARKERS:
            watches.enter_context(_watching(world, kind, folder / f"{kind}.json"))
        yield Recorder(world, folder)


@contextlib.contextmanager
def _watching(world: World, kind: str, file: Path) -> Iterator[None]:
    cluster = world.cluster
    with (
        file.open("w") as output,
        subprocess.Popen(
            [
                *(str(cluster.tools["kubectl"]), "get", kind),
                *("--watch", "--output-watch-events", "--output=json"),
                f"--kubeconfig={cluster.kubeconfig}",
                f"--namespace={world.namespace}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
        ) as watch,
    ):
        try:
            yield
        finally:
            watch.kill()
