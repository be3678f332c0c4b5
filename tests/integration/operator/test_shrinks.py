"""When a pool shrinks the replica goes that has least to do; Kubernetes is told just then."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Cluster
from e2e.wait import wait_until
from e2e.world import H100, PATIENCE_SECONDS, Document, World, policy, pool
from tests.integration.operator import answers
from tests.integration.operator.answers import Answers
from tests.integration.operator.process import Operator
from tests.integration.operator.recorder import COST, recording


@pytest.fixture
def said(cluster: Cluster) -> Answers:
    return answers.of(cluster)


def names(fleet: World) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in fleet.pods("llama"))


def shared_and_alone(fleet: World) -> tuple[list[str], str]:
    """Three replicas on two nodes: two that share one, and the one that is alone.

    Left to itself Kubernetes takes one of the two.
    """
    fleet.apply(policy(), pool("llama", 3, H100))
    fleet.wait_ready("llama", "h100:3")
    nodes = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in fleet.pods("llama")}
    on = Counter(nodes.values())
    assert sorted(on.values()) == [1, 2]
    (alone,) = (name for name, node in nodes.items() if on[node] == 1)
    return sorted(nodes.keys() - {alone}), alone


def fields(fleet: World, pod: str) -> dict[str, Any]:
    """What each field manager has set of a pod."""
    shown = fleet.kubectl("get", "pod", pod, "--output=json", "--show-managed-fields")
    return {
        one["manager"]: one["fieldsV1"] for one in json.loads(shown)["metadata"]["managedFields"]
    }


def scale(fleet: World, replicas: int) -> None:
    fleet.kubectl("scale", "tpool", "llama", f"--replicas={replicas}")


def wait_left(fleet: World, *left: str) -> None:
    wait_until(
        lambda: names(fleet) == sorted(left),
        timeout=PATIENCE_SECONDS,
        why=f"{left} to be left, there are {names(fleet)}",
    )


def applied_costs(operator: Operator, fleet: World) -> list[str]:
    """Pods that the operator has written to, in order, whether it was let or not."""
    about = ("pods", fleet.namespace)
    return [
        found["name"]
        for request in operator.requests()
        if (found := request.get("objectRef", {}))
        and (found.get("resource"), found.get("namespace")) == about
        and (request["verb"], request["stage"]) == ("patch", "ResponseComplete")
    ]


def test_the_replica_with_least_to_do_goes_and_nobody_is_asked_before(
    fleet: World, operator: Operator, said: Answers, tmp_path: Path
) -> None:
    with recording(fleet, tmp_path) as recorder:
        (one, other), alone = shared_and_alone(fleet)
        said.has(fleet.namespace, one, running=4)
        said.has(fleet.namespace, other, running=1, waiting=8)
        fleet.wait_for_condition("tpool", "llama", "Enforced", "True")
        assert said.asked_for_work(fleet.namespace) == [], "it has only grown"
        assert list(recorder.deletion_costs("llama")) == []

        scale(fleet, 2)
        wait_left(fleet, one, other)
        assert sorted(said.asked_for_work(fleet.namespace)) == sorted([one, other, alone])
        assert list(recorder.deletion_costs("llama"))[-1] == {one: 4, other: 9}
        # Its own manager: nothing else of a pod is ours.
        assert fields(fleet, one)["tierfleet-deletion-cost"] == {
            "f:metadata": {"f:annotations": {f"f:{COST}": {}}}
        }

        # What they have in hand counts then, not what they had.
        said.has(fleet.namespace, one, running=12)
        scale(fleet, 1)
        wait_left(fleet, one)
        assert list(recorder.deletion_costs("llama"))[-1] == {one: 12, other: 9}
        assert applied_costs(operator, fleet).count(other) == 1, "it has the same as before"

        # One that gives up all of its replicas has no choice.
        asked = said.asked_for_work(fleet.namespace)
        fleet.wait_ready("llama", "h100:1")
        scale(fleet, 0)
        wait_left(fleet)
        assert said.asked_for_work(fleet.namespace) == asked


def silent(said: Answers, fleet: World, pod: str) -> None:
    said.is_silent(fleet.namespace, pod)


def hangs(said: Answers, fleet: World, pod: str) -> None:
    said.hangs(fleet.namespace, pod)


@pytest.mark.parametrize("fails", [silent, hangs])
def test_replicas_that_do_not_answer_hold_up_no_shrink_and_hide_no_other(
    fleet: World,
    operator: Operator,
    said: Answers,
    fails: Callable[[Answers, World, str], None],
) -> None:
    (one, other), alone = shared_and_alone(fleet)
    said.has(fleet.namespace, one, running=3)
    said.has(fleet.namespace, other, running=5)
    fails(said, fleet, alone)
    scale(fleet, 2)
    wait_left(fleet, one, other)
    for pod in (one, other):
        fails(said, fleet, pod)
    scale(fleet, 1)
    fleet.wait_ready("llama", "h100:1")
    wait_left(fleet, other)  # the costs of before stand
    assert f"{fleet.namespace}/llama-h100 shrinks, and Kubernetes was not told" in operator.log


@pytest.fixture
def costs_forbidden(fleet: World) -> Iterator[None]:
    """Nobody may say what a pod of the namespace costs."""
    name = f"{fleet.namespace}-costs"
    group = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    allowed = f"!('{COST}' in object.metadata.?annotations.orValue({{}}))"
    rule: Document = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["pods"],
    }
    fleet.cluster.apply(
        {
            **group,
            "kind": "ValidatingAdmissionPolicy",
            "spec": {
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [
                    {"expression": allowed, "reason": "Forbidden", "message": "no costs here"}
                ],
            },
        },
        {
            **group,
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {
                    "namespaceSelector": {
                        "matchLabels": {"kubernetes.io/metadata.name": fleet.namespace}
                    }
                },
            },
        },
    )
    tried = ("run", "tried", "--image=none", f"--annotations={COST}=1", "--dry-run=server")
    wait_until(
        lambda: fleet.kubectl(*tried, check=False) == "",
        timeout=PATIENCE_SECONDS,
        why="the rule to hold",
    )
    yield
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        fleet.kubectl("delete", kind, name)


def test_where_a_rule_forbids_the_annotation_the_pool_shrinks_and_the_log_says_why(
    fleet: World, operator: Operator, said: Answers, costs_forbidden: None
) -> None:
    _, busy = shared_and_alone(fleet)
    said.has(fleet.namespace, busy, running=3)
    scale(fleet, 2)
    fleet.wait_ready("llama", "h100:2")
    assert set(applied_costs(operator, fleet)) == {busy}
    assert f"{fleet.namespace}/llama-h100 shrinks, and Kubernetes was not told" in operator.log
    assert "no costs here" in operator.log
    assert fleet.condition("tpool", "llama", "Ready")["status"] == "True"
