"""A real node of a test cluster: started, looked at, hurt and used by tests.

It must not know what is run on it.
"""

import json
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from e2e import cgroups
from e2e.cluster import Cluster
from e2e.node import configuration
from e2e.node.addresses import Slot
from e2e.node.box import Box, open_box
from e2e.node.credentials import kubeconfig
from e2e.nodes import GPU
from e2e.programs import find
from e2e.wait import wait_until

NAME = "real-0"
READY_SECONDS = 120.0
FOLDERS = ("/run", "/var/lib", "/var/log")
"""What the node has of its own; below it are all files that its programs write."""


@dataclass(frozen=True)
class RealNode:
    """A node that runs containers.

    Attributes:
        cluster: that it belongs to.
        box: the namespaces that it is in.
        slot: its addresses.
    """

    cluster: Cluster
    box: Box
    slot: Slot

    def load(self, archives: Iterable[Path]) -> None:
        """Give it images, from OCI archives.

        Raises:
            RuntimeError: containerd refuses one.
        """
        for archive in archives:
            self._ctr("images", "import", str(archive))

    @property
    def name(self) -> str:
        """What it is called in the cluster."""
        return NAME

    def address(self, namespace: str, service: str) -> tuple[str, int]:
        """A Service's own address: this machine has a route to it, through the node."""
        spec = self.cluster.get("service", service, "--namespace", namespace)["spec"]
        return spec["clusterIP"], spec["ports"][0]["port"]

    def kill_container(self, identity: str) -> None:
        """Kill the first process of a container, by containerd's id of it."""
        self._ctr("tasks", "kill", "--signal=SIGKILL", identity)

    def kill_program(self, program: str) -> None:
        """Kill a program of the node as a crash of it does; it is started again."""
        for pid in self.pids(program):
            os.kill(pid, signal.SIGKILL)

    def pids(self, program: str) -> list[int]:
        """The process ids, as this machine counts, of the node's programs of that name."""
        inside = Path(f"/proc/{self.box.pid}/ns/pid").readlink()
        return [
            int(process.name)
            for process in Path("/proc").iterdir()
            if process.name.isdigit() and _is(process, program, inside)
        ]

    def wait_ready(self) -> None:
        """Return once the node is ready, has its devices, and pods can be scheduled on it.

        Raises:
            AssertionError: it does not become ready; its logs are in `logs`.
        """
        wait_until(
            self._is_ready,
            timeout=READY_SECONDS,
            why=f"node {NAME} to be ready (see {self.logs})",
        )

    @property
    def logs(self) -> Path:
        """The folder with its programs' logs."""
        return _own(self.cluster.workdir, "/var/log")

    def _is_ready(self) -> bool:
        node = self.cluster.find("node", NAME)
        if node is None:
            return False
        status = node["status"]
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status["conditions"])
        devices = int(status["allocatable"].get(GPU, 0))
        return ready and devices > 0 and NAME in self.cluster.schedulable_nodes()

    def _ctr(self, *arguments: str) -> str:
        return self.box.run(find("ctr") or "ctr", "--namespace=k8s.io", *arguments)


def start(cluster: Cluster, slot: Slot, pause: Path, *, devices: int = 8) -> RealNode:
    """Start a node with `devices` fake H100s and return it once pods can be scheduled on it.

    Args:
        cluster: whose control plane was launched to be reached at `slot`.
        slot: its addresses.
        pause: the OCI archive of the pause image.
        devices: GPUs that it says it has.

    Raises:
        AssertionError: it does not become ready.
    """
    folder = cluster.workdir / "node"
    files = folder / "etc"
    (files / "cni").mkdir(parents=True)
    server = f"https://{slot.machine}:{cluster.control_plane.ports.kube_apiserver}"
    pki = cluster.control_plane.pki
    cgroups.make(cluster.workdir)
    cgroup = cgroups.name_of(cluster.workdir)
    for file, text in {
        "containerd.toml": configuration.containerd(str(files / "cni")),
        "cni/pods.conflist": configuration.network(slot),
        "kubelet.json": json.dumps(configuration.kubelet(slot, str(pki / "ca.crt"), f"/{cgroup}")),
        "kube-proxy.json": json.dumps(
            configuration.kube_proxy(slot, str(files / "kube-proxy.kubeconfig"))
        ),
        "kubelet.kubeconfig": kubeconfig(pki, server, f"system:node:{NAME}", "system:nodes"),
        "kube-proxy.kubeconfig": kubeconfig(pki, server, "system:kube-proxy"),
    }.items():
        (files / file).write_text(text)
    programs = configuration.programs(
        {**cluster.tools.programs, "containerd": find("containerd") or "containerd"},
        files,
        NAME,
        slot,
        devices,
    )
    folders = {target: str(_own(cluster.workdir, target)) for target in FOLDERS}
    box = open_box(cluster.workdir, slot, {"folders": folders, "programs": programs})
    node = RealNode(cluster, box, slot)
    socket = _own(cluster.workdir, "/run") / "containerd" / "containerd.sock"
    wait_until(socket.exists, timeout=READY_SECONDS, why=f"containerd (see {node.logs})")
    node.load([pause])
    node.wait_ready()
    return node


def _own(workdir: Path, folder: str) -> Path:
    return workdir / "node" / folder.strip("/").replace("/", "-")


def _is(process: Path, program: str, namespace: Path) -> bool:
    try:
        name = (process / "comm").read_text().strip()
        return name == program[:15] and (process / "ns" / "pid").readlink() == namespace
    except OSError:
        return False  # it ended while we looked
