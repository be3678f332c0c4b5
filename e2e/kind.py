"""The same cluster by kind, where a Docker engine runs: control plane and node are one container.

Not run on a machine without Docker, so not in our CI: it shares images, chart, scenarios and what
they ask of a cluster (`e2e.realcluster`) with the node that is.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from e2e import crds, toolchain
from e2e.cluster import Cluster
from e2e.guard import claim
from e2e.health import PartDownError
from e2e.images.build import Builder, at_hand, tag
from e2e.images.wheels import TARGETS, collect
from e2e.kubeconfig import write_marked
from e2e.node.configuration import LABELS
from e2e.node.machine import UnableError
from e2e.nodes import GPU
from e2e.programs import run
from e2e.realcluster import RealCluster
from e2e.wait import wait_until

READY_SECONDS = 180.0
CREATE_SECONDS = 600.0


@dataclass(frozen=True)
class KindNode:
    """The one node of a cluster of kind's, in a Docker container of the same name."""

    cluster: Cluster

    @property
    def name(self) -> str:
        """Of the node, and of its container."""
        return f"{self.cluster.name}-control-plane"

    def address(self, namespace: str, service: str) -> tuple[str, int]:
        """Where a Service is reached from here: at a port of the node, by a Service of ours."""
        found = self.cluster.get("service", service, "--namespace", namespace)["spec"]
        ports = [{"port": p["port"], "targetPort": p["targetPort"]} for p in found["ports"][:1]]
        twin = f"{service}-outside"
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": twin, "namespace": namespace},
                "spec": {"type": "NodePort", "selector": found["selector"], "ports": ports},
            }
        )
        made = self.cluster.get("service", twin, "--namespace", namespace)["spec"]
        node = self.cluster.get("node", self.name)["status"]["addresses"]
        address = next(a["address"] for a in node if a["type"] == "InternalIP")
        return address, made["ports"][0]["nodePort"]

    def kill_container(self, identity: str) -> None:
        """Kill the first process of a container, by containerd's id of it."""
        self._inside("ctr", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", identity)

    def pids(self, program: str) -> list[int]:
        """The process ids, inside the container, of the node's programs of that name."""
        found = subprocess.run(
            ["docker", "exec", self.name, "pidof", program],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(pid) for pid in found.stdout.split()]

    def kill_program(self, program: str) -> None:
        """Kill a program of the node as a crash of it does; something starts it again."""
        self._inside("kill", "-9", *map(str, self.pids(program)))

    def wait_ready(self) -> None:
        """Return once the node is ready and has its devices."""
        wait_until(
            lambda: self.name in self.cluster.schedulable_nodes() and self._devices() > 0,
            timeout=READY_SECONDS,
            why=f"node {self.name} to be ready with devices",
        )

    def give(self, devices: int) -> None:
        """Give it fake GPUs, and the labels that go with them."""
        program = self.cluster.tools["gpu"]
        run(["docker", "cp", program, f"{self.name}:/usr/local/bin/gpu"])
        forever = f"while :; do /usr/local/bin/gpu {GPU} {devices}; sleep 1; done"
        run(["docker", "exec", "--detach", self.name, "sh", "-c", forever])
        labels = (f"{key}={value}" for key, value in LABELS.items())
        self.cluster.kubectl("label", "--overwrite", "node", self.name, *labels)

    def _devices(self) -> int:
        status = self.cluster.get("node", self.name)["status"]
        return int(status["allocatable"].get(GPU, 0))

    def _inside(self, *command: str) -> None:
        run(["docker", "exec", self.name, *command])


@dataclass(frozen=True)
class KindControlPlane:
    """What of a control plane is asked for, of kind's."""

    kubeconfig: Path
    kubectl: Path
    node: str

    def check(self) -> None:
        """Return if the API server answers.

        Raises:
            PartDownError: it does not.
        """
        try:
            run([self.kubectl, f"--kubeconfig={self.kubeconfig}", "get", "--raw=/readyz"])
        except RuntimeError as error:
            raise PartDownError(str(error)) from error

    def restart(self, part: str) -> None:
        """Stop a part; the kubelet starts its static pod again."""
        run(["docker", "exec", self.node, "sh", "-c", f"crictl stop $(crictl ps -q --name {part})"])
        wait_until(self._answers, timeout=READY_SECONDS, why=f"{part} to be back")

    def _answers(self) -> bool:
        try:
            self.check()
        except PartDownError:
            return False
        return True


def prepare(console: Console) -> None:
    """Make what such a cluster needs: programs and images.

    Raises:
        UnableError: there is no kind or no Docker engine here.
        RuntimeError: something cannot be made.
    """
    for program in ("docker", "kind"):
        if shutil.which(program) is None:
            raise UnableError(f"KIND=1 needs {program} on PATH.")
    if at_hand() != Builder("docker"):
        raise UnableError("KIND=1 needs a Docker engine that runs; `docker version` says why not.")
    toolchain.ensure(console)
    collect(console)
    for target in TARGETS:
        Builder("docker").build(target, {})


@contextmanager
def started(name: str, console: Console, *, devices: int = 8) -> Iterator[RealCluster]:
    """A cluster of kind's with the images of this checkout (`prepare()`); removed at the end."""
    tools = toolchain.ensure(console)
    claimed = claim(name)
    own = claimed.workdir / "kind.kubeconfig"
    config = claimed.workdir / "kind.json"
    config.write_text(json.dumps(_configuration()))
    with ExitStack() as ends:
        ends.callback(claimed.release)
        run(["kind", "delete", "cluster", f"--name={name}"])
        ends.callback(run, ["kind", "delete", "cluster", f"--name={name}"])
        made = ["kind", "create", "cluster", f"--name={name}", f"--config={config}", "--wait=180s"]
        run([*made, f"--kubeconfig={own}"], timeout=CREATE_SECONDS)
        marked = claimed.workdir / "kubeconfig"
        write_marked(own, marked, name)
        control_plane: Any = KindControlPlane(marked, tools["kubectl"], f"{name}-control-plane")
        cluster = Cluster(name, claimed.workdir, marked, tools, control_plane, claimed)
        node = KindNode(cluster)
        run(["kind", "load", "docker-image", f"--name={name}", *map(tag, TARGETS)])
        node.give(devices)
        node.wait_ready()
        crds.install(cluster)
        yield RealCluster(cluster, node)


def asked_for() -> bool:
    """Whether `make e2e KIND=1` was called."""
    return os.environ.get("KIND") == "1"


def _configuration() -> dict[str, Any]:
    kubelet = {
        "kind": "KubeletConfiguration",
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "syncFrequency": "3s",
    }
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane"}],
        "kubeadmConfigPatches": [json.dumps(kubelet)],
    }
