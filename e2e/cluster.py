"""A real control plane with fake GPU nodes, as an object.

`start()` gives one that is removed when this process ends, however it ends; `start(standing=…)`
one that lives until somebody stops it. Nothing here ever reads `KUBECONFIG` or `~/.kube/config`.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from e2e import toolchain
from e2e.controlplane import ControlPlane, Reach, launch
from e2e.guard import Claim, claim, tear_down
from e2e.kubeconfig import refuse_foreign, write_marked
from e2e.ports import Ports
from e2e.toolchain import Toolchain
from e2e.wait import wait_until

KUBECTL_SECONDS = 120.0
NODE_READY_SECONDS = 60.0
NOT_READY = "node.kubernetes.io/not-ready"
RECORD = "cluster.json"


class KubectlError(subprocess.CalledProcessError):
    """kubectl ended with an error; the message is what it said."""

    def __str__(self) -> str:
        """The command and kubectl's own words."""
        return f"{' '.join(self.cmd)} ended with {self.returncode}: {self.stderr.strip()}"


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        workdir: holds everything of it, and is removed by `stop()`.
        kubeconfig: the administrator's, marked as ours. Give it to every client explicitly.
    """

    name: str
    workdir: Path
    kubeconfig: Path
    tools: Toolchain
    control_plane: ControlPlane = field(repr=False)
    claimed: Claim | None = field(default=None, repr=False)

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl on this cluster and return what it printed.

        Raises:
            KubectlError: it failed, and `check` is true.
            ForeignClusterError: the kubeconfig is not ours any more.
        """
        refuse_foreign(self.kubeconfig)
        # No cache: kubectl remembers for hours which kinds there were before the CRDs came.
        private = [f"--kubeconfig={self.kubeconfig}", f"--cache-dir={os.devnull}"]
        finished = subprocess.run(
            [str(self.tools["kubectl"]), *private, *args],
            input=stdin or "",
            capture_output=True,
            text=True,
            check=False,
            timeout=KUBECTL_SECONDS,
            # A person's kubectl preferences (aliases, default flags) are not ours.
            env={"KUBERC": "off", "HOME": str(self.workdir)},
        )
        if check and finished.returncode != 0:
            raise KubectlError(
                finished.returncode, ["kubectl", *args], finished.stdout, finished.stderr
            )
        return finished

    def get(self, *args: str) -> dict[str, Any]:
        """Return `kubectl get ARGS` as an object, or a List object of several.

        Raises:
            KubectlError: among others, when the object that was asked for is not there.
        """
        found: dict[str, Any] = json.loads(self.kubectl("get", *args, "--output=json").stdout)
        return found

    def find(self, *args: str) -> dict[str, Any] | None:
        """Return what `get()` returns, or None when the object is not there."""
        printed = self.kubectl("get", *args, "--output=json", "--ignore-not-found").stdout
        return json.loads(printed) if printed.strip() else None

    def apply(self, *documents: Mapping[str, Any] | str | Path) -> None:
        """Apply objects, YAML texts, or files and folders of YAML, on the server's side.

        Raises:
            KubectlError: the API server refused one; the message has its reason.
        """
        text = "\n---\n".join(_as_yaml(document) for document in documents)
        self.kubectl("apply", "--server-side", "--field-manager=e2e", "--filename=-", stdin=text)

    def add_nodes(self, nodes: Iterable[Mapping[str, Any]]) -> None:
        """Create nodes (see `e2e.nodes`) and return once pods can be scheduled on them."""
        nodes = list(nodes)
        # Not apply: it would drop the status, and with it the devices.
        self.kubectl("create", "--filename=-", stdin="\n---\n".join(map(_as_yaml, nodes)))
        names = {node["metadata"]["name"] for node in nodes}
        wait_until(
            lambda: names <= self.schedulable_nodes(),
            timeout=NODE_READY_SECONDS,
            why=f"nodes {', '.join(sorted(names))} to be ready",
        )

    def delete_nodes(self, *names: str) -> None:
        """Take nodes out of the cluster, as a machine that is gone for good."""
        self.kubectl("delete", "node", *names)

    def cordon(self, *names: str) -> None:
        """Keep new pods off nodes."""
        self.kubectl("cordon", *names)

    def uncordon(self, *names: str) -> None:
        """Let new pods onto nodes again."""
        self.kubectl("uncordon", *names)

    def audit(self) -> Iterator[dict[str, Any]]:
        """Yield the API server's audit events so far, oldest first (`audit.k8s.io/v1`).

        One per request, at its end; a watch gives a second one, stage `ResponseStarted`, at its
        begin. Telling fields: `userAgent`, `verb`, `requestURI`, `stage`,
        `requestReceivedTimestamp`.
        """
        with self.control_plane.audit_log.open() as log:
            for line in log:
                if line.endswith("\n"):  # the last one may still be being written
                    yield json.loads(line)

    def check(self) -> None:
        """Return if every part of the control plane is alive and answers.

        Raises:
            PartDownError: one is not; the message names it and shows the end of its log.
        """
        self.control_plane.check()

    def stop(self) -> None:
        """Kill the processes and remove the folder. A second call does nothing."""
        if self.claimed is not None:
            self.claimed.release()
        else:
            tear_down(self.workdir)

    def schedulable_nodes(self) -> set[str]:
        """Names of the nodes that the node controller has found ready."""
        # Every node is born with this taint and loses it a little after it has become ready.
        return {
            node["metadata"]["name"]
            for node in self.get("nodes")["items"]
            if all(taint["key"] != NOT_READY for taint in node["spec"].get("taints", []))
        }


