"""Replicas of several nodes: what is asked of LeaderWorkerSet, and what is counted of it.

The kind is a stand-in and its pods are made by hand (`by_hand.py`); scheduler, nodes, budgets,
Services and the operator are real.
"""

import json

import pytest

from e2e import nodes
from e2e.cluster import Cluster
from e2e.wait import wait_until
from e2e.world import B200, PATIENCE_SECONDS, Document, World, policy, pool
from tests.integration.operator.by_hand import (
    THEIRS,
    asked_for,
    carry_out,
    install,
    tell,
    uninstall,
)
from tests.integration.operator.process import Operator

WIDE = {
    "name": "h100",
    "products": ["NVIDIA-H100-80GB-HBM3"],
    "devicesPerReplica": 8,
    "nodesPerReplica": 2,
    "capacity": {"serviceTokensPerSecond": 30000},
}
ONE = {
    "name": "h100",
    "products": ["NVIDIA-H100-80GB-HBM3"],
    "devicesPerReplica": 8,
    "capacity": {"serviceTokensPerSecond": 15000},
}


@pytest.fixture
def four(cluster: Cluster, world: World) -> World:
    """A namespace, and four H100 nodes of 8 devices each."""
    cluster.add_nodes([nodes.h100(f"h100-{number}") for number in range(4)])
    return world


def where(world: World, names: list[str]) -> list[str]:
    """The nodes of the pods, once all of them are bound and ready."""

    def bound() -> list[Document] | None:
        pods = [world.get("pod", name) for name in names]
        ready = [
            pod
            for pod in pods
            for condition in pod.get("status", {}).get("conditions", ())
            if condition["type"] == "Ready" and condition["status"] == "True"
        ]
        return pods if len(ready) == len(pods) else None

    pods = wait_until(bound, timeout=PATIENCE_SECONDS, why=f"{names} to be ready")
    assert pods is not None
    return sorted(pod["spec"]["nodeName"] for pod in pods)


