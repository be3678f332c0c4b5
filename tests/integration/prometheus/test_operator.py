"""The operator takes over what a real Prometheus has measured, and keeps it."""

import base64
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e import nodes
from e2e.cluster import Cluster
from e2e.demo import replicas
from e2e.demo.processes import Processes
from e2e.demo.replicas import Replica
from e2e.ports import free_ports
from e2e.wait import wait_until
from e2e.world import H100, World, policy, pool, reservation, tenant
from tests.integration.operator.process import running
from tests.integration.prometheus.flood import flood
from tests.integration.prometheus.server import PrometheusServer
from tests.unit.sidecar.waiting import DEADLINE
from tierfleet.planning.traffic import HYSTERESIS

INTERVAL = 4
DECLARED = 1_000_000
"""Far more than a simulated engine on shared cores does."""


@pytest.fixture
def world(cluster: Cluster, namespace: str) -> World:
    cluster.add_nodes([nodes.h100("h100-0")])
    return World(cluster, namespace)


@pytest.fixture
def served(world: World, prometheus: None, tmp_path: Path) -> Iterator[list[Replica]]:
    """Two replicas of four seats each; a tenant with a contract, and one without."""
    with running(
        world.cluster, tmp_path / "first", f"--namespace={world.namespace}", "--no-leader-elect"
    ):
        world.apply(
            policy("standard", "enterprise", "retail"),
            tenant("acme"),
            tenant("hobby", "retail"),
            pool(
                "llama",
                2,
                H100 | {"capacity": {"serviceTokensPerSecond": DECLARED}},
                engine={"image": "vllm/vllm-openai:v0.32.0", "maxSequences": 4},
            ),
            reservation(
                "acme", "llama", ["acme"], {"serviceTokensPerSecond": 800_000},
                burst={"windowMilliseconds": 1}, maxWaitMilliseconds=1000,
            ),
        )  # fmt: skip
        world.wait_ready("llama", "h100:2")
        world.wait_for_condition("capres", "acme", "Accepted", "True", "Fits")
        processes = Processes(world.cluster.workdir)
        try:
            found = replicas.start(
                world.cluster, processes, namespace=world.namespace, pool="llama", count=2
            )
        except BaseException:
            processes.stop()
            raise
    try:
        yield found
        processes.check()
    finally:
        processes.stop()


def _wait_for_polls(port: int, count: int) -> None:
    """Return once Prometheus has answered so many times more."""

    def polls() -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        (found,) = re.findall(
            r'^tierfleet_operator_prometheus_polls_total{result="success"} (\S+)',
            text,
            re.MULTILINE,
        )
        return float(found)

    before = polls()
    wait_until(
        lambda: polls() >= before + count, timeout=DEADLINE, why=f"{count} polls of Prometheus"
    )


def index(world: World) -> dict[str, Any]:
    return world.get("secret", "llama-plan")


def plan(world: World) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.b64decode(index(world)["data"]["index.json"]))
    return document


def group(world: World) -> dict[str, Any]:
    (found,) = plan(world)["groups"]
    return dict(found)


def mean_cost(world: World) -> dict[str, Any]:
    return dict(world.status("tpool", "llama")["capacity"]["meanCost"])


