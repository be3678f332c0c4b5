"""The test cluster does what tests of the operator rely on."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from e2e import nodes
from e2e.cluster import Cluster, KubectlError
from e2e.wait import wait_until


def deployment(name: str, *, replicas: int = 1, gpus: int = 4, load: str = "0s") -> dict[str, Any]:
    """A Deployment shaped like ours: a native sidecar, a start-up step, an engine with GPUs."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {
                    "labels": {"app": name},
                    "annotations": {nodes.LOAD_DURATION: load},
                },
                "spec": {
                    "tolerations": [{"key": nodes.GPU, "operator": "Exists"}],
                    "initContainers": [
                        {"name": "fetch", "image": "fetch"},
                        {"name": "sidecar", "image": "sidecar", "restartPolicy": "Always"},
                    ],
                    "containers": [
                        {
                            "name": "engine",
                            "image": "engine",
                            "resources": {"limits": {nodes.GPU: str(gpus)}},
                        }
                    ],
                },
            },
        },
    }


def in_namespace(namespace: str, document: dict[str, Any]) -> dict[str, Any]:
    return document | {"metadata": document["metadata"] | {"namespace": namespace}}


def pods(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = cluster.get("pods", "-n", namespace)["items"]
    return items


def condition(pod: dict[str, Any], kind: str) -> str | None:
    found = (c["status"] for c in pod["status"].get("conditions", []) if c["type"] == kind)
    return next(found, None)


def running(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    return [p for p in pods(cluster, namespace) if p["status"]["phase"] == "Running"]


def ready(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    return [p for p in pods(cluster, namespace) if condition(p, "Ready") == "True"]


def test_pods_run_on_fake_nodes_as_far_as_the_devices_go(cluster: Cluster, namespace: str) -> None:
    cluster.add_nodes([nodes.h100("h100-0"), nodes.b200("b200-0")])
    cluster.apply(in_namespace(namespace, deployment("engines", replicas=5)))

    placed = wait_until(
        lambda: found if len(found := ready(cluster, namespace)) == 4 else None,
        timeout=60,
        why="four pods of four GPUs on two nodes of eight",
    )

    assert sorted(pod["spec"]["nodeName"] for pod in placed) == ["b200-0"] * 2 + ["h100-0"] * 2
    (left,) = (p for p in pods(cluster, namespace) if p["status"]["phase"] == "Pending")
    assert "Insufficient nvidia.com/gpu" in left["status"]["conditions"][0]["message"]


def test_a_native_sidecar_keeps_running_and_an_init_container_has_ended(
    cluster: Cluster, namespace: str
) -> None:
    cluster.add_nodes([nodes.h100("h100-0")])
    cluster.apply(in_namespace(namespace, deployment("engines")))

    (pod,) = wait_until(lambda: ready(cluster, namespace), timeout=60, why="the pod to be ready")

    state = {s["name"]: s for s in pod["status"]["initContainerStatuses"]}
    assert state["fetch"]["state"]["terminated"]["exitCode"] == 0
    assert state["sidecar"]["state"]["running"]
    assert state["sidecar"]["started"]
    assert state["sidecar"]["ready"]


def test_a_pod_that_still_loads_runs_and_is_not_ready(cluster: Cluster, namespace: str) -> None:
    cluster.add_nodes([nodes.h100("h100-0")])
    cluster.apply(in_namespace(namespace, deployment("slow", load="1h")))

    (pod,) = wait_until(lambda: running(cluster, namespace), timeout=60, why="the pod to run")

    assert condition(pod, "Ready") == "False"
    assert not pod["status"]["containerStatuses"][0]["ready"]


def test_a_pod_is_ready_once_its_load_duration_is_over(cluster: Cluster, namespace: str) -> None:
    cluster.add_nodes([nodes.h100("h100-0")])
    cluster.apply(in_namespace(namespace, deployment("slow", load="2s")))

    (pod,) = wait_until(lambda: ready(cluster, namespace), timeout=60, why="the pod to be ready")

    (since,) = (
        datetime.fromisoformat(c["lastTransitionTime"])
        for c in pod["status"]["conditions"]
        if c["type"] == "Ready"
    )
    assert since - datetime.fromisoformat(pod["status"]["startTime"]) >= timedelta(seconds=2)
    assert pod["status"]["containerStatuses"][0]["started"]


def test_a_job_completes(cluster: Cluster, namespace: str) -> None:
    cluster.add_nodes([nodes.h100("h100-0")])
    spec = deployment("once")["spec"]["template"]["spec"] | {"restartPolicy": "Never"}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"template": {"spec": spec}},
    }
    cluster.apply(in_namespace(namespace, job))

    wait_until(
        lambda: cluster.get("job", "once", "-n", namespace)["status"].get("succeeded"),
        timeout=60,
        why="the job to succeed",
    )


def test_a_cordoned_node_takes_no_new_pod_until_it_is_uncordoned(
    cluster: Cluster, namespace: str
) -> None:
    cluster.add_nodes([nodes.h100("h100-0")])
    cluster.cordon("h100-0")
    cluster.apply(in_namespace(namespace, deployment("engines")))
    wait_until(
        lambda: any("unschedulable" in str(p["status"]) for p in pods(cluster, namespace)),
        timeout=60,
        why="the scheduler to say that no node takes the pod",
    )

    cluster.uncordon("h100-0")

    wait_until(lambda: ready(cluster, namespace), timeout=60, why="the pod to be ready")


def test_the_nodes_look_like_gpu_nodes(cluster: Cluster, namespace: str) -> None:
    small = nodes.gpu_node("l40s-0", product="NVIDIA-L40S", devices=2)
    cluster.add_nodes([nodes.h100("h100-0"), nodes.b200("b200-0", zone="zone-b"), small])

    seen = {node["metadata"]["name"]: node for node in cluster.get("nodes")["items"]}

    products = {name: n["metadata"]["labels"]["nvidia.com/gpu.product"] for name, n in seen.items()}
    assert products == {
        "h100-0": "NVIDIA-H100-80GB-HBM3",
        "b200-0": "NVIDIA-B200",
        "l40s-0": "NVIDIA-L40S",
    }
    devices = {name: node["status"]["allocatable"][nodes.GPU] for name, node in seen.items()}
    assert devices == {"h100-0": "8", "b200-0": "8", "l40s-0": "2"}
    assert all(
        {"key": nodes.GPU, "value": "present", "effect": "NoSchedule"} in node["spec"]["taints"]
        for node in seen.values()
    )


def test_a_node_that_is_not_annotated_is_left_alone(cluster: Cluster, namespace: str) -> None:
    real = nodes.h100("real")
    real["metadata"]["annotations"] = {}
    cluster.kubectl("create", "-f", "-", stdin=str(real))
    cluster.add_nodes([nodes.h100("fake")])

    assert "conditions" not in cluster.get("node", "real")["status"]


def test_every_request_of_a_user_agent_is_in_the_audit_log(
    cluster: Cluster, namespace: str
) -> None:
    uri = f"/api/v1/namespaces/{namespace}/configmaps/absent"
    for _ in range(3):
        assert cluster.find("configmap", "absent", "-n", namespace) is None

    mine = [event for event in cluster.audit() if event["requestURI"] == uri]

    assert [event["verb"] for event in mine] == ["get"] * 3
    assert all(event["userAgent"].startswith("kubectl/") for event in mine)
    times = [event["requestReceivedTimestamp"] for event in mine]
    assert all(earlier < later for earlier, later in itertools.pairwise(times))


def test_what_the_server_refuses_is_an_error_with_its_words(
    cluster: Cluster, namespace: str
) -> None:
    bad = in_namespace(namespace, deployment("bad", replicas=-1))

    with pytest.raises(KubectlError, match="must be greater than or equal to 0"):
        cluster.apply(bad)