def start(
    name: str,
    *,
    standing: Path | None = None,
    console: Console | None = None,
    reach: Reach | None = None,
) -> Cluster:
    """Start a cluster, building its programs first if need be, and return it once all of it works.

    With `standing`, that folder is used, whatever was in it is removed first, and the cluster
    lives until `stop()`, beyond the end of this process. Otherwise it has a folder of its own and
    is removed at the end of this process at the latest. With `reach`, a real node can join it.

    Raises:
        PartDownError: a part does not come up. Nothing is left then.
    """
    tools = toolchain.ensure(console)
    if standing is None:
        claimed = claim(name)
        workdir = claimed.workdir
    else:
        claimed = None
        workdir = standing
        tear_down(workdir)
        workdir.mkdir(parents=True, mode=0o700)
    try:
        control_plane = launch(name, workdir, tools, reach)
        cluster = _cluster(control_plane, claimed)
        write_marked(control_plane.kubeconfig, cluster.kubeconfig, name)
        record = {
            "name": name,
            "ports": asdict(control_plane.ports),
            "reach": asdict(reach) if reach else None,
        }
        (workdir / RECORD).write_text(json.dumps(record))
    except BaseException:
        if claimed is not None:
            claimed.release()
        else:
            tear_down(workdir)
        raise
    return cluster


def attach(workdir: Path) -> Cluster | None:
    """Return the standing cluster in `workdir`, or None if none was started there to the end."""
    try:
        record = json.loads((workdir / RECORD).read_text())
    except FileNotFoundError:
        return None
    ports = Ports(**record["ports"])
    reach = Reach(**record["reach"]) if record.get("reach") else None
    return _cluster(ControlPlane(record["name"], workdir, toolchain.ensure(), ports, reach), None)


def _cluster(control_plane: ControlPlane, claimed: Claim | None) -> Cluster:
    return Cluster(
        name=control_plane.name,
        workdir=control_plane.workdir,
        kubeconfig=control_plane.workdir / "kubeconfig",
        tools=control_plane.tools,
        control_plane=control_plane,
        claimed=claimed,
    )


def _as_yaml(document: Mapping[str, Any] | str | Path) -> str:
    if isinstance(document, str):
        return document
    if isinstance(document, Path):
        files = sorted(document.glob("*.yaml")) if document.is_dir() else [document]
        return "\n---\n".join(file.read_text() for file in files)
    return yaml.safe_dump(dict(document))
