"""Every state that the Deployments of a namespace were in, in the order of the API server."""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from e2e.wait import wait_until
from e2e.world import PATIENCE_SECONDS, World


class Recorder:
    """A watch that is written to a file."""

    def __init__(self, world: World, file: Path) -> None:
        self._world = world
        self._file = file

    def events(self) -> Iterator[Mapping[str, Any]]:
        """`{type, object}` of each event so far."""
        text, decoder, start = self._file.read_text(), json.JSONDecoder(), 0
        while start < len(text.rstrip()):
            event, start = decoder.raw_decode(text, start + (text[start] == "\n"))
            yield event

    def states(self) -> Iterator[Mapping[str, Any]]:
        """All Deployments by name, as they were after each change."""
        self._catch_up()
        found: dict[str, Any] = {}
        for event in self.events():
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

    def _catch_up(self) -> None:
        """Return once the watch has told of everything that happened before this call."""
        marker = f"marker-{len(self._file.read_text())}"
        self._world.kubectl("create", "deployment", marker, "--image=none", "--replicas=0")
        wait_until(
            lambda: marker in self._file.read_text(),
            timeout=PATIENCE_SECONDS,
            why="the recorder to catch up",
        )


@contextlib.contextmanager
def recording(world: World, file: Path) -> Iterator[Recorder]:
    """Record the Deployments of the namespace, from what is there now."""
    cluster = world.cluster
    with (
        file.open("w") as output,
        subprocess.Popen(
            [
                *(str(cluster.tools["kubectl"]), "get", "deployments"),
                *("--watch", "--output-watch-events", "--output=json"),
                f"--kubeconfig={cluster.kubeconfig}",
                f"--namespace={world.namespace}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
        ) as watch,
    ):
        try:
            yield Recorder(world, file)
        finally:
            watch.kill()
