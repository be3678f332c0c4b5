"""A cluster whose node runs containers: control plane, real node and the images of this checkout.

It must not know what is run on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from e2e import crds, toolchain
from e2e.cluster import Cluster, start
from e2e.controlplane import Reach
from e2e.images import archives
from e2e.images.wheels import TARGETS
from e2e.node import machine, node
from e2e.node.node import RealNode


@dataclass(frozen=True)
class RealCluster:
    """A control plane and its one real node, which has the images of this checkout."""

    cluster: Cluster
    node: RealNode

    def url(self, namespace: str, service: str, port: int) -> str:
        """Base URL of a Service, from this machine: its cluster address, behind the node."""
        found = self.cluster.get("service", service, "--namespace", namespace)
        return f"http://{found['spec']['clusterIP']}:{port}"

    def kill_container(self, pod: Mapping[str, Any], container: str) -> None:
        """Kill a container's first process, as a crash of it does."""
        statuses = pod["status"]["containerStatuses"] + pod["status"]["initContainerStatuses"]
        (identity,) = (s["containerID"] for s in statuses if s["name"] == container)
        self.node.kill(identity.removeprefix("containerd://"))


def start_real(
    name: str, *, standing: Path | None = None, console: Console | None = None, devices: int = 8
) -> RealCluster:
    """Start a cluster with a real node of `devices` fake H100s and return it once all of it works.

    What it needs (programs, images) is made first, which takes some minutes once. `standing` is as
    for `e2e.cluster.start()`.

    Raises:
        UnableError: this machine cannot run a real node; the message says why.
        PartDownError, BuildError, GoMissingError, RuntimeError: something cannot be made or
            started. Nothing is left then.
    """
    console = console or Console(stderr=True)
    machine.prepare()
    tools = toolchain.ensure(console)
    images = archives.ensure(tools, console)
    slot = machine.free_slot(machine.taken())
    reach = Reach(str(slot.machine), str(slot.services))
    cluster = start(name, standing=standing, console=console, reach=reach)
    try:
        crds.install(cluster)
        real = node.start(cluster, slot, images["pause"], devices=devices)
        real.load(images[target] for target in TARGETS)
    except BaseException:
        cluster.stop()
        raise
    return RealCluster(cluster, real)