@pytest.mark.timeout(600)
def test_what_full_replicas_do_becomes_the_capacity_and_outlives_prometheus_and_the_operator(
    world: World, served: list[Replica], tmp_path: Path
) -> None:
    names = sorted(pod["metadata"]["name"] for pod in world.pods("llama"))
    targets = [
        (_address(replica), world.namespace, name)
        for replica, name in zip(served, names, strict=True)
    ]
    server = PrometheusServer(tmp_path, targets)
    (port,) = free_ports(1)
    options = (
        f"--metrics-port={port}",
        f"--namespace={world.namespace}",
        "--no-leader-elect",
        f"--prometheus-url={server.url}",
        f"--prometheus-interval-seconds={INTERVAL}",
    )
    with server, running(world.cluster, tmp_path / "log", *options) as operator:
        world.wait_for_condition("tpool", "llama", "CapacityKnown", "True", "Declared")
        assumed = world.status("tpool", "llama")["capacity"]["meanCost"]
        assert assumed == {"source": "Assumed", "serviceTokens": 2000}
        with flood([replica.sidecar for replica in served], "key-of-hobby", callers=8):
            world.wait_for_condition("tpool", "llama", "CapacityKnown", "True", "Measured")
            wait_until(
                lambda: mean_cost(world)["source"] == "Measured",
                timeout=DEADLINE,
                why="the mean cost of a request",
            )
        # It is less than was sold: nothing is taken back, and everybody is told.
        world.wait_for_condition("capres", "acme", "Degraded", "True", "CapacityLost")
        world.wait_for_condition("capres", "acme", "Accepted", "True", "Fits")

        server.kill()
        away = world.wait_for_condition(
            "tpool", "llama", "CapacityKnown", "True", "PrometheusUnavailable"
        )
        status = world.status("tpool", "llama")
        (accelerator,) = status["accelerators"]
        rate = accelerator["capacity"]["serviceTokensPerSecond"]
        assert 0 < rate < DECLARED
        assert accelerator["capacity"]["source"] == status["capacity"]["source"] == "Measured"
        assert status["capacity"]["total"] == 2 * rate
        assert f"{2 * rate} service tokens/s as measured" in away["message"]
        assert group(world)["serviceTokensPerSecond"] == rate
        assert group(world)["measuredSince"] == accelerator["capacity"]["since"]
        # 64 output tokens at 4 each, and a short prompt; both counters are read a moment off.
        cost = mean_cost(world)
        assert cost["serviceTokens"] == pytest.approx(264, rel=HYSTERESIS)
        assert plan(world)["meanCost"] == {
            "serviceTokens": cost["serviceTokens"],
            "measuredSince": cost["since"],
        }
        before = index(world)["metadata"]["resourceVersion"]

        operator.kill()
        operator.start()
        world.wait_for_condition("tpool", "llama", "CapacityKnown", "True", "PrometheusUnavailable")
        server.forget()
        server.start()
        world.wait_for_condition("tpool", "llama", "CapacityKnown", "True", "Measured")
        assert world.status("tpool", "llama")["capacity"]["total"] == 2 * rate
        assert mean_cost(world) == cost
        assert index(world)["metadata"]["resourceVersion"] == before, "the plan never moved"

        _wait_for_polls(port, 2)
        asked = len(list(operator.requests()))
        _wait_for_polls(port, 3)
        later = [r for r in list(operator.requests())[asked:] if r["verb"] != "watch"]
        assert later == [], "measuring what does not change asks the API server for nothing"


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("prometheus")
def test_an_automatic_pool_grows_with_waits_and_with_load_whatever_kubectl_scale_says(
    world: World, tmp_path: Path
) -> None:
    world.cluster.add_nodes([nodes.h100("h100-1")])
    impatient = policy("standard", "enterprise", "retail")
    impatient["spec"]["tiers"][1]["objectives"] = {"queueP99Milliseconds": 1}

    def automatic(rate: int) -> dict[str, Any]:
        return pool(
            "llama",
            3,
            H100 | {"capacity": {"serviceTokensPerSecond": rate}},
            engine={"image": "vllm/vllm-openai:v0.32.0", "maxSequences": 4},
            scaling={"mode": "Automatic", "maxReplicas": 4},
        )

    processes = Processes(world.cluster.workdir)
    server = PrometheusServer(tmp_path, [])
    options = (
        f"--namespace={world.namespace}",
        "--no-leader-elect",
        f"--prometheus-url={server.url}",
        f"--prometheus-interval-seconds={INTERVAL}",
    )
    with server, running(world.cluster, tmp_path / "log", *options) as operator:
        world.apply(impatient, tenant("hobby", "retail"), automatic(DECLARED))
        world.wait_ready("llama", "h100:1")
        world.wait_for_condition("tpool", "llama", "Scaled", "Unknown", "NoMetrics")
        try:
            (replica,) = replicas.start(
                world.cluster, processes, namespace=world.namespace, pool="llama", count=1
            )
            (pod,) = world.pods("llama")
            server.scrape([(_address(replica), world.namespace, pod["metadata"]["name"])])
            with flood([replica.sidecar], "key-of-hobby", callers=8):
                # It is idle by what it declares, but callers wait: as many again as serve.
                world.wait_ready("llama", "h100:2")
                assert world.condition("tpool", "llama", "CapacityKnown")["reason"] == "Declared"
                world.apply(automatic(100))
                world.wait_ready("llama", "h100:4")
        finally:
            processes.stop()
        assert world.status("tpool", "llama")["replicas"] == 4
        assert world.status("tpool", "llama")["readySummary"] == "4/4"
        assert world.get("tpool", "llama")["spec"]["replicas"] == 3
        world.kubectl("scale", "tpool", "llama", "--replicas=1")
        world.wait_for_condition("tpool", "llama", "Ready", "True")
        assert "kubectl scale" in world.condition("tpool", "llama", "Scaled")["message"]
        assert world.placement("llama") == "h100:4"

        server.kill()
        operator.kill()
        operator.start()
        world.wait_for_condition("tpool", "llama", "Scaled", "Unknown", "NoMetrics")
        world.wait_ready("llama", "h100:4")


def _address(replica: Replica) -> str:
    return replica.admin.removeprefix("http://")
