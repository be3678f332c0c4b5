"""Replicas of several nodes: what is asked of LeaderWorkerSet, and what is counted of it.

Its kind, its webhooks and its controller are those of its release.
"""

import json

from e2e import nodes
from e2e.leaderworkersets import KIND
from e2e.wait import wait_until
from e2e.world import B200, H100, PATIENCE_SECONDS, Document, World, policy, pool
from tests.integration.operator.groups import WIDE, asked_for, made
from tests.integration.operator.process import Operator

ONE = H100 | {"devicesPerReplica": 8, "capacity": {"serviceTokensPerSecond": 15000}}
NEWER = {"image": "vllm/vllm-openai:v0.33.0"}


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


def finalizers(world: World, pod: str, names: list[str]) -> None:
    """What keeps the pod, once it is deleted."""
    change = json.dumps({"metadata": {"finalizers": names}})
    world.kubectl("patch", "pod", pod, "--type=merge", f"--patch={change}")


def images(world: World, name: str) -> set[str]:
    """Of the engine, in what the LeaderWorkerSet asks for."""
    templates = world.get(KIND, name)["spec"]["leaderWorkerTemplate"]
    return {
        container["image"]
        for template in ("leaderTemplate", "workerTemplate")
        for container in templates[template]["spec"]["containers"]
        if container["name"] == "engine"
    }


def environment(pod: Document) -> dict[str, str]:
    """What the engine of a pod is told, as far as it is written there."""
    engine = next(c for c in pod["spec"]["containers"] if c["name"] == "engine")
    return {variable["name"]: variable.get("value", "") for variable in engine["env"]}


def wait_half_done(world: World) -> None:
    """Return once one of the two replicas is told to be up to date, though it may not be ready."""

    def told() -> bool:
        ready = world.condition("tpool", "llama", "Ready")
        half = str(ready.get("message")).startswith("1 replicas, of 2 planned")
        return ready.get("reason") == "RollingOut" and half

    wait_until(told, timeout=PATIENCE_SECONDS, why="half of the rollout")


def test_a_replica_of_two_nodes_gets_its_pods_and_counts_as_one(
    operator: Operator, four: World, leader_worker_sets: None
) -> None:
    four.apply(policy(), pool("llama", 1, WIDE))
    leader, worker = made(four, "llama-h100", 1)
    assert leader["spec"]["nodeName"] != worker["spec"]["nodeName"]
    leads = f"llama-h100-0.llama-h100.{four.namespace}"
    for index, pod in enumerate((leader, worker)):
        told = environment(pod)
        assert (told["LWS_LEADER_ADDRESS"], told["LWS_GROUP_SIZE"]) == (leads, "2")
        assert told["LWS_WORKER_INDEX"] == str(index)
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
    made(four, "llama-h100", 2)
    four.wait_ready("llama", "h100:2")
    wait_until(
        lambda: four.get("pdb", "llama").get("status", {}).get("disruptionsAllowed") == 1,
        timeout=PATIENCE_SECONDS,
        why="the budget to be counted",
    )
    assert four.get("pdb", "llama")["status"]["expectedPods"] == 4
    # While there is no room for more than the other group, the one that goes stays away.
    four.kubectl("create", "quota", "few", "--hard=pods=2")
    wait_until(
        lambda: four.get("quota", "few").get("status", {}).get("used") == {"pods": "4"},
        timeout=PATIENCE_SECONDS,
        why="the quota to be counted",
    )
    # Nor is the one that goes gone before LeaderWorkerSet has seen that it goes.
    finalizers(four, "llama-h100-0-1", ["example.com/seen"])
    assert evicts(four, "llama-h100-0-1")
    for pod in ("llama-h100-1", "llama-h100-1-1"):
        assert not evicts(four, pod)
    wait_until(
        lambda: "deletionTimestamp" in four.get("pod", "llama-h100-0")["metadata"],
        timeout=PATIENCE_SECONDS,
        why="the whole group to be deleted",
    )
    finalizers(four, "llama-h100-0-1", [])
    wait_until(
        lambda: four.find("pod", "llama-h100-0") is None,
        timeout=PATIENCE_SECONDS,
        why="the whole group to go",
    )
    for pod in ("llama-h100-1", "llama-h100-1-1"):
        assert not evicts(four, pod)
    four.kubectl("delete", "quota", "few")
    made(four, "llama-h100", 2)
    four.wait_ready("llama", "h100:2")


