"""The children of a pool whose replicas take several nodes each."""

from typing import Any

import pytest

from tests.unit.manifests.fleet import objects, several_nodes
from tierfleet.api import InferencePool

NODES = ["--nnodes", "2", "--node-rank", "$(LWS_WORKER_INDEX)"]
ADDRESS = ["--master-addr", "$(LWS_LEADER_ADDRESS)"]
POOL = "tierfleet.dev/pool"


def made(pool: InferencePool) -> Any:
    """The LeaderWorkerSet's spec."""
    return objects(pool)[("LeaderWorkerSet", "minimal-h100")]["spec"]


def templates(pool: InferencePool) -> tuple[Any, Any]:
    """Of the pod that leads, and of those that work."""
    found = made(pool)["leaderWorkerTemplate"]
    return found["leaderTemplate"], found["workerTemplate"]


def engines(pool: InferencePool) -> tuple[Any, Any]:
    """The engine's container in both."""
    led, working = (template["spec"]["containers"] for template in templates(pool))
    return led[0], working[0]


def test_they_are_groups_of_pods_instead_of_pods() -> None:
    pool = several_nodes(**{"replicas": 1, "disruption.maxUnavailable": 3})
    assert not [kind for kind, _ in objects(pool) if kind == "Deployment"]
    spec = made(pool)
    assert spec["replicas"] == 1
    assert spec["leaderWorkerTemplate"]["size"] == 2
    assert spec["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupOnPodRestart"
    rolling = {"partition": 0, "maxSurge": 0, "maxUnavailable": 3}
    assert spec["rolloutStrategy"]["rollingUpdateConfiguration"] == rolling


def test_only_the_pod_that_leads_is_found_by_what_selects_replicas() -> None:
    pool = several_nodes(
        **{
            "template.labels": {"team": "x"},
            "gateway": {
                "inferencePool": "Emit",
                "endpointPickerRef": {"name": "picker", "port": {"number": 9002}},
            },
        }
    )
    led, working = (template["metadata"]["labels"] for template in templates(pool))
    found = objects(pool)
    selectors = (
        found[("Service", "minimal")]["spec"]["selector"],
        found[("InferencePool", "minimal")]["spec"]["selector"]["matchLabels"],
    )
    for selector in selectors:
        assert selector.items() <= led.items()
        assert not selector.items() <= working.items()
    assert POOL not in working
    assert working["tierfleet.dev/worker-of"] == "minimal"
    assert led["tierfleet.dev/accelerator"] == working["tierfleet.dev/accelerator"] == "h100"
    assert led["team"] == working["team"] == "x"


@pytest.mark.parametrize(("replicas", "missing", "stay"), [(1, 1, 1), (3, 1, 3), (1, 5, 0)])
def test_no_more_pods_may_be_evicted_than_replicas_may_be_missing(
    replicas: int, missing: int, stay: int
) -> None:
    """Each ends a replica. One is placed and has two pods; those that are not have none to count,
    but are missing."""
    pool = several_nodes(**{"replicas": replicas, "disruption.maxUnavailable": missing})
    assert made(pool)["replicas"] == 1
    budget = objects(pool)[("PodDisruptionBudget", "minimal")]["spec"]
    assert budget["minAvailable"] == stay
    for template in templates(pool):
        assert budget["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_nobody_calls_a_worker_so_it_has_an_engine_and_nothing_else() -> None:
    led, working = (template["spec"] for template in templates(several_nodes()))
    assert [container["name"] for container in working["containers"]] == ["engine"]
    assert "initContainers" not in working
    assert "plan" not in [volume["name"] for volume in working["volumes"]]
    container = working["containers"][0]
    unwanted = {"ports", "startupProbe", "livenessProbe", "readinessProbe", "lifecycle"}
    assert not unwanted & container.keys()
    assert led["initContainers"][0]["name"] == "sidecar"
    assert "Bearer" not in str(working)
    for key in ("affinity", "tolerations", "securityContext", "automountServiceAccountToken"):
        assert working[key] == led[key]
    assert container["resources"] == led["containers"][0]["resources"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "8"}


def test_vllm_is_told_which_of_the_nodes_it_is_on_and_only_the_first_one_listens() -> None:
    model = ["--model", "/models/tiny", "--served-model-name", "tiny"]
    schedule = ["--max-num-seqs", "256", "--scheduling-policy", "priority"]
    spread = ["--tensor-parallel-size", "8", "--pipeline-parallel-size", "2"]
    led, working = (engine["args"] for engine in engines(several_nodes()))
    listens = ["--host", "127.0.0.1", "--port", "8000"]
    assert led == [*model, *listens, *schedule, *spread, *NODES, *ADDRESS]
    assert working == ["--headless", *model, *schedule, *spread, *NODES, *ADDRESS]


def test_args_may_say_how_the_model_is_spread_over_the_nodes() -> None:
    pool = several_nodes(
        **{"engine.args": ["--tensor-parallel-size=16", "--enable-expert-parallel"]}
    )
    for engine in engines(pool):
        tail = [*NODES, *ADDRESS, "--tensor-parallel-size=16", "--enable-expert-parallel"]
        assert engine["args"][-len(tail) :] == tail
        assert "--pipeline-parallel-size" not in engine["args"]


def test_one_device_a_node_needs_no_tensor_parallelism() -> None:
    for engine in engines(several_nodes(**{"accelerators[0].devicesPerReplica": 1})):
        assert "--tensor-parallel-size" not in engine["args"]
        assert "--pipeline-parallel-size" in engine["args"]


def test_a_custom_engine_gets_the_same_arguments_on_every_node() -> None:
    args = ["--nnodes", "$(LWS_GROUP_SIZE)", "--node-rank", "$(LWS_WORKER_INDEX)"]
    pool = several_nodes(**{"engine.type": "Custom", "engine.args": args, "model.source": None})
    led, working = engines(pool)
    assert led["args"] == working["args"] == args