def evicts(world: World, pod: str) -> bool:
    """Whether the pod may be evicted, as a drain does it; it is, if so."""
    path = f"/api/v1/namespaces/{world.namespace}/pods/{pod}/eviction"
    metadata = {"name": pod, "namespace": world.namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    answer = world.cluster.kubectl(
        "create", f"--raw={path}", "--filename=-", stdin=json.dumps(eviction), check=False
    )
    assert answer.returncode == 0 or "disruption budget" in answer.stderr, answer.stderr
    return answer.returncode == 0


def test_a_replica_of_two_nodes_gets_its_pods_and_counts_as_one(
    operator: Operator, four: World, leader_worker_sets: None
) -> None:
    four.apply(policy(), pool("llama", 1, WIDE))
    pods = carry_out(four, "llama-h100", 1)
    assert pods == ["llama-h100-0", "llama-h100-0-1"]
    assert len(set(where(four, pods))) == 2
    four.wait_ready("llama", "h100:1")
    status = four.status("tpool", "llama")
    assert (status["replicas"], status["readySummary"]) == (1, "1/1")
    assert status["capacity"]["total"] == 30000
    assert [pod["metadata"]["name"] for pod in four.pods("llama")] == ["llama-h100-0"]
    four.wait_for_condition("tpool", "llama", "Enforced", "True")
    wait_until(
        lambda: four.endpoints("llama") == 1,
        timeout=PATIENCE_SECONDS,
        why="the pod that leads to be the only endpoint",
    )
    assert four.find("deployment", "llama-h100") is None


def test_no_second_replica_is_lost_to_a_drain_while_one_is_away(
    operator: Operator, four: World, leader_worker_sets: None
) -> None:
    four.apply(policy(), pool("llama", 2, WIDE))
    where(four, carry_out(four, "llama-h100", 2))
    four.wait_ready("llama", "h100:2")
    wait_until(
        lambda: four.get("pdb", "llama").get("status", {}).get("disruptionsAllowed") == 1,
        timeout=PATIENCE_SECONDS,
        why="the budget to be counted",
    )
    assert four.get("pdb", "llama")["status"]["expectedPods"] == 4
    assert evicts(four, "llama-h100-0-1")
    for pod in ("llama-h100-1", "llama-h100-1-1"):
        assert not evicts(four, pod)


def test_one_node_is_too_few_until_there_is_another(
    operator: Operator, world: World, leader_worker_sets: None
) -> None:
    world.cluster.add_nodes([nodes.h100("h100-0")])
    world.apply(policy(), pool("llama", 1, WIDE))
    said = world.wait_for_condition("tpool", "llama", "Placed", "False", "InsufficientDevices")
    assert (
        "1 replica wanted with 8 nvidia.com/gpu on each of 2 nodes, room found for 0."
        in said["message"]
    )
    assert asked_for(world, "llama-h100", 0)
    world.cluster.add_nodes([nodes.h100("h100-1")])
    where(world, carry_out(world, "llama-h100", 1))
    world.wait_ready("llama", "h100:1")


def test_without_their_kind_what_fits_runs_and_the_rest_follows_once_it_is_there(
    operator: Operator, fleet: World, cluster: Cluster
) -> None:
    narrow = B200 | {"maxReplicas": 1}
    fleet.apply(policy(), pool("llama", 2, WIDE, narrow))
    said = fleet.wait_for_condition("tpool", "llama", "Placed", "False", "LeaderWorkerSetMissing")
    assert THEIRS in said["message"]
    assert fleet.condition("tpool", "llama", "Accepted")["status"] == "True"
    assert fleet.condition("tpool", "llama", "Stalled") == {}
    wait_until(
        lambda: fleet.status("tpool", "llama").get("readySummary") == "1/2",
        timeout=PATIENCE_SECONDS,
        why="the replica of one node to serve",
    )
    try:
        install(cluster)
        where(fleet, carry_out(fleet, "llama-h100", 1))
        fleet.wait_ready("llama", "h100:1 b200:1")
    finally:
        uninstall(cluster)
    # Whoever collects garbage may not be able to tell any more whose pods they are.
    fleet.kubectl("delete", "pods", "llama-h100-0", "llama-h100-0-1", "--ignore-not-found")
    fleet.wait_for_condition("tpool", "llama", "Placed", "False", "LeaderWorkerSetMissing")
    assert operator.running


def test_what_runs_outlives_a_moment_in_which_the_kind_is_not_served(
    operator: Operator, four: World, leader_worker_sets: None
) -> None:
    four.apply(policy(), pool("llama", 1, WIDE))
    where(four, carry_out(four, "llama-h100", 1))
    four.wait_ready("llama", "h100:1")
    before = four.get(THEIRS, "llama-h100")["metadata"]

    def serve(served: bool) -> None:
        change = [{"op": "replace", "path": "/spec/versions/0/served", "value": served}]
        four.cluster.kubectl("patch", "crd", THEIRS, "--type=json", f"--patch={json.dumps(change)}")

    def lists() -> int:
        asked = ((r["verb"], r.get("objectRef", {}).get("resource")) for r in operator.requests())
        return sum(one == ("list", "leaderworkersets") for one in asked)

    def look(percent: int) -> None:
        """Have the pool looked at: once this percentage is told, it has been."""
        four.apply(pool("llama", 1, WIDE, partitioning={"sellablePercent": percent}))
        wait_until(
            lambda: four.status("tpool", "llama")["capacity"]["sellable"] == 300 * percent,
            timeout=PATIENCE_SECONDS,
            why="the pool to be looked at",
        )

    def gone_for_a_moment() -> None:
        before = lists()
        serve(False)
        serve(True)
        wait_until(lambda: lists() > before, timeout=PATIENCE_SECONDS, why="a new list of them")

    for percent in (50, 60):
        gone_for_a_moment()
        look(percent)
        now = four.get(THEIRS, "llama-h100")["metadata"]
        assert (now["uid"], now["generation"]) == (before["uid"], before["generation"])
    four.wait_ready("llama", "h100:1")


def test_workers_hold_their_devices_until_a_smaller_pool_has_given_them_up(
    operator: Operator, four: World, leader_worker_sets: None
) -> None:
    four.apply(policy(), pool("llama", 2, WIDE))
    where(four, carry_out(four, "llama-h100", 2))
    four.wait_ready("llama", "h100:2")
    four.apply(pool("small", 1, ONE, placementWeight=1000))
    four.wait_for_condition("tpool", "small", "Placed", "False", "InsufficientDevices")
    assert four.placement("llama") == "h100:2"

    four.kubectl("scale", "tpool", "llama", "--replicas=1")
    assert carry_out(four, "llama-h100", 1) == ["llama-h100-0", "llama-h100-0-1"]
    four.wait_ready("small", "h100:1")
    four.wait_ready("llama", "h100:1")


def test_a_new_template_waits_for_the_other_rollout_and_is_told_in_replicas(
    operator: Operator, fleet: World, leader_worker_sets: None
) -> None:
    narrow = B200 | {"maxReplicas": 1}
    fleet.apply(policy(), pool("llama", 2, narrow, WIDE))
    where(fleet, carry_out(fleet, "llama-h100", 1))
    fleet.wait_ready("llama", "b200:1 h100:1")

    def image() -> str:
        spec = fleet.get(THEIRS, "llama-h100")["spec"]["leaderWorkerTemplate"]["workerTemplate"]
        name: str = spec["spec"]["containers"][0]["image"]
        return name

    newer = {"image": "vllm/vllm-openai:v0.33.0"}
    fleet.apply(pool("llama", 2, narrow, WIDE, engine=newer))
    wait_until(lambda: image() == newer["image"], timeout=PATIENCE_SECONDS, why="the new template")
    told = fleet.wait_for_condition("tpool", "llama", "Ready", "False", "RollingOut")
    assert told["message"].startswith("1 replicas, of 2 planned")
    there = fleet.get(THEIRS, "llama-h100")
    tell(fleet, there, updatedReplicas=1, readyReplicas=1)
    fleet.wait_ready("llama", "b200:1 h100:1")


def test_what_others_change_is_put_back_and_it_goes_with_the_pool(
    operator: Operator, four: World, leader_worker_sets: None
) -> None:
    four.apply(policy(), pool("llama", 1, WIDE))
    before = asked_for(four, "llama-h100", 1)["spec"]
    worker = {"spec": {"hostNetwork": True}}
    edit = json.dumps({"spec": {"leaderWorkerTemplate": {"size": 3, "workerTemplate": worker}}})
    four.kubectl("patch", THEIRS, "llama-h100", "--type=merge", f"-p={edit}")
    wait_until(
        lambda: four.get(THEIRS, "llama-h100")["spec"] == before,
        timeout=PATIENCE_SECONDS,
        why="the edit to be put back",
    )
    four.kubectl("delete", THEIRS, "llama-h100", "--wait=false")
    wait_until(
        lambda: len(four.events("llama", "DriftRepaired")) == 2,
        timeout=PATIENCE_SECONDS,
        why="an Event for each",
    )
    assert asked_for(four, "llama-h100", 1)["spec"] == before
    four.apply(pool("llama", 1, WIDE | {"name": "wide"}))
    pods = carry_out(four, "llama-wide", 1)
    wait_until(
        lambda: four.find(THEIRS, "llama-h100") is None,
        timeout=PATIENCE_SECONDS,
        why="what is not planned any more to be deleted",
    )
    four.kubectl("delete", "tpool", "llama")
    wait_until(
        lambda: four.find(THEIRS, "llama-wide") is None and four.find("pod", pods[1]) is None,
        timeout=PATIENCE_SECONDS,
        why="it to go with the pool, and its pods with it",
    )
