"""LeaderWorkerSet on a test cluster: its kinds, and its controller with its webhooks, as a process.

The rest of its release, a Deployment with a Service and RBAC, has no place where no container runs:
the API server calls the webhooks on loopback. It must not know who makes LeaderWorkerSets.
"""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import yaml

from e2e.cluster import Cluster
from e2e.health import PartDownError, answers, tail
from e2e.ports import free_ports
from e2e.processes import marked_environment
from e2e.wait import wait_until

KIND = "leaderworkersets.leaderworkerset.x-k8s.io"
READY_SECONDS = 120.0
STOP_SECONDS = 30.0

_KINDS = ("leaderworkersets.yaml", "disaggregatedsets.yaml")


@contextmanager
def running(cluster: Cluster) -> Iterator[None]:
    """The kinds are served, and their controller runs until the end; both go then.

    While it runs it has a say in every pod of the cluster, as where it is installed.

    Raises:
        PartDownError: the controller ends early; the message shows the end of its log.
    """
    serve(cluster)
    try:
        with _controller(cluster) as controller:
            cluster.apply(*controller.webhooks)
            try:
                yield
            finally:
                # Before it ends: the API server would let no pod pass that it cannot ask it about.
                for hooks in controller.webhooks:
                    cluster.kubectl("delete", hooks["kind"], hooks["metadata"]["name"])
    finally:
        serve_no_more(cluster)


def serve(cluster: Cluster) -> None:
    """Make the API server serve the kinds, and return once it does."""
    definitions = _definitions(cluster)
    cluster.apply(*definitions)
    files = [f"--filename={file}" for file in definitions]
    cluster.kubectl("wait", *files, "--for=condition=Established", "--timeout=60s")
    wait_until(
        lambda: cluster.kubectl("get", KIND, "--all-namespaces", check=False).returncode == 0,
        timeout=READY_SECONDS,
        why="the kind to be served",
    )


def serve_no_more(cluster: Cluster) -> None:
    """Delete the kinds, and all that there is of them."""
    files = [f"--filename={file}" for file in _definitions(cluster)]
    cluster.kubectl("delete", "--ignore-not-found", *files)


def _definitions(cluster: Cluster) -> list[Path]:
    return [cluster.tools.files[name] for name in _KINDS]


@dataclass(frozen=True)
class _Controller:
    """What runs.

    Attributes:
        webhooks: what the API server has to know to ask it.
    """

    webhooks: list[dict[str, Any]]


@contextmanager
def _controller(cluster: Cluster) -> Iterator[_Controller]:
    folder = cluster.workdir / "lws"
    folder.mkdir(exist_ok=True)
    hooks_port, health_port = free_ports(2)
    authority = trustme.CA()
    shown = authority.issue_cert("127.0.0.1")
    shown.private_key_pem.write_to_path(folder / "tls.key")
    shown.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    webhooks = list(_webhooks(cluster, hooks_port, authority))
    paths = [hook["clientConfig"]["url"] for hooks in webhooks for hook in hooks["webhooks"]]
    configuration = folder / "configuration.json"
    configuration.write_text(json.dumps(_configuration(folder, hooks_port, health_port)))
    log = folder / "log"
    with (
        log.open("wb") as said,
        subprocess.Popen(
            [
                str(cluster.tools["lws"]),
                f"--config={configuration}",
                f"--kubeconfig={cluster.kubeconfig}",
            ],
            cwd=folder,
            env=marked_environment(cluster.workdir),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        ) as process,
    ):

        def up() -> bool:
            if process.poll() is not None:
                raise PartDownError(f"lws is dead. The end of its log:\n{tail(log)}")
            # A hook that is asked nothing answers so; one that is not there yet is not found.
            return all(
                answers(hooks_port, True, path.partition(str(hooks_port))[2]) for path in paths
            )

        try:
            wait_until(up, timeout=READY_SECONDS, why="the webhooks of LeaderWorkerSet to answer")
            yield _Controller(webhooks)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _configuration(folder: Path, hooks_port: int, health_port: int) -> dict[str, Any]:
    return {
        "apiVersion": "config.lws.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "webhook": {"host": "127.0.0.1", "port": hooks_port, "certDir": str(folder)},
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health_port}"},
        "metrics": {"bindAddress": "0"},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
    }


def _webhooks(cluster: Cluster, port: int, authority: trustme.CA) -> Iterator[dict[str, Any]]:
    """What is published for the API server, with an address on loopback for the Service's."""
    trusted = base64.b64encode(authority.cert_pem.bytes()).decode()
    published = cluster.tools.files["lws-webhooks.yaml"].read_text()
    for document in yaml.safe_load_all(published):
        document["metadata"]["name"] = f"lws-{document['metadata']['name']}"
        for hook in document["webhooks"]:
            path = hook["clientConfig"]["service"]["path"]
            url = f"https://127.0.0.1:{port}{path}"
            hook["clientConfig"] = {"url": url, "caBundle": trusted}
        yield document
