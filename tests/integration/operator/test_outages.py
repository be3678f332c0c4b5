"""What connects the operator to the cluster breaks while the world changes."""

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e import nodes
from e2e.cluster import Cluster
from e2e.wait import wait_until
from e2e.world import H100, PATIENCE_SECONDS, World, policy, pool, reservation, tenant
from tests.integration.operator.oversold import promised, sellable
from tests.integration.operator.process import Operator, running
from tests.integration.operator.recorder import recording


@contextmanager
def paused(operator: Operator) -> Iterator[None]:
    """It hears and does nothing meanwhile, as in a machine that swaps or a network that is cut."""
    os.kill(operator.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(operator.pid, signal.SIGCONT)


def compact(cluster: Cluster) -> None:
    """Have etcd forget all but the present, so that no watch can go on from before (410)."""

    def ask(path: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
        url = f"http://127.0.0.1:{cluster.control_plane.ports.etcd}/v3/kv/{path}"
        request = urllib.request.Request(url, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            found: dict[str, dict[str, str]] = json.load(answer)
            return found

    revision = ask("range", {"key": "Lw=="})["header"]["revision"]
    ask("compaction", {"revision": revision})


def lists(operator: Operator) -> int:
    """How often it has listed; it follows watches otherwise."""
    return sum(request["verb"] == "list" for request in operator.requests())


def start(world: World) -> None:
    """Three replicas on as many nodes, two contracts that take all that can be sold."""
    world.cluster.add_nodes([nodes.h100(f"h100-{number}", devices=4) for number in range(3)])
    world.apply(
        policy(),
        tenant("acme"),
        tenant("globex"),
        pool("llama", 3, H100),
        reservation("acme", "llama", ["acme"], {"percent": 30}),
        reservation("globex", "llama", ["globex"], {"serviceTokensPerSecond": 12_600}),
    )
    world.wait_ready("llama", "h100:3")
    wait_granted(world, acme=12_600, globex=12_600)


def wait_granted(world: World, **wanted: int) -> None:
    wait_until(
        lambda: {n: world.status("capres", n).get("granted") for n in wanted} == wanted,
        timeout=PATIENCE_SECONDS,
        why=f"{wanted} granted",
    )


def test_what_happened_while_nobody_could_be_told_is_found_out(
    cluster: Cluster, world: World, tmp_path: Path
) -> None:
    """The API server dies, and etcd has forgotten what happened: every watch gets 410."""
    options = (f"--namespace={world.namespace}", "--no-leader-elect")
    with running(cluster, tmp_path / "log", *options) as operator:
        start(world)
        with recording(world, tmp_path) as recorder:
            with paused(operator):
                cluster.delete_nodes("h100-2")
                world.kubectl(
                    *("delete", "pods", "--force", "--field-selector=spec.nodeName=h100-2")
                )
                world.kubectl("delete", "capres", "globex")
                world.apply(
                    tenant("hooli"),
                    reservation("hooli", "llama", ["hooli"], {"serviceTokensPerSecond": 2_000}),
                )
                wait_until(
                    lambda: world.nodes_of("llama") == ["Pending", "h100-0", "h100-1"],
                    timeout=PATIENCE_SECONDS,
                    why="the pod of the node to be gone, and its successor to find no other",
                )
            seen = list(recorder.plans("llama"))
        before = lists(operator)
        with paused(operator):
            compact(cluster)
            cluster.control_plane.restart("kube-apiserver")
        # Two replicas of 14,000 are left, one of them a spare.
        wait_granted(world, acme=8_400, hooli=2_000)
        world.wait_for_condition("tpool", "llama", "Placed", "False", "InsufficientDevices")
        assert lists(operator) > before, "a version was still known, so nothing was to be found out"
        cluster.add_nodes([nodes.h100("h100-3", devices=4)])
        world.wait_ready("llama", "h100:3")
        wait_granted(world, acme=12_600, hooli=2_000)
        assert [plan for plan in seen if promised(plan) > sellable(plan)] == []


def test_the_api_server_is_restarted_again_and_again_while_things_change(
    cluster: Cluster, world: World, tmp_path: Path
) -> None:
    options = (f"--namespace={world.namespace}", "--no-leader-elect")
    with running(cluster, tmp_path / "log", *options):
        start(world)
        for percent, replicas in ((20, 2), (30, 3)):
            world.apply(
                pool("llama", replicas, H100),
                reservation("acme", "llama", ["acme"], {"percent": percent}),
            )
            cluster.control_plane.restart("kube-apiserver")
            world.wait_ready("llama", f"h100:{replicas}")
        wait_granted(world, acme=12_600, globex=12_600)
