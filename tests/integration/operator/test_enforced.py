"""`Enforced` says what the replicas reported; one operator serves all of these tests."""

import time

import pytest

from e2e.cluster import Cluster
from e2e.wait import wait_until
from e2e.world import (
    H100,
    PATIENCE_SECONDS,
    Document,
    World,
    policy,
    pool,
    reservation,
    tenant,
)
from tests.integration.operator import answers
from tests.integration.operator.answers import Answers
from tests.integration.operator.process import Operator

QUIET_SECONDS = 4.0


@pytest.fixture
def said(cluster: Cluster) -> Answers:
    return answers.of(cluster)


def names(fleet: World) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in fleet.pods("llama"))


def enforced(fleet: World, status: str, reason: str) -> Document:
    return fleet.wait_for_condition("tpool", "llama", "Enforced", status, reason)


def version(fleet: World) -> str:
    return str(fleet.status("tpool", "llama")["plan"]["version"])


def limits(per_minute: int) -> Document:
    """A policy of which every other number makes another plan."""
    made = policy()
    made["spec"]["tiers"][1]["limits"] = {"requestsPerMinute": per_minute}
    return made


def promised(fleet: World) -> None:
    """Two replicas serve, and 30 percent of them are promised."""
    fleet.apply(
        policy(),
        tenant("acme"),
        pool("llama", 2, H100),
        reservation("acme", "llama", ["acme"], {"percent": 30}),
    )
    fleet.wait_ready("llama", "h100:2")


def test_it_is_true_once_every_ready_replica_reports_the_plan_and_then_nobody_is_asked(
    fleet: World, operator: Operator, said: Answers
) -> None:
    promised(fleet)
    condition = enforced(fleet, "True", "PerReplicaShares")
    wait_until(
        lambda: fleet.status("tpool", "llama")["plan"]["enforcedReplicas"] == 2,
        timeout=PATIENCE_SECONDS,
        why="both to report",
    )
    fleet.wait_for_condition("capres", "acme", "Enforced", "True", "Enforced")
    before = said.asked(fleet.namespace)
    assert set(before) == set(names(fleet))
    time.sleep(QUIET_SECONDS)
    assert said.asked(fleet.namespace) == before, "idle asks nobody"

    old = version(fleet)
    fleet.apply(limits(7))
    wait_until(
        lambda: (
            version(fleet) != old
            and fleet.status("tpool", "llama")["plan"]["enforcedReplicas"] == 2
        ),
        timeout=PATIENCE_SECONDS,
        why="both to report the next plan",
    )
    again = enforced(fleet, "True", "PerReplicaShares")
    assert version(fleet) in again["message"]
    assert again["lastTransitionTime"] == condition["lastTransitionTime"], "it did not flip"


def test_a_replica_that_refuses_the_plan_is_named_with_what_it_says(
    fleet: World, operator: Operator, said: Answers
) -> None:
    promised(fleet)
    fleet.wait_for_condition("capres", "acme", "Enforced", "True")
    stubborn, old = names(fleet)[1], version(fleet)
    said.refuses(fleet.namespace, stubborn, old, "tier 'retail': it does not know the field nice.")
    fleet.apply(limits(9))
    condition = enforced(fleet, "False", "PlanRefused")
    assert condition["message"] == (
        f"1 of 2 ready replicas refuses plan {version(fleet)}. {stubborn} goes on with {old}: "
        "tier 'retail': it does not know the field nice."
    )
    assert fleet.status("tpool", "llama")["plan"]["enforcedReplicas"] == 1
    assert fleet.condition("tpool", "llama", "Ready")["status"] == "True"
    assert fleet.condition("capres", "acme", "Enforced")["status"] == "True", "it has the contract"
    said.obeys(fleet.namespace, stubborn)
    enforced(fleet, "True", "PerReplicaShares")


def test_without_a_report_it_is_unknown_and_says_why(
    fleet: World, operator: Operator, said: Answers
) -> None:
    fleet.apply(policy(), pool("llama", 1, H100, load="5s"))
    wait_until(lambda: names(fleet), timeout=PATIENCE_SECONDS, why="the pod")
    (silent,) = names(fleet)
    said.is_silent(fleet.namespace, silent)
    fleet.wait_ready("llama", "h100:1")
    wait_until(
        lambda: silent in fleet.condition("tpool", "llama", "Enforced").get("message", ""),
        timeout=PATIENCE_SECONDS,
        why="the silent replica to be named",
    )
    condition = enforced(fleet, "Unknown", "NoReports")
    assert "gives no answer" in condition["message"]
    said.obeys(fleet.namespace, silent)
    enforced(fleet, "True", "Enforced")