def test_a_lost_node_costs_a_group_until_there_is_another_node(
    operator: Operator, four: World, leader_worker_sets: None
) -> None:
    four.apply(policy(), pool("llama", 2, WIDE))
    lost = made(four, "llama-h100", 2)[1]["spec"]["nodeName"]
    four.wait_ready("llama", "h100:2")
    four.cluster.delete_nodes(lost)
    # Kubernetes would do that after a minute.
    four.kubectl("delete", "pods", "--force", f"--field-selector=spec.nodeName={lost}")
    four.wait_for_condition("tpool", "llama", "Placed", "False", "InsufficientDevices")
    pods = made(four, "llama-h100", 1)
    assert lost not in {pod["spec"]["nodeName"] for pod in pods}
    assert four.placement("llama") == "h100:1"
    four.cluster.add_nodes([nodes.h100(lost)])
    made(four, "llama-h100", 2)
    four.wait_ready("llama", "h100:2")


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
    made(world, "llama-h100", 1)
    world.wait_ready("llama", "h100:1")


def test_workers_hold_their_devices_until_a_smaller_pool_has_given_them_up(
    operator: Operator, four: World, leader_worker_sets: None
) -> None:
    four.apply(policy(), pool("llama", 2, WIDE))
    made(four, "llama-h100", 2)
    four.wait_ready("llama", "h100:2")
    four.apply(pool("small", 1, ONE, placementWeight=1000))
    four.wait_for_condition("tpool", "small", "Placed", "False", "InsufficientDevices")
    assert four.placement("llama") == "h100:2"

    four.kubectl("scale", "tpool", "llama", "--replicas=1")
    made(four, "llama-h100", 1)
    four.wait_ready("small", "h100:1")
    four.wait_ready("llama", "h100:1")


def test_a_rollout_is_told_in_replicas(
    operator: Operator, four: World, leader_worker_sets: None
) -> None:
    four.apply(policy(), pool("llama", 2, WIDE))
    made(four, "llama-h100", 2)
    four.wait_ready("llama", "h100:2")
    four.apply(pool("llama", 2, WIDE, engine=NEWER, load="1h"))
    wait_half_done(four)
    assert images(four, "llama-h100") == {NEWER["image"]}
    four.apply(pool("llama", 2, WIDE, engine=NEWER))
    four.wait_ready("llama", "h100:2")
    for pod in made(four, "llama-h100", 2):
        assert NEWER["image"] in {c["image"] for c in pod["spec"]["containers"]}


def test_a_new_template_waits_for_the_rollout_of_another_accelerator(
    operator: Operator, fleet: World, leader_worker_sets: None
) -> None:
    narrow = B200 | {"maxReplicas": 1}
    fleet.apply(policy(), pool("llama", 2, narrow, WIDE))
    made(fleet, "llama-h100", 1)
    fleet.wait_ready("llama", "b200:1 h100:1")
    before = images(fleet, "llama-h100")
    fleet.apply(pool("llama", 2, narrow, WIDE, engine=NEWER, load="1h"))
    wait_half_done(fleet)
    assert images(fleet, "llama-h100") == before != {NEWER["image"]}
    fleet.apply(pool("llama", 2, narrow, WIDE, engine=NEWER))
    wait_until(
        lambda: images(fleet, "llama-h100") == {NEWER["image"]},
        timeout=PATIENCE_SECONDS,
        why="the new template",
    )
    fleet.wait_ready("llama", "b200:1 h100:1")


def test_what_others_change_is_put_back_and_it_goes_with_the_pool(
    operator: Operator, four: World, leader_worker_sets: None
) -> None:
    four.apply(policy(), pool("llama", 1, WIDE))
    before = asked_for(four, "llama-h100", 1)["spec"]
    worker = {"spec": {"hostNetwork": True}}
    edit = json.dumps({"spec": {"leaderWorkerTemplate": {"size": 3, "workerTemplate": worker}}})
    four.kubectl("patch", KIND, "llama-h100", "--type=merge", f"-p={edit}")
    wait_until(
        lambda: four.get(KIND, "llama-h100")["spec"] == before,
        timeout=PATIENCE_SECONDS,
        why="the edit to be put back",
    )
    four.kubectl("delete", KIND, "llama-h100", "--wait=false")
    wait_until(
        lambda: len(four.events("llama", "DriftRepaired")) == 2,
        timeout=PATIENCE_SECONDS,
        why="an Event for each",
    )
    assert asked_for(four, "llama-h100", 1)["spec"] == before
    four.apply(pool("llama", 1, WIDE | {"name": "wide"}))
    made(four, "llama-wide", 1)
    wait_until(
        lambda: four.find(KIND, "llama-h100") is None,
        timeout=PATIENCE_SECONDS,
        why="what is not planned any more to be deleted",
    )
    four.kubectl("delete", "tpool", "llama")
    wait_until(
        lambda: four.find(KIND, "llama-wide") is None and not four.all("pods"),
        timeout=PATIENCE_SECONDS,
        why="it to go with the pool, and its pods with it",
    )
