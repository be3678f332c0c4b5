"""Disruption: a pod deleted, an engine that crashes, a node that is drained, a kubelet killed."""

from collections.abc import Mapping
from typing import Any

from e2e.scenarios.clients import Group
from e2e.scenarios.conftest import Serve
from e2e.scenarios.fleet import SEATS, START_SECONDS, Fleet, pool
from e2e.scenarios.test_load import STEADY
from e2e.wait import wait_until

LONG = Group("key-of-acme", callers=SEATS, tokens=(150, 250))
"""Streams that are still running when something happens to their replica."""


def test_a_pod_deleted_under_streams_ends_them_first(fleet: Fleet, serve: Serve) -> None:
    followed = serve(pool("deleted", 2))
    victim = fleet.world.pods("deleted")[0]["metadata"]["name"]
    clients = fleet.clients("deleted")
    with clients.calling(LONG, *STEADY):
        wait_until(lambda: clients.served() > 20, timeout=START_SECONDS, why="20 answers")
        fleet.world.kubectl("delete", "pod", victim, "--wait=false")
        wait_until(
            lambda: victim not in {p["metadata"]["name"] for p in followed.pods()},
            timeout=START_SECONDS,
            why="the pod to be gone",
        )
        fleet.up("deleted", 2)
    assert [a for a in clients.attempts if not a.served] == []
    agreed = followed.agree(clients.attempts)
    assert agreed.outcomes() == {"served": len(clients.attempts)}
    assert followed.log(victim), "it did serve"


def test_an_engine_that_crashes_costs_what_it_was_running_and_comes_back(
    fleet: Fleet, serve: Serve
) -> None:
    followed = serve(pool("crashed", 2))
    victim = fleet.world.pods("crashed")[0]
    name = victim["metadata"]["name"]
    clients = fleet.clients("crashed")
    with clients.calling(LONG):
        wait_until(lambda: followed.log(name), timeout=START_SECONDS, why="an answer of the pod")
        fleet.real.kill_container(victim, "engine")
        wait_until(
            lambda: _restarts(fleet, name) == 1 and fleet.world.endpoints("crashed") == 2,
            timeout=START_SECONDS,
            why=f"the engine to be back; {fleet.describe('crashed')}",
        )
        before = len(followed.log(name))
        wait_until(
            lambda: len(followed.log(name)) > before + SEATS,
            timeout=START_SECONDS,
            why="answers of the pod again",
        )
    failed = [a for a in clients.attempts if not a.served]
    assert failed, "it was running something"
    agreed = followed.agree(clients.attempts)
    outcomes = agreed.outcomes()
    assert outcomes["served"] == len(clients.attempts) - len(failed)
    assert set(outcomes) <= {"served", "engine-lost", "refused"}
    assert {a.status for a in failed if a.complete} <= {502, 503}
    elsewhere = [line for line in agreed.lines if line not in followed.log(name)]
    assert {line["outcome"] for line in elsewhere} == {"served"}, "the other replica knew nothing"


def test_a_node_that_is_drained_keeps_what_the_budget_says(fleet: Fleet, serve: Serve) -> None:
    followed = serve(pool("drained", 2))
    cluster, node = fleet.world.cluster, fleet.real.node.name
    clients = fleet.clients("drained")
    try:
        with clients.calling(*STEADY):
            # There is no second node: what is evicted has nowhere to go, so the budget stops it.
            said = cluster.kubectl(
                *("drain", node, "--pod-selector=tierfleet.dev/pool", "--delete-emptydir-data"),
                "--timeout=40s",
                check=False,
            )
            assert said.returncode != 0
            assert "disruption budget" in said.stderr
            assert fleet.world.endpoints("drained") == 1
            cluster.uncordon(node)
            fleet.up("drained", 2)
    finally:
        cluster.uncordon(node)
    assert [a for a in clients.attempts if not a.served] == []
    assert followed.agree(clients.attempts).outcomes() == {"served": len(clients.attempts)}


def test_kubelet_and_containerd_killed_under_load_are_not_noticed(
    fleet: Fleet, serve: Serve
) -> None:
    followed = serve(pool("killed", 2))
    uids = {pod["metadata"]["uid"] for pod in fleet.world.pods("killed")}
    node, clients = fleet.real.node, fleet.clients("killed")
    with clients.calling(*STEADY):
        for program in ("kubelet", "containerd", "kube-proxy"):
            before_it = node.pids(program)
            node.kill_program(program)
            wait_until(
                lambda old=before_it, name=program: node.pids(name) not in ([], old),  # type: ignore[misc]
                timeout=START_SECONDS,
                why=f"{program} to be started again",
            )
            before = clients.served()
            wait_until(
                lambda n=before: clients.served() > n + 60,  # type: ignore[misc]
                timeout=START_SECONDS,
                why="60 more answers",
            )
        node.wait_ready()
        fleet.up("killed", 2)
    assert {pod["metadata"]["uid"] for pod in fleet.world.pods("killed")} == uids
    assert [a for a in clients.attempts if not a.served] == []
    assert followed.agree(clients.attempts).outcomes() == {"served": len(clients.attempts)}


def _restarts(fleet: Fleet, pod: str) -> int:
    found: Mapping[str, Any] = fleet.world.get("pod", pod)
    statuses = found["status"].get("containerStatuses", [])
    return sum(c["restartCount"] for c in statuses if c["name"] == "engine")
