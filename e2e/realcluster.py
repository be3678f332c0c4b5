"""A cluster whose node runs containers: control plane, real node and the images of this checkout.

It must not know what is run on it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from e2e import crds, toolchain
from e2e.cluster import Cluster, start
from e2e.controlplane import Reach
from e2e.guard import base_folder, locked
from e2e.images import archives
from e2e.images.wheels import TARGETS
from e2e.node import machine, node


class Node(Protocol):
    """What tests ask of a node that runs containers."""

    @property
    def name(self) -> str:
        """What it is called in the cluster."""

    def address(self, namespace: str, service: str) -> tuple[str, int]:
        """Address and port by which this machine reaches the first port of a Service."""

    def kill_container(self, identity: str) -> None:
        """Kill the first process of a container, by containerd's id of it."""

    def pids(self, program: str) -> list[int]:
        """The process ids of the node's programs of that name, to tell one from the next."""

    def kill_program(self, program: str) -> None:
        """Kill a program of the node as a crash of it does; it is started again."""

    def wait_ready(self) -> None:
        """Return once the node is ready and has its devices."""


@dataclass(frozen=True)
class RealCluster:
    """A control plane and its one real node, which has the images of this checkout."""

    cluster: Cluster
    node: Node

    def url(self, namespace: str, service: str) -> str:
        """Base URL of a Service, from this machine."""
        address, port = self.node.address(namespace, service)
        return f"http://{address}:{port}"

    def kill_container(self, pod: Mapping[str, Any], container: str) -> None:
        """Kill a container's first process, as a crash of it does."""
        statuses = pod["status"]["containerStatuses"] + pod["status"]["initContainerStatuses"]
        (identity,) = (s["containerID"] for s in statuses if s["name"] == container)
        self.node.kill_container(identity.removeprefix("containerd://"))


def prepare(console: Console) -> tuple[toolchain.Toolchain, Mapping[str, Path]]:
    """Make what a real node needs, some minutes once: programs and images, by name.

    Raises:
        UnableError: this machine cannot run a real node; the message says why.
        BuildError, GoMissingError, RuntimeError: something cannot be made here.
    """
    machine.prepare()
    tools = toolchain.ensure(console)
    return tools, archives.ensure(tools, console)


def start_real(
    name: str,
    *,
    standing: Path | None = None,
    console: Console | None = None,
    devices: int = 8,
    images: Iterable[str] = TARGETS,
) -> RealCluster:
    """Start a cluster with a real node of `devices` fake H100s and return it once all of it works.

    What it needs (programs, images) is made first, which takes some minutes once. `standing` is as
    for `e2e.cluster.start()`; `images` are those of ours that the node is given.

    Raises:
        UnableError: this machine cannot run a real node; the message says why.
        PartDownError, BuildError, GoMissingError, RuntimeError: something cannot be made or
            started. Nothing is left then.
    """
    console = console or Console(stderr=True)
    _, made = prepare(console)
    # Addresses are free until the link is there, so one starts after the other.
    with locked(base_folder() / ".node.lock", lambda: console.print("Another node is starting.")):
        slot = machine.free_slot(machine.taken())
        reach = Reach(str(slot.machine), str(slot.services))
        cluster = start(name, standing=standing, console=console, reach=reach)
        try:
            crds.install(cluster)
            real = node.start(cluster, slot, made["pause"], devices=devices)
        except BaseException:
            cluster.stop()
            raise
    try:
        real.load(made[image] for image in images)
    except BaseException:
        cluster.stop()
        raise
    return RealCluster(cluster, real)
