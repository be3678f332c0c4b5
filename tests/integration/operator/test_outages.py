"""What connects the operator to the cluster breaks while the world changes."""

import json
import urllib.request
from pathlib import Path

from e2e import nodes
from e2e.cluster import Cluster
from e2e.wait import wait_until
from e2e.world import H100, PATIENCE_SECONDS, World, policy, pool, reservation, tenant
from tests.integration.operator.link import linked
from tests.integration.operator.oversold import nothing_oversold
from tests.integration.operator.process import Operator, running

COMPLAINT = "Watching "
"""What it logs when a watch does not come about."""


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
        lambda: {n: world.status("capres", n).get("granted", 0) for n in wanted} == wanted,
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
        world.apply(
            tenant("initech"),
            reservation("acme", "llama", ["acme"], {"percent": 20}),
            reservation("initech", "llama", ["initech"], {"serviceTokensPerSecond": 4_200}),
        )
        wait_granted(world, acme=8_400, globex=12_600, initech=4_200)
        before = lists(operator)
        operator.pause()
        cluster.delete_nodes("h100-2")
        world.kubectl(*("delete", "pods", "--force", "--field-selector=spec.nodeName=h100-2"))
        world.kubectl("delete", "capres", "initech")
        world.apply(
            tenant("hooli"),
            reservation("hooli", "llama", ["hooli"], {"serviceTokensPerSecond": 2_000}),
        )
        wait_until(
            lambda: world.nodes_of("llama") == ["Pending", "h100-0", "h100-1"],
            timeout=PATIENCE_SECONDS,
            why="the pod of the node to be gone, and its successor to find no other",
        )
        compact(cluster)
        cluster.control_plane.restart("kube-apiserver")
        with nothing_oversold(world, tmp_path / "after") as recorder:
            operator.resume()
            # Two replicas of 14,000 are left, one of them a spare.
            wait_granted(world, acme=5_600, globex=7_000, hooli=0)
            world.wait_for_condition("tpool", "llama", "Placed", "False", "InsufficientDevices")
            assert lists(operator) > before, "a version was still known: nothing to be found out"
            cluster.add_nodes([nodes.h100("h100-3", devices=4)])
            world.wait_ready("llama", "h100:3")
            wait_granted(world, acme=8_400, globex=12_600, hooli=2_000)
            assert recorder.most_devices({"llama-h100": 4}) <= 12


def test_the_api_server_dies_again_and_again_while_things_change(
    cluster: Cluster, world: World, tmp_path: Path
) -> None:
    """What is done is recorded throughout: nobody acts while it is back and no watch is open."""
    options = (f"--namespace={world.namespace}", "--no-leader-elect")
    with running(cluster, tmp_path / "log", *options) as operator:
        start(world)
        for percent, replicas in ((20, 2), (30, 3)):
            with nothing_oversold(world, tmp_path / f"to-{replicas}"):
                world.apply(
                    pool("llama", replicas, H100),
                    reservation("acme", "llama", ["acme"], {"percent": percent}),
                )
                operator.pause()
            with cluster.control_plane.without("kube-apiserver"):
                told = operator.log.count(COMPLAINT)
                operator.resume()
                wait_until(
                    lambda n=told: operator.log.count(COMPLAINT) > n,  # type: ignore[misc]
                    timeout=PATIENCE_SECONDS,
                    why="the operator to notice that nobody answers",
                )
                operator.pause()
            with nothing_oversold(world, tmp_path / f"at-{replicas}"):
                operator.resume()
                world.wait_ready("llama", f"h100:{replicas}")
        wait_granted(world, acme=12_600, globex=12_600)


def test_connections_are_cut_again_and_again_while_things_change(
    cluster: Cluster, world: World, tmp_path: Path
) -> None:
    """Every watch goes on where it was, so what happened meanwhile takes no list."""
    options = (f"--namespace={world.namespace}", "--no-leader-elect")
    kubeconfig = tmp_path / "kubeconfig"
    with (
        linked(cluster, kubeconfig) as link,
        running(cluster, tmp_path / "log", *options, kubeconfig=kubeconfig) as operator,
    ):
        start(world)
        listed = lists(operator)
        with nothing_oversold(world, tmp_path / "meanwhile") as recorder:
            for percent, replicas in ((20, 2), (30, 3)):
                passed = link.passed
                world.apply(pool("llama", replicas, H100))
                with link.cut():
                    world.apply(reservation("acme", "llama", ["acme"], {"percent": percent}))
                world.wait_ready("llama", f"h100:{replicas}")
                wait_until(
                    lambda: (
                        world.condition("capres", "acme", "Accepted")["observedGeneration"]
                        == world.get("capres", "acme")["metadata"]["generation"]
                    ),
                    timeout=PATIENCE_SECONDS,
                    why="what was changed meanwhile to be heard of",
                )
                assert link.passed > passed
            wait_granted(world, acme=12_600, globex=12_600)
            with link.cut():
                cluster.delete_nodes("h100-2")
                world.kubectl(
                    *("delete", "pods", "--force", "--field-selector=spec.nodeName=h100-2")
                )
            wait_granted(world, acme=8_400, globex=4_200)
            assert recorder.most_devices({"llama-h100": 4}) <= 12
        assert lists(operator) == listed
