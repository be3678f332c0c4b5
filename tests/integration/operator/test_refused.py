"""What is in the way of a pool is told on the pool, in the words of who refuses it."""

from e2e.wait import wait_until
from e2e.world import B200, H100, PATIENCE_SECONDS, Document, World, policy, pool
from tests.integration.operator import webhooks
from tests.integration.operator.process import Operator


def test_a_child_that_the_api_server_refuses_is_told_on_the_pool(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(policy(), pool("llama", 2, template={"labels": {"bad key!": "x"}}))
    ready = fleet.wait_for_condition("tpool", "llama", "Ready", "False", "ChildRefused")
    assert "The API server does not let a Deployment of this pool be as planned" in ready["message"]
    assert "bad key!" in ready["message"]
    assert fleet.condition("tpool", "llama", "Stalled")["status"] == "True"
    fleet.apply(pool("llama", 2))
    fleet.wait_ready("llama", "b200:2")
    assert fleet.condition("tpool", "llama", "Stalled") == {}


def test_a_child_that_may_not_be_deleted_is_told_on_the_pool(
    operator: Operator, fleet: World
) -> None:
    narrow = B200 | {"maxReplicas": 1}
    fleet.apply(policy(), pool("llama", 2, narrow, H100))
    fleet.wait_ready("llama", "b200:1 h100:1")
    rule = kept(fleet)
    fleet.cluster.apply(*rule)
    try:
        dry = ("delete", "deployment", "llama-h100", "--dry-run=server")
        wait_until(
            lambda: not fleet.kubectl(*dry, check=False),
            timeout=PATIENCE_SECONDS,
            why="the rule to be in force",
        )
        fleet.apply(pool("llama", 1, narrow))
        ready = fleet.wait_for_condition("tpool", "llama", "Ready", "False", "ChildRefused")
        assert "does not let a Deployment of this pool be as planned" in ready["message"]
        assert "Deployments stay here." in ready["message"]
    finally:
        for one in rule:
            fleet.kubectl("delete", one["kind"], one["metadata"]["name"])
    fleet.wait_ready("llama", "b200:1")
    wait_until(
        lambda: fleet.find("deployment", "llama-h100") is None,
        timeout=PATIENCE_SECONDS,
        why="it to go",
    )


def kept(world: World) -> list[Document]:
    """A rule by which nobody may delete a Deployment of the namespace."""
    deletes = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}
    version, metadata = "admissionregistration.k8s.io/v1", {"name": "kept"}
    return [
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": metadata,
            "spec": {
                "matchConstraints": {"resourceRules": [deletes | {"operations": ["DELETE"]}]},
                "validations": [{"expression": "false", "message": "Deployments stay here."}],
            },
        },
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": {
                "policyName": "kept",
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": here},
            },
        },
    ]


def test_a_child_that_a_fault_of_the_cluster_keeps_from_being_made_is_told_on_the_pool(
    operator: Operator, fleet: World
) -> None:
    """The server answers 500, as it does when it has no address left for a Service."""
    fleet.apply(webhooks.dead(fleet, "CREATE", "services"))
    try:
        fleet.apply(policy(), pool("llama", 2))
        ready = fleet.wait_for_condition("tpool", "llama", "Ready", "False", "ChildRefused")
        assert "The API server cannot make a Service of this pool" in ready["message"]
        assert "dead.example.com" in ready["message"]
        assert "fault in the cluster" in ready["message"]
        assert fleet.condition("tpool", "llama", "Stalled") == {}, "it goes on by itself"
        # The rest is made all the same, and what is missing is told as long as it is.
        wait_until(
            lambda: fleet.status("tpool", "llama").get("readyReplicas") == 2,
            timeout=PATIENCE_SECONDS,
            why="the replicas to be ready",
        )
        assert fleet.condition("tpool", "llama", "Ready")["reason"] == "ChildRefused"
    finally:
        fleet.kubectl("delete", "validatingwebhookconfiguration", webhooks.NAME)
    fleet.wait_ready("llama", "b200:2")


def test_while_a_fault_keeps_one_child_from_being_made_the_others_follow_the_plan(
    operator: Operator, fleet: World
) -> None:
    """Else a plan that counts more replicas than there are would be enforced meanwhile."""
    fleet.apply(policy(), pool("llama", 1))
    fleet.wait_ready("llama", "b200:1")
    fleet.apply(webhooks.dead(fleet, "CREATE", "services"))
    try:
        fleet.kubectl("delete", "service", "llama")
        fleet.apply(pool("llama", 2))
        wait_until(
            lambda: fleet.status("tpool", "llama").get("readyReplicas") == 2,
            timeout=PATIENCE_SECONDS,
            why="the second replica to be ready",
        )
        assert fleet.find("service", "llama") is None
        assert fleet.condition("tpool", "llama", "Ready")["reason"] == "ChildRefused"
    finally:
        fleet.kubectl("delete", "validatingwebhookconfiguration", webhooks.NAME)
    wait_until(
        lambda: fleet.find("service", "llama"),
        timeout=PATIENCE_SECONDS,
        why="the Service to be made",
    )


def test_a_secret_of_somebody_else_with_the_name_of_the_tokens_stops_the_pool(
    operator: Operator, fleet: World
) -> None:
    fleet.kubectl(
        "create",
        "secret",
        "generic",
        "llama-tokens",
        "--from-literal=admin=a",
        "--from-literal=hook=b",
    )
    fleet.apply(policy(), pool("llama", 2))
    ready = fleet.wait_for_condition("tpool", "llama", "Ready", "False", "NameTaken")
    assert "Secret llama-tokens" in ready["message"]
    assert "plan" not in fleet.status("tpool", "llama"), "no plan is in force"
    assert fleet.all("deployments") == []
    fleet.kubectl("delete", "secret", "llama-tokens")
    fleet.wait_ready("llama", "b200:2")


def test_a_new_image_makes_the_pool_ready_only_when_it_runs_everywhere(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(policy(), pool("llama", 2, load="1s"))
    fleet.wait_ready("llama", "b200:2")
    engine = {"image": "vllm/vllm-openai:v0.33.0"}
    fleet.apply(pool("llama", 2, load="1s", engine=engine))
    ready_with_old: list[object] = []

    def rolled_out() -> bool:
        # Read before the pods: if it is true, they must be new already.
        found = fleet.get("tpool", "llama")
        conditions = {c["type"]: c for c in found["status"]["conditions"]}
        ready = conditions["Ready"]
        if ready["observedGeneration"] != found["metadata"]["generation"]:
            return False
        images = {pod["spec"]["containers"][0]["image"] for pod in fleet.pods("llama")}
        if ready["status"] == "True" and images != {engine["image"]}:
            ready_with_old.append(images)
        return ready["status"] == "True" and images == {engine["image"]}

    wait_until(rolled_out, timeout=PATIENCE_SECONDS, why="the pool to be ready with the new image")
    assert ready_with_old == []
