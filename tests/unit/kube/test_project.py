import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from tierfleet.kube import project
from tierfleet.kube.resources import Raw
from tierfleet.manifests import deletion
from tierfleet.plan import sha256_hex
from tierfleet.planning.snapshot import Fault, Taint, Trouble

GPU = "nvidia.com/gpu"


def container(devices: int, **more: str) -> Raw:
    return {"resources": {"limits": {GPU: str(devices)}, "requests": {"cpu": "1"}}, **more}


def pod(spec: Raw, labels: dict[str, str] | None = None, **more: Raw) -> Raw:
    metadata = {"namespace": "n", "name": "p", "uid": "u", "labels": labels or {}}
    return {"metadata": metadata, "spec": spec, **more}


def secret(data: dict[str, str], **metadata: Raw) -> Raw:
    own = {
        "tierfleet.dev/policy": "standard",
        "tierfleet.dev/tenant": "acme",
        "tierfleet.dev/tier": "pro",
    }
    return {
        "metadata": {
            "namespace": "n",
            "name": "s",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": own,
            **metadata,
        },
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def test_a_node_is_its_labels_taints_and_devices() -> None:
    found = project.node(
        {
            "metadata": {"name": "h100", "labels": {"product": "H100"}},
            "spec": {"unschedulable": True, "taints": [{"key": GPU, "effect": "NoSchedule"}]},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "allocatable": {"cpu": "192", "ephemeral-storage": "28Ti", GPU: "8"},
            },
        }
    )
    assert (found.name, found.ready, found.schedulable) == ("h100", True, False)
    assert found.taints == (Taint(GPU, "NoSchedule"),)
    assert found.allocatable == {GPU: 8}


def test_a_node_that_has_said_nothing_yet_is_not_ready() -> None:
    assert not project.node({"metadata": {"name": "new"}}).ready


def test_pods_of_strangers_count_only_if_they_use_devices() -> None:
    assert project.pod(pod({"containers": [container(0)]})) is None
    found = project.pod(pod({"containers": [container(2)], "nodeName": "h100"}))
    assert found is not None
    assert (found.node, found.pool, found.requests) == ("h100", None, {GPU: 2})


def test_our_own_pods_count_in_any_case() -> None:
    own = {"tierfleet.dev/pool": "llama", "tierfleet.dev/accelerator": "h100"}
    conditions = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no"}
    ]
    found = project.pod(pod({"containers": [{}]}, own, status={"conditions": conditions}))
    assert found is not None
    assert (found.pool, found.accelerator) == (("n", "llama"), "h100")
    assert (found.unschedulable, found.message, found.ready) == (True, "no", False)


def test_what_keeps_a_container_from_running_reads_the_same_from_try_to_try() -> None:
    own = {"tierfleet.dev/pool": "llama", "tierfleet.dev/accelerator": "h100"}

    def trouble(**status: Any) -> Trouble | None:
        named = {"name": "engine", "image": "vllm:9", "ready": False, **status}
        found = project.pod(pod({"containers": [{}]}, own, status={"containerStatuses": [named]}))
        assert found is not None
        return found.trouble

    def waiting(reason: str, message: str = "") -> dict[str, Any]:
        return {"state": {"waiting": {"reason": reason, "message": message}}}

    image = Trouble(Fault.IMAGE, "engine", "vllm:9")
    assert trouble(**waiting("ErrImagePull")) == trouble(**waiting("ImagePullBackOff")) == image
    missing = trouble(**waiting("CreateContainerConfigError", "no Secret"))
    assert missing == Trouble(Fault.CONFIGURATION, "engine", "no Secret")
    ended = {"lastState": {"terminated": {"exitCode": 2}}}
    crash = Trouble(Fault.CRASH, "engine", "2")
    assert trouble(**waiting("CrashLoopBackOff"), **ended, restartCount=2) == crash
    assert trouble(state={"running": {}}, **ended, restartCount=3) == crash
    assert trouble(state={"running": {}}, **ended, restartCount=1) is None, "once is no trouble"
    assert trouble(state={"running": {}}, **ended, restartCount=9, ready=True) is None
    assert trouble(**waiting("ContainerCreating")) is None


