"""The InferencePool that a Gateway routes to, as a child like the others."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e import crds
from e2e.cluster import Cluster
from e2e.wait import wait_until
from e2e.world import (
    H100,
    PATIENCE_SECONDS,
    Document,
    World,
    policy,
    pool,
)
from tests.integration.operator.process import Operator

THEIRS = "inferencepools.inference.networking.k8s.io"
PICKER = {"name": "picker", "port": {"number": 9002}}
EMIT = {"inferencePool": "Emit", "endpointPickerRef": PICKER}


@pytest.fixture
def gateway_api(cluster: Cluster) -> Iterator[None]:
    """Their kind, for as long as the test."""
    with served(cluster):
        yield


@contextmanager
def served(cluster: Cluster) -> Iterator[None]:
    """Their kind, as its release defines it, until the end."""
    definition = cluster.tools.files["gateway-inferencepools.yaml"]
    crds.install(cluster, definition)
    try:
        yield
    finally:
        crds.uninstall(cluster, definition)


def emitted(world: World) -> Document:
    """Their object, once it is there."""
    found = wait_until(
        lambda: world.find(THEIRS, "llama"),
        timeout=PATIENCE_SECONDS,
        why="the Gateway's InferencePool",
    )
    assert found is not None
    return found


def test_it_selects_the_pods_on_the_port_of_their_sidecars_and_goes_with_never(
    operator: Operator, fleet: World, gateway_api: None
) -> None:
    sidecar = {"image": "tierfleet:test", "port": 8181}
    fleet.apply(policy(), pool("llama", 2, H100, gateway=EMIT, sidecar=sidecar))
    made = emitted(fleet)
    assert made["spec"] == {
        "selector": {"matchLabels": {"tierfleet.dev/pool": "llama"}},
        "targetPorts": [{"number": 8181}],
        "appProtocol": "http",  # their default
        "endpointPickerRef": {"group": "", "kind": "Service", "failureMode": "FailClose", **PICKER},
    }
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["apiVersion"], owner["controller"]) == ("tierfleet.dev/v1alpha1", True)
    fleet.wait_ready("llama", "h100:2")
    selector = "tierfleet.dev/pool=llama"
    assert len(fleet.all("pods", f"--selector={selector}")) == 2

    fleet.apply(pool("llama", 2, H100, sidecar=sidecar))
    wait_until(
        lambda: fleet.find(THEIRS, "llama") is None,
        timeout=PATIENCE_SECONDS,
        why="the Gateway's InferencePool to go",
    )


def test_what_others_change_is_put_back_with_an_event_and_it_goes_with_the_pool(
    operator: Operator, fleet: World, gateway_api: None
) -> None:
    fleet.apply(policy(), pool("llama", 1, H100, gateway=EMIT))
    before = emitted(fleet)["spec"]
    edit = '{"spec":{"targetPorts":[{"number":1}],"endpointPickerRef":{"failureMode":"FailOpen"}}}'
    fleet.kubectl("patch", THEIRS, "llama", "--type=merge", f"-p={edit}")
    wait_until(
        lambda: emitted(fleet)["spec"] == before,
        timeout=PATIENCE_SECONDS,
        why="the edit to be put back",
    )
    fleet.kubectl("delete", THEIRS, "llama", "--wait=false")
    wait_until(
        lambda: len(fleet.events("llama", "DriftRepaired")) == 2,
        timeout=PATIENCE_SECONDS,
        why="an Event for each",
    )
    edited, deleted = sorted(
        fleet.events("llama", "DriftRepaired"), key=lambda note: "deleted" in note
    )
    assert edited.startswith("InferencePool.inference.networking.k8s.io llama was changed by")
    assert "spec.targetPorts" in edited
    assert deleted == "InferencePool.inference.networking.k8s.io llama was deleted; it is back."
    assert emitted(fleet)["spec"] == before
    fleet.kubectl("delete", "tpool", "llama")
    wait_until(
        lambda: fleet.find(THEIRS, "llama") is None,
        timeout=PATIENCE_SECONDS,
        why="it to go with the pool",
    )


def test_without_their_kind_the_pool_serves_and_says_what_is_missing_until_it_is_there(
    operator: Operator, fleet: World, cluster: Cluster
) -> None:
    fleet.apply(policy(), pool("llama", 1, H100, gateway=EMIT))
    said = fleet.wait_for_condition("tpool", "llama", "Ready", "False", "GatewayApiMissing")
    assert THEIRS in said["message"]
    assert fleet.condition("tpool", "llama", "Accepted")["status"] == "True"
    assert fleet.condition("tpool", "llama", "Stalled") == {}
    assert fleet.status("tpool", "llama")["readySummary"] == "1/1"
    with served(cluster):
        fleet.wait_ready("llama", "h100:1")
        assert emitted(fleet)["spec"]["endpointPickerRef"]["name"] == "picker"
    fleet.wait_for_condition("tpool", "llama", "Ready", "False", "GatewayApiMissing")
    fleet.apply(pool("llama", 1, H100))
    fleet.wait_ready("llama", "h100:1")
    assert operator.running


def test_an_object_of_that_name_that_is_somebody_elses_is_not_touched(
    operator: Operator, fleet: World, gateway_api: None
) -> None:
    spec = {
        "selector": {"matchLabels": {"app": "mine"}},
        "targetPorts": [{"number": 8000}],
        "endpointPickerRef": PICKER,
    }
    fleet.apply(
        {
            "apiVersion": "inference.networking.k8s.io/v1",
            "kind": "InferencePool",
            "metadata": {"name": "llama"},
            "spec": spec,
        },
        policy(),
        pool("llama", 1, H100, gateway=EMIT),
    )
    said = fleet.wait_for_condition("tpool", "llama", "Ready", "False", "NameTaken")
    assert "InferencePool.inference.networking.k8s.io llama" in said["message"]
    assert emitted(fleet)["spec"]["selector"] == spec["selector"]
    fleet.kubectl("delete", THEIRS, "llama")
    fleet.wait_ready("llama", "h100:1")
    assert emitted(fleet)["spec"]["targetPorts"] == [{"number": 8080}]
