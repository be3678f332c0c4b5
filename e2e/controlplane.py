"""Run the parts of a control plane in one folder: etcd, three Kubernetes processes and kwok.

kwokctl writes certificates and configuration and starts everything but kwok. With its binary
runtime it starts kwok for all nodes, and kwok would then answer for pods on real nodes too, so
kwok is started here, for annotated nodes only. It must not know what the cluster is for.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from e2e.health import PartDownError, PortTakenError, answers, tail
from e2e.nodes import FAKE_NODE
from e2e.ports import Ports
from e2e.processes import kill_all, lives, marked_environment
from e2e.toolchain import Toolchain
from e2e.wait import wait_until

HERE = Path(__file__).resolve().parent

READY_SECONDS = 120.0
ATTEMPTS = 3

POD_NETWORK, NODE_ADDRESS = "198.18.0.1/16", "198.19.0.1"
"""The benchmarking range of RFC 2544: addresses that nobody owns, for pods that nobody reaches."""

SERVICES = "198.19.128.0/17"
"""Of that range too, for Services: Kubernetes' default has room for 254 only."""

LEASE_SECONDS = 200


@dataclass(frozen=True)
class Reach:
    """Where a control plane is reached from beyond loopback, by a real node and its pods.

    Attributes:
        address: of this machine, for them.
        services: the range of Services; its first address is the API server's.
    """

    address: str
    services: str

    @property
    def names(self) -> list[str]:
        """What the API server's certificate is to name beside loopback."""
        return [self.address, str(IPv4Network(self.services)[1])]

    def patches(self, pki: Path) -> list[dict[str, Any]]:
        """What the API server is told of it; `pki` has what it shows to a kubelet."""
        everywhere = "0.0.0.0"  # noqa: S104 - an API server asks who comes
        told = {
            "advertise-address": self.address,
            "kubelet-preferred-address-types": "InternalIP",
            "kubelet-client-certificate": str(pki / "admin.crt"),
            "kubelet-client-key": str(pki / "admin.key"),
        }
        return [
            _extra("kube-apiserver", "bind-address", everywhere, instead=True),
            *(_extra("kube-apiserver", key, value) for key, value in told.items()),
        ]


