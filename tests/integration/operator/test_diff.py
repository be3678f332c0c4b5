"""What a change would do, told before it is applied; and then it does just that."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

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
from tests.integration.operator.process import PROGRAM, Operator
from tests.integration.operator.questions import account, diff

OURS = "inferencepools.tierfleet.dev,tierpolicies.tierfleet.dev,capacityreservations.tierfleet.dev"


@pytest.fixture
def sold(operator: Operator, fleet: World) -> World:
    """A pool of two replicas, of which a contract has 30 %."""
    fleet.apply(
        policy(),
        tenant("acme"),
        tenant("globex"),
        pool("llama", 2, H100),
        reservation("acme", "llama", ["acme"], {"percent": 30}),
    )
    fleet.wait_ready("llama", "h100:2")
    fleet.wait_for_condition("capres", "acme", "Ready", "True")
    return fleet


def test_what_is_applied_already_is_no_difference(sold: World) -> None:
    said = diff(sold, policy(), pool("llama", 2, H100), tenant("acme"))
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == "No difference: every pool and reservation stays as it is.\n"


def test_what_is_told_beforehand_is_what_happens(sold: World) -> None:
    larger = pool("llama", 4, H100)
    said = diff(sold, larger)
    assert said.returncode == 1, said.stderr
    assert "h100:2 -> h100:4  28000 -> 56000  12600 -> 37800  8400 -> 16800" in said.stdout
    assert "8400 -> 16800" in said.stdout
    assert sold.placement("llama") == "h100:2"
    sold.apply(larger)
    sold.wait_ready("llama", "h100:4")
    wait_until(
        lambda: sold.status("capres", "acme").get("granted") == 16800,
        timeout=PATIENCE_SECONDS,
        why="the contract to grow with the pool",
    )
    assert diff(sold, larger).returncode == 0


def test_who_would_be_refused_is_told_with_the_reason_and_what_is_agreed_stays(
    sold: World,
) -> None:
    too_much = reservation("globex", "llama", ["globex"], {"serviceTokensPerSecond": 5000})
    said = diff(sold, too_much)
    assert said.returncode == 1, said.stderr
    assert "5000/s is asked for; of 12600 service tokens/s" in said.stdout
    assert "short by 800" in said.stdout
    assert sold.find("capres", "globex") is None


@pytest.mark.parametrize("server_side", [True, False])
def test_a_field_that_is_left_out_goes_as_if_it_were_applied(
    operator: Operator, fleet: World, server_side: bool
) -> None:
    def apply(document: Document) -> None:
        if server_side:
            fleet.apply(document)
        else:
            words = (f"--namespace={fleet.namespace}", "apply", "-f-")
            fleet.cluster.kubectl(*words, stdin=yaml.safe_dump(document))

    fleet.apply(policy())
    apply(pool("llama", 2, H100 | {"maxReplicas": 1}))
    fleet.wait_for_condition("tpool", "llama", "Placed", "False", "MaxReplicas")
    fleet.kubectl("scale", "tpool", "llama", "--replicas=3")
    unbounded = pool("llama", 2, {k: v for k, v in H100.items() if k != "maxReplicas"})
    del unbounded["spec"]["replicas"]
    said = diff(fleet, unbounded)
    assert said.returncode == 1, said.stderr
    assert "No longer: InferencePool" in said.stdout
    # Replicas, too, are no longer given; on the server's side they belong to who has scaled.
    assert ("h100:1 -> h100:3" in said.stdout) == server_side
    apply(unbounded)
    fleet.wait_ready("llama", "h100:3" if server_side else "h100:1")


def test_the_api_server_refuses_in_its_own_words_and_nothing_is_compared(sold: World) -> None:
    emitted = pool("llama", 2, H100, gateway={"inferencePool": "Emit"})
    said = diff(sold, emitted)
    assert (said.returncode, said.stdout) == (2, "")
    assert f"InferencePool {sold.namespace}/llama is refused" in said.stderr
    assert "must be given when inferencePool is Emit" in said.stderr
    misspelt = pool("llama", 2, H100, replcas=3)
    said = diff(sold, misspelt)
    assert (said.returncode, said.stdout) == (2, "")
    assert "replcas" in said.stderr


def test_an_operator_image_is_no_matter_but_a_new_engine_replaces_every_pod(sold: World) -> None:
    said = diff(sold, pool("llama", 2, H100, engine={"image": "vllm/vllm-openai:v0.33.0"}))
    assert said.returncode == 1, said.stderr
    for pod in sold.pods("llama"):
        assert pod["metadata"]["name"] in said.stdout
    assert "replaced, because the pod template changes" in said.stdout


@pytest.fixture
def bystander(sold: World, tmp_path: Path) -> Iterator[Path]:
    """A user who may see and change fleets here, and nodes and pods everywhere, but no Secret."""
    yield account(
        sold,
        tmp_path,
        "bystander",
        f"get,list,create,patch {OURS}",
        "list deployments.apps",
        everywhere="list nodes,pods",
    )
    role = f"{sold.namespace}-bystander-2"
    sold.kubectl("delete", "clusterrole,clusterrolebinding", role)


def test_without_the_right_to_secrets_tenants_are_taken_to_be_known(
    sold: World, bystander: Path
) -> None:
    larger = reservation("acme", "llama", ["acme"], {"percent": 40})
    said = diff(sold, larger, account=bystander)
    assert said.returncode == 1, said.stderr
    assert f"You may not list secrets in namespace {sold.namespace}" in said.stdout
    assert "You may not list inferencepools.tierfleet.dev in all namespaces" in said.stdout
    assert "8400 -> 11200" in said.stdout


def test_a_right_that_nothing_can_be_said_without_is_named(sold: World, tmp_path: Path) -> None:
    for name, rules, verb in (
        ("nobody", (), "list tierpolicies.tierfleet.dev"),
        ("blind", (f"list {OURS}",), "list nodes"),
    ):
        may = account(sold, tmp_path, name, *rules)
        said = diff(sold, pool("llama", 3, H100), account=may)
        assert (said.returncode, said.stdout) == (2, "")
        assert f"You may not {verb}" in said.stderr
        assert len(said.stderr.splitlines()) == 1


def test_input_without_anything_to_plan_is_told(sold: World) -> None:
    said = diff(sold, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    assert (said.returncode, said.stdout) == (2, "")
    assert "There is nothing in the input that plans are made from" in said.stderr


def test_kubectl_finds_it_and_hands_on_its_exit_status(sold: World) -> None:
    said = subprocess.run(
        [
            *(sold.cluster.tools["kubectl"], "tierfleet", "plan", "diff", "-f", "-"),
            f"--kubeconfig={sold.cluster.kubeconfig}",
            f"--namespace={sold.namespace}",
        ],
        input=yaml.safe_dump(pool("llama", 3, H100)),
        env={"PATH": str(PROGRAM.parent), "HOME": str(sold.cluster.workdir), "KUBERC": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1, said.stderr
    assert "h100:2 -> h100:3" in said.stdout