def test_where_a_replica_is_asked_and_when_it_is_gone() -> None:
    sidecar = {
        "name": "sidecar",
        "restartPolicy": "Always",
        "ports": [
            {"name": "http", "containerPort": 8080},
            {"name": "admin", "containerPort": 9191},
        ],
    }
    statuses = [{"name": "other", "restartCount": 7}, {"name": "sidecar", "restartCount": 2}]
    own = {"tierfleet.dev/pool": "llama", "tierfleet.dev/accelerator": "h100"}
    raw = pod(
        {"initContainers": [{"name": "other"}, sidecar], "containers": [container(1)]},
        own,
        status={"podIP": "10.1.2.3", "initContainerStatuses": statuses},
    )
    raw["metadata"]["deletionTimestamp"] = "2026-11-01T00:05:30Z"
    found = project.pod(raw)
    assert found is not None
    assert (found.address, found.admin_port, found.starts) == ("10.1.2.3", 9191, 2)
    assert found.terminating
    assert found.gone_by == datetime(2026, 11, 1, 0, 5, 30, tzinfo=UTC)
    new = project.pod(pod({"containers": [container(1)]}, own))
    assert new is not None
    assert (new.address, new.admin_port, new.starts, new.gone_by) == ("", 0, 0, None)
    stranger = project.pod(pod({"containers": [container(1)]}, status={"podIP": "10.1.2.4"}))
    assert stranger is not None
    assert stranger.address == "", "nobody is going to ask it"


def test_a_deletion_cost_is_read_as_kubernetes_reads_it() -> None:
    def cost(**annotations: str) -> int:
        raw = pod({"containers": [{}]}, {"tierfleet.dev/pool": "llama"})
        raw["metadata"]["annotations"] = annotations
        found = project.pod(raw)
        assert found is not None
        return found.deletion_cost

    assert cost() == 0
    assert cost(**{deletion.COST: "-7"}) == -7
    assert cost(**{deletion.COST: "much"}) == 0, "of another API server than ours"


def test_devices_are_counted_as_the_scheduler_counts_them() -> None:
    spec = {
        "initContainers": [
            container(6),
            container(1, restartPolicy="Always"),
            container(5),
        ],
        "containers": [container(2), container(2)],
    }
    found = project.pod(pod(spec))
    assert found is not None
    assert found.requests == {GPU: 6}
    spec["initContainers"][2] = container(7)
    found = project.pod(pod(spec))
    assert found is not None
    assert found.requests == {GPU: 8}


@pytest.mark.parametrize(("written", "count"), [("8", 8), ("1k", 1000), ("2Ki", 2048), ("x", 0)])
def test_quantities_of_devices_are_whole_numbers(written: str, count: int) -> None:
    found = project.node({"metadata": {"name": "n"}, "status": {"allocatable": {GPU: written}}})
    assert found.allocatable.get(GPU, 0) == count


def test_keys_are_kept_as_hashes_whether_given_in_clear_or_not() -> None:
    hashed = sha256_hex("other")
    found = project.tenant(secret({"a": "secret", "b": f"sha256:{hashed}", "c": "secret\n"}))
    assert found.keys == (sha256_hex("secret"), hashed)
    assert found.problems == ()
    assert "secret" not in repr(found).replace("TenantSecret", "")


@pytest.mark.parametrize("weight", ["1" * 5000, "10001", "²", "٣", "-1", "1.5", "", " 1"])
def test_a_weight_that_is_no_number_in_bounds_is_told_and_counts_as_none(weight: str) -> None:
    found = project.tenant(secret({"k": "x"}, annotations={"tierfleet.dev/weight": weight}))
    assert found.weight is None
    assert found.problems == (
        "has annotation tierfleet.dev/weight, which must be a whole number from 1 to 10000",
    )


@pytest.mark.parametrize("weight", ["1", "10000"])
def test_a_weight_in_bounds_counts(weight: str) -> None:
    found = project.tenant(secret({"k": "x"}, annotations={"tierfleet.dev/weight": weight}))
    assert (found.weight, found.problems) == (int(weight), ())


def test_a_secret_without_a_key_is_told() -> None:
    (problem,) = project.tenant(secret({})).problems
    assert problem == "has no entries; each of them is one of the tenant's API keys"


def test_a_tenant_with_faults_keeps_what_is_right() -> None:
    raw = secret(
        {"good": "secret", "bad": "sha256:abc", "none": " "},
        annotations={"tierfleet.dev/weight": "0"},
    )
    del raw["metadata"]["labels"]["tierfleet.dev/tier"]
    found = project.tenant(raw)
    assert found.keys == (sha256_hex("secret"),)
    assert found.weight is None
    assert [problem.split(",")[0] for problem in found.problems] == [
        "has no label tierfleet.dev/tier",
        "has annotation tierfleet.dev/weight",
        "has entry bad",
        "has entry none",
    ]