@dataclass(frozen=True)
class ControlPlane:
    """The parts of one cluster: where their files are and where they listen.

    Attributes:
        reach: None if nothing but this machine's own processes is to reach it.
    """

    name: str
    workdir: Path
    tools: Toolchain
    ports: Ports
    reach: Reach | None = None

    @property
    def folder(self) -> Path:
        """The folder in which kwokctl keeps what belongs to this cluster."""
        return self.workdir / "kwok" / "clusters" / self.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig as kwokctl wrote it."""
        return self.folder / "kubeconfig.yaml"

    @property
    def pki(self) -> Path:
        """The folder of the cluster's authority: `ca.crt` and `ca.key`."""
        return self.folder / "pki"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: one JSON event per line."""
        return self.folder / "logs" / "audit.log"

    def start(self) -> None:
        """Start every part and return once each answers.

        Raises:
            PartDownError: one is dead or silent. What has been started is left for the caller.
        """
        self._start_kubernetes()
        self._start_kwok()
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self._refuse_dead()
            silent = self._silent()
            if not silent:
                return
            if time.monotonic() > deadline:
                raise self._down(silent[0], f"did not answer within {READY_SECONDS:g} s")
            time.sleep(0.1)

    def check(self) -> None:
        """Return if every part is alive and answers.

        Raises:
            PartDownError: one is not; the message names it and shows the end of its log.
        """
        self._refuse_dead()
        for part in self._silent():
            raise self._down(part, "does not answer")

    def restart(self, part: str) -> None:
        """Kill a part, for example `kube-apiserver`, and start it again as it was.

        Raises:
            PartDownError: it does not answer again.
        """
        with self.without(part):
            pass

    @contextlib.contextmanager
    def without(self, part: str) -> Iterator[None]:
        """Kill a part, and start it again as it was at the end.

        Raises:
            PartDownError: it does not answer again.
        """
        file = self.folder / "pids" / f"{part}.pid"
        process = Path(f"/proc/{file.read_text().strip()}")
        command = (process / "cmdline").read_bytes().decode().split("\0")[:-1]
        os.kill(int(process.name), signal.SIGKILL)
        wait_until(
            lambda: not lives(int(process.name)), timeout=READY_SECONDS, why=f"{part} to end"
        )
        try:
            yield
        finally:
            self._spawn(part, command)
            wait_until(
                lambda: part not in self._silent(), timeout=READY_SECONDS, why=f"{part} to answer"
            )
            self.check()

    def _start_kubernetes(self) -> None:
        self.workdir.joinpath("kwokctl.yaml").write_text(json.dumps(self._kwokctl_configuration()))
        said = self.workdir / "kwokctl.log"
        with (
            said.open("wb") as log,
            subprocess.Popen(
                [
                    *(str(self.tools["kwokctl"]), "create", "cluster", "--name", self.name),
                    *("--config", str(self.workdir / "kwokctl.yaml")),
                    *("--kubeconfig", str(self.workdir / "kwokctl.kubeconfig")),
                ],
                cwd=self.workdir,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            ) as kwokctl,
        ):
            try:
                # kwokctl waits minutes for a server that has died; we look for ourselves.
                while kwokctl.poll() is None:
                    self._refuse_dead()
                    time.sleep(0.05)
            except BaseException:
                kwokctl.kill()
                raise
        if kwokctl.returncode != 0:
            raise PartDownError(f"kwokctl could not create the cluster:\n{tail(said)}")

    def _start_kwok(self) -> None:
        configs = [f"--config={stage}" for stage in sorted((HERE / "stages").glob("*.yaml"))]
        self._spawn(
            "kwok",
            [
                str(self.tools["kwok"]),
                f"--kubeconfig={self.kubeconfig}",
                f"--server-address=127.0.0.1:{self.ports.kwok}",
                "--manage-all-nodes=false",
                f"--manage-nodes-with-annotation-selector={'='.join(FAKE_NODE)}",
                f"--node-lease-duration-seconds={LEASE_SECONDS}",
                f"--cidr={POD_NETWORK}",
                f"--node-ip={NODE_ADDRESS}",
                *configs,
            ],
        )

    def _spawn(self, part: str, command: list[str]) -> None:
        with (self.folder / "logs" / f"{part}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / "pids" / f"{part}.pid").write_text(str(process.pid))
        # It lives as long as the cluster, not as long as this object.
        process.returncode = 0

    def _environment(self) -> dict[str, str]:
        # kwokctl takes the first kubectl on PATH, whatever it is told.
        path = os.pathsep.join((str(self.tools["kubectl"].parent), os.environ.get("PATH", "")))
        ours = {"KWOK_WORKDIR": str(self.workdir / "kwok"), "PATH": path}
        return marked_environment(self.workdir) | ours

    def _kwokctl_configuration(self) -> dict[str, Any]:
        programs = {
            f"{option}Binary": str(self.tools[program])
            for option, program in (
                ("etcd", "etcd"),
                ("kubeApiserver", "kube-apiserver"),
                ("kubeControllerManager", "kube-controller-manager"),
                ("kubeScheduler", "kube-scheduler"),
            )
        }
        ports = {
            f"{_camel(listener)}Port": port
            for listener, port in asdict(self.ports).items()
            if listener != "kwok"
        }
        return {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokctlConfiguration",
            "options": {
                "runtime": "binary",
                "bindAddress": "127.0.0.1",
                "securePort": True,
                "kubeAuthorization": True,
                "kubeAdmission": True,
                "disable": ["kwok-controller"],
                "disableQPSLimits": True,
                "kubeAuditPolicy": str(HERE / "audit-policy.yaml"),
                "kubeApiserverCertSANs": self.reach.names if self.reach else [],
                **programs,
                **ports,
            },
            "componentsPatches": [
                # Nobody needs the data after a power cut.
                _extra("etcd", "unsafe-no-fsync", "true"),
                # A quarter of a minute otherwise, from one look of an autoscaler to the next.
                _extra("kube-controller-manager", "horizontal-pod-autoscaler-sync-period", "1s"),
                # One file: a rotated one would hide requests from whoever counts them.
                _extra("kube-apiserver", "audit-log-maxsize", "100000"),
                _extra(
                    "kube-apiserver",
                    "service-cluster-ip-range",
                    self.reach.services if self.reach else SERVICES,
                ),
                *(self.reach.patches(self.pki) if self.reach else ()),
            ],
        }

    def _refuse_dead(self) -> None:
        for file in sorted((self.folder / "pids").glob("*.pid")):
            pid = file.read_text()
            if pid and not lives(int(pid)):
                raise self._down(file.stem, "is dead")

    def _silent(self) -> list[str]:
        return [part for part, port, tls, path in self._probes() if not answers(port, tls, path)]

    def _probes(self) -> Iterator[tuple[str, int, bool, str]]:
        yield "etcd", self.ports.etcd, False, "/health"
        yield "kube-apiserver", self.ports.kube_apiserver, True, "/readyz"
        yield "kube-controller-manager", self.ports.kube_controller_manager, True, "/healthz"
        yield "kube-scheduler", self.ports.kube_scheduler, True, "/healthz"
        yield "kwok", self.ports.kwok, False, "/healthz"

    def _down(self, part: str, what: str) -> PartDownError:
        log = tail(self.folder / "logs" / f"{part}.log")
        kind = PortTakenError if "address already in use" in log else PartDownError
        return kind(f"{part} of cluster {self.name!r} {what}. The end of its log:\n{log}")


def launch(
    name: str,
    workdir: Path,
    tools: Toolchain,
    reach: Reach | None = None,
    *,
    attempts: int = ATTEMPTS,
) -> ControlPlane:
    """Start a control plane in `workdir` on free ports and return it once every part answers.

    Raises:
        PartDownError: one does not come up. What has been started is left for the caller.
    """
    control_plane = ControlPlane(name, workdir, tools, Ports.free(), reach)
    try:
        control_plane.start()
    except PortTakenError:
        if attempts == 1:
            raise
        kill_all(workdir)
        shutil.rmtree(control_plane.folder)
        return launch(name, workdir, tools, reach, attempts=attempts - 1)
    return control_plane


def _camel(snake: str) -> str:
    head, *rest = snake.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _extra(part: str, key: str, value: str, *, instead: bool = False) -> dict[str, Any]:
    """One more argument of a part, or another value of one that kwokctl gives it anyway."""
    return {"name": part, "extraArgs": [{"key": key, "value": value, "override": instead}]}
