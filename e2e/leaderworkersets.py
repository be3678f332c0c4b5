"""LeaderWorkerSet on a test cluster: its kinds, and its controller with its webhooks, as a process.

The rest of its release, a Deployment with a Service and RBAC, has no place where no container runs:
the API server calls the webhooks on loopback. It must not know who makes LeaderWorkerSets.
"""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trustme
import yaml

from e2e import crds
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
    definitions = [cluster.tools.files[name] for name in _KINDS]
    crds.install(cluster, *definitions)
    try:
        with _controller(cluster) as webhooks:
            try:
                cluster.apply(*webhooks)
                yield
            finally:
                # Before it ends: the API server would let no pod pass that it cannot ask it about.
                named = [f"{one['kind']}/{one['metadata']['name']}" for one in webhooks]
                cluster.kubectl("delete", "--ignore-not-found", *named)
    finally:
        crds.uninstall(cluster, *definitions)


@contextmanager
def _controller(cluster: Cluster) -> Iterator[list[dict[str, Any]]]:
    """The process; gives what the API server has to know to ask its webhooks, which answer."""
    folder = cluster.workdir / "lws"
    folder.mkdir(exist_ok=True)
    port, health = free_ports(2)
    authority = trustme.CA()
    shown = authority.issue_cert("127.0.0.1")
    shown.private_key_pem.write_to_path(folder / "tls.key")
    shown.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    webhooks = list(_webhooks(cluster, port, authority))
    urls = [hook["clientConfig"]["url"] for one in webhooks for hook in one["webhooks"]]
    configuration = folder / "configuration.json"
    configuration.write_text(json.dumps(_configuration(folder, port, health)))
    log = folder / "log"
    options = [f"--config={configuration}", f"--kubeconfig={cluster.kubeconfig}"]
    with (
        log.open("ab") as said,
        subprocess.Popen(
            [str(cluster.tools["lws"]), *options],
            cwd=folder,
            env=marked_environment(cluster.workdir),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        ) as process,
    ):

        def refuse_dead() -> None:
            if process.poll() is not None:
                raise PartDownError(f"lws is dead. The end of its log:\n{tail(log)}")

        def up() -> bool:
            refuse_dead()
            # Who asks nothing is told so; before the webhook is there its path is not found.
            return all(answers(port, True, urlsplit(url).path) for url in urls)

        try:
            wait_until(up, timeout=READY_SECONDS, why="the webhooks of LeaderWorkerSet to answer")
            yield webhooks
            refuse_dead()
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _configuration(folder: Path, port: int, health: int) -> dict[str, Any]:
    return {
        "apiVersion": "config.lws.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "webhook": {"host": "127.0.0.1", "port": port, "certDir": str(folder)},
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
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
