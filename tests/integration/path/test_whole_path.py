"""From `kubectl apply` to an admitted request: every part real but the GPU and the kubelet.

The plan goes from the three resources through the operator and its Secrets into a running sidecar;
what a caller gets is what counts.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from e2e import nodes
from e2e.cluster import Cluster
from e2e.demo.replicas import Replica
from e2e.world import H100, World, policy, pool, reservation, tenant
from tests.integration.operator.process import Operator, running
from tests.integration.path.caller import Caller, serving


@pytest.fixture
def operator(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Operator]:
    with running(
        cluster, tmp_path / "operator.log", f"--namespace={namespace}", "--no-leader-elect"
    ) as operator:
        yield operator


@pytest.fixture
def fleet(cluster: Cluster, namespace: str, operator: Operator) -> World:
    """A pool of one replica, a tenant in each tier, and a reservation."""
    cluster.add_nodes([nodes.h100("h100-0")])
    world = World(cluster, namespace)
    world.apply(
        policy("standard", "enterprise", "retail"),
        tenant("acme", "enterprise"),
        tenant("hobby", "retail"),
        pool("llama", 1, H100, partitioning={"spareReplicas": 0}),
        reservation("contract", "llama", ["acme"], {"percent": 30}),
    )
    world.wait_for_condition("capres", "contract", "Ready", "True")
    world.wait_ready("llama", "h100:1")
    return world


@pytest.fixture
def replica(fleet: World) -> Iterator[Replica]:
    with serving(fleet) as replica:
        yield replica


async def test_what_kubectl_applied_decides_about_the_next_request(
    fleet: World, replica: Replica, http: aiohttp.ClientSession
) -> None:
    async with Caller(http, replica, "key-of-acme").send() as answer:
        assert answer.status == 200
        assert answer.headers["x-tierfleet-tier"] == "enterprise"
        assert answer.headers["x-tierfleet-partition"] == "reserved"
        assert answer.headers["x-tierfleet-reservation"] == "contract"
        assert (
            answer.headers["x-tierfleet-plan"] == fleet.status("tpool", "llama")["plan"]["version"]
        )
    async with Caller(http, replica, "key-of-hobby").send() as answer:
        assert (answer.status, answer.headers["x-tierfleet-partition"]) == (200, "shared")
    async with Caller(http, replica, "key-of-nobody").send() as answer:
        assert answer.status == 401


async def test_kubectl_tierfleet_shows_the_plan_that_the_sidecar_runs(
    fleet: World, replica: Replica, http: aiohttp.ClientSession
) -> None:
    plugin = Path(sys.executable).with_name("kubectl-tierfleet")
    options = ("--kubeconfig", fleet.cluster.kubeconfig, "--namespace", fleet.namespace)

    def ask(pool: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [plugin, "plan", pool, *options, "--output=json"],
            capture_output=True,
            text=True,
            check=False,
        )

    shown = json.loads(ask("llama").stdout)
    async with Caller(http, replica, "key-of-acme").send() as answer:
        assert answer.headers["x-tierfleet-plan"] == shown["version"]
    assert shown["reservations"][0]["name"] == "contract"
    assert "key-of-acme" not in json.dumps(shown)
    nothing = ask("nothing")
    assert nothing.returncode == 1
    assert "There is no plan for a pool nothing" in nothing.stderr


async def test_a_changed_limit_is_obeyed_without_a_restart_or_a_broken_stream(
    fleet: World, replica: Replica, http: aiohttp.ClientSession
) -> None:
    hobby = Caller(http, replica, "key-of-hobby")
    async with hobby.send(stream=True, tokens=1000) as stream:
        first = await stream.content.readline()
        changed = policy("standard", "enterprise", "retail")
        changed["spec"]["tiers"][1]["limits"] = {"requestsPerMinute": 2}
        fleet.apply(changed)
        refused = await hobby.until_status(429)
        assert refused.headers["x-ratelimit-limit-requests"] == "2"
        assert 0 < int(refused.headers["retry-after-ms"]) <= 60_000
        rest = await stream.read()
    events = [line for line in (first + rest).split(b"\n") if line.startswith(b"data: {")]
    assert (
        sum(bool(json.loads(e[6:])["choices"][0]["delta"].get("content")) for e in events) == 1000
    )
    async with Caller(http, replica, "key-of-acme").send() as answer:
        assert answer.status == 200


async def test_a_revoked_key_is_refused_and_its_successor_is_served(
    fleet: World, replica: Replica, http: aiohttp.ClientSession
) -> None:
    successor = tenant("hobby", "retail")
    successor["stringData"] = {"next": "new-key"}
    fleet.apply(successor)  # two keys during the rotation
    await Caller(http, replica, "new-key").until_status(200)
    async with Caller(http, replica, "key-of-hobby").send() as answer:
        assert answer.status == 200
    fleet.kubectl("patch", "secret", "tenant-hobby", "--type=json",
                  '--patch=[{"op": "remove", "path": "/data/key"}]')  # fmt: skip
    await Caller(http, replica, "key-of-hobby").until_status(401)
    async with Caller(http, replica, "new-key").send() as answer:
        assert answer.status == 200
