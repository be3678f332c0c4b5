"""The replicas of one pool as local processes: an engine and a sidecar each.

Fake nodes run no containers, so the pool's two pods are played here: the same commands as in its
pod template, the plan from its Secrets, loopback instead of a pod network.
"""

import sys
import urllib.error
import urllib.request
from dataclasses import dataclass

from e2e.cluster import Cluster
from e2e.demo.fleet import SPEED
from e2e.demo.processes import Processes, tierfleet
from e2e.ports import free_ports
from e2e.wait import wait_until

READY_SECONDS = 60.0


@dataclass(frozen=True)
class Replica:
    """Base URLs of one replica."""

    engine: str
    sidecar: str
    admin: str


def start(
    cluster: Cluster, processes: Processes, *, namespace: str, pool: str, count: int
) -> list[Replica]:
    """Starts replicas of the pool's first accelerator and waits until each is ready to serve."""
    spec = cluster.get("tpool", pool, "--namespace", namespace)["spec"]
    seats, model = spec["engine"]["maxSequences"], spec["model"]["name"]
    mounted = cluster.workdir / "plan" / namespace / pool
    mounted.mkdir(parents=True, exist_ok=True)
    processes.start(
        "plan-mount", sys.executable, "-m", "e2e.demo.mount",
        cluster.kubeconfig, namespace, pool, mounted,
    )  # fmt: skip
    ports = iter(free_ports(3 * count))
    replicas = []
    for number in range(count):
        engine, data, admin = next(ports), next(ports), next(ports)
        processes.start(
            f"engine-{number}", tierfleet(), "engine", "--preset", "h100", "--model", model,
            "--max-num-seqs", str(seats), "--speed", SPEED, "--port", str(engine),
        )  # fmt: skip
        processes.start(
            f"sidecar-{number}", tierfleet(), "sidecar", "--plan", mounted,
            "--group", spec["accelerators"][0]["name"],
            "--upstream", f"http://127.0.0.1:{engine}",
            "--port", str(data), "--admin-port", str(admin),
            "--drain-accept-seconds", "0",  # nobody on loopback learns late that it drains
        )  # fmt: skip
        replicas.append(Replica(*(f"http://127.0.0.1:{port}" for port in (engine, data, admin))))

    def ready() -> bool:
        processes.check()
        return all(_answers(f"{replica.admin}/readyz") for replica in replicas)

    wait_until(ready, timeout=READY_SECONDS, why="the local replicas to be ready")
    return replicas


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback http
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
