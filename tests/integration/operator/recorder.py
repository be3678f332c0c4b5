"""Every state that objects of a namespace were in, in the order of the API server.

A watch of the API server's own leaves no state out, so what must never be is looked for here.
"""

import base64
import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from e2e.wait import wait_until
from e2e.world import PATIENCE_SECONDS, World


class Recorder:
    """A watch of Deployments and Secrets that is written to files."""

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

    def fewest_ready(self, *names: str) -> int:
        """The fewest replicas that were ready at any time, once these Deployments exist."""
        ready = (
            sum(state[name]["status"].get("readyReplicas", 0) for name in names)
            for state in self.states()
            if state.keys() >= {*names}
        )
        return int(min(ready))

    def plans(self, pool: str) -> Iterator[Mapping[str, Any]]:
        """The index of the pool's plan as it was after each change."""
        self._catch_up("secrets")
        for event in self._events("secrets"):
            found = event["object"]
            if found["metadata"]["name"] == f"{pool}-plan" and event["type"] != "DELETED":
                yield json.loads(base64.b64decode(found["data"]["index.json"]))

    def _catch_up(self, kind: str) -> None:
        """Return once the watch has told of everything that happened before this call."""
        marker = f"marker-{len(self._file(kind).read_text())}"
        self._world.kubectl("create", *_MARKERS[kind], marker)
        wait_until(
            lambda: marker in self._file(kind).read_text(),
            timeout=PATIENCE_SECONDS,
            why="the recorder to catch up",
        )


_MARKERS = {
    "deployments": ("deployment", "--image=none", "--replicas=0"),
    "secrets": ("secret", "generic"),
}
"""An object that nobody waits for, by `kubectl create`."""


@contextlib.contextmanager
def recording(world: World, folder: Path) -> Iterator[Recorder]:
    """Record Deployments and Secrets of the namespace, from what is there now."""
    with contextlib.ExitStack() as watches:
        for kind in ("deployments", "secrets"):
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
