"""Pools come, wait, change and go."""

import json

from e2e.wait import wait_until
from e2e.world import (
    B200,
    H100,
    PATIENCE_SECONDS,
    World,
    policy,
    pool,
    tenant,
)
from tests.integration.operator.process import Operator

EVERYTHING = "deployments,replicasets,pods,services,secrets,poddisruptionbudgets"


def test_a_policy_that_comes_after_its_pool_heals_it(operator: Operator, fleet: World) -> None:
    fleet.apply(pool("llama", 2))
    found = fleet.wait_for_condition("tpool", "llama", "Accepted", "False", "PolicyNotFound")
    assert "'standard'" in found["message"]
    assert fleet.all(EVERYTHING, "--selector=tierfleet.dev/pool=llama") == []
    fleet.apply(policy())
    fleet.wait_ready("llama", "b200:2")


def test_a_pool_whose_policy_is_deleted_goes_on_serving_with_its_last_plan(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(policy(), tenant("acme"), pool("llama", 2))
    fleet.wait_ready("llama", "b200:2")
    before = {pod["metadata"]["uid"] for pod in fleet.pods("llama")}
    plan = fleet.get("secret", "llama-plan")["data"]
    fleet.kubectl("delete", "tpol", "standard")
    fleet.wait_for_condition("tpool", "llama", "Accepted", "False", "PolicyNotFound")
    assert {pod["metadata"]["uid"] for pod in fleet.pods("llama")} == before
    assert fleet.get("secret", "llama-plan")["data"] == plan
    fleet.apply(policy())
    fleet.wait_for_condition("tpool", "llama", "Accepted", "True")
    fleet.wait_ready("llama", "b200:2")
    assert {pod["metadata"]["uid"] for pod in fleet.pods("llama")} == before


def test_a_deleted_pool_leaves_nothing(operator: Operator, fleet: World) -> None:
    fleet.apply(policy(), tenant("acme"), pool("llama", 4), pool("other", 1, H100))
    fleet.wait_ready("llama", "b200:4")
    fleet.wait_ready("other", "h100:1")
    fleet.kubectl("delete", "tpool", "llama")
    wait_until(
        lambda: not fleet.all(EVERYTHING, "--selector=tierfleet.dev/pool=llama"),
        timeout=PATIENCE_SECONDS,
        why="every child of the pool to be gone",
    )
    fleet.wait_ready("other", "h100:1")


def test_a_pool_may_be_deleted_and_made_anew_at_once(operator: Operator, fleet: World) -> None:
    fleet.apply(policy(), pool("llama", 2))
    fleet.wait_ready("llama", "b200:2")
    before = {pod["metadata"]["uid"] for pod in fleet.pods("llama")}
    fleet.kubectl("delete", "tpool", "llama")
    fleet.apply(pool("llama", 3))
    fleet.wait_ready("llama", "b200:3")
    assert before.isdisjoint({pod["metadata"]["uid"] for pod in fleet.pods("llama")})
    assert fleet.events("llama", "DriftRepaired") == []
    assert fleet.events("llama", "NameTaken") == []


def test_kubectl_scale_scales_the_pool(operator: Operator, fleet: World) -> None:
    fleet.apply(policy(), pool("llama", 2))
    fleet.wait_ready("llama", "b200:2")
    fleet.kubectl("scale", "tpool", "llama", "--replicas=5")
    fleet.wait_ready("llama", "b200:4 h100:1")
    scale = json.loads(
        fleet.kubectl("get", "tpool", "llama", "--subresource=scale", "--output=json")
    )
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (5, 5)
    assert scale["status"]["selector"] == "tierfleet.dev/pool=llama"
    fleet.kubectl("scale", "tpool", "llama", "--replicas=0")
    wait_until(
        lambda: fleet.pods("llama") == [], timeout=PATIENCE_SECONDS, why="all pods to be gone"
    )
    fleet.wait_for_condition("tpool", "llama", "Placed", "True", "ScaledToZero")


def test_an_accelerator_that_is_taken_out_of_the_spec_takes_its_deployment_with_it(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(policy(), pool("llama", 2, B200, H100))
    fleet.wait_ready("llama", "b200:2")
    fleet.apply(pool("llama", 2, H100))
    fleet.wait_ready("llama", "h100:2")
    wait_until(
        lambda: fleet.find("deployment", "llama-b200") is None,
        timeout=PATIENCE_SECONDS,
        why="the Deployment on B200 to be deleted",
    )
    assert fleet.events("llama", "DriftRepaired") == []


def test_an_object_of_somebody_else_that_has_the_name_of_a_child_is_not_touched(
    operator: Operator, fleet: World
) -> None:
    fleet.kubectl("create", "service", "clusterip", "llama", "--tcp=80")
    theirs = fleet.get("service", "llama")["spec"]
    fleet.apply(policy(), pool("llama", 2))
    ready = fleet.wait_for_condition("tpool", "llama", "Ready", "False", "NameTaken")
    assert "Service llama" in ready["message"]
    assert fleet.get("service", "llama")["spec"] == theirs
    fleet.kubectl("delete", "service", "llama")
    fleet.wait_ready("llama", "b200:2")
    assert fleet.condition("tpool", "llama", "Stalled") == {}


def test_a_new_image_goes_to_one_accelerator_after_the_other(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(policy(), pool("llama", 4, B200 | {"maxReplicas": 2}, H100, load="2s"))
    fleet.wait_ready("llama", "b200:2 h100:2")
    engine = {"image": "vllm/vllm-openai:v0.33.0"}
    most_missing = 0

    def rolled_out() -> bool:
        nonlocal most_missing
        pods = fleet.all("pods", "--selector=tierfleet.dev/pool=llama")
        ready = sum(
            condition["type"] == "Ready" and condition["status"] == "True"
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
            for condition in pod["status"].get("conditions", [])
        )
        most_missing = max(most_missing, 4 - ready)
        images = {pod["spec"]["containers"][0]["image"] for pod in pods}
        return ready == 4 and images == {engine["image"]}

    fleet.apply(pool("llama", 4, B200 | {"maxReplicas": 2}, H100, load="2s", engine=engine))
    wait_until(rolled_out, timeout=PATIENCE_SECONDS, why="the new image to run everywhere")
    assert most_missing == 1
