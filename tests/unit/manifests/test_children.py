"""The child objects: whose they are, in which order, and what they must never get wrong."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.manifests.fleet import (
    CLEAR,
    engine,
    everything,
    minimal,
    objects,
    planned,
    pod_spec,
)
from tierfleet import plan
from tierfleet.manifests import Tokens, children, names, secrets
from tierfleet.manifests.pod import products
from tierfleet.planning.devices import products_of

RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def test_every_child_belongs_to_its_pool_and_goes_with_it() -> None:
    pool = everything()
    for child in children(pool, planned(pool), CLEAR):
        metadata = child["metadata"]
        assert metadata["namespace"] == "inference"
        assert metadata["labels"]["tierfleet.dev/pool"] == "llama-70b"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "tierfleet"
        assert metadata["ownerReferences"] == [
            {
                "apiVersion": "tierfleet.dev/v1alpha1",
                "kind": "InferencePool",
                "name": "llama-70b",
                "uid": "11111111-2222-3333-4444-555555555555",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]


def test_what_pods_mount_is_applied_before_them_and_the_index_after_its_parts() -> None:
    kinds = [key for key in objects(everything()) if key[0] != "Secret"]
    assert kinds == [
        ("Service", "llama-70b"),
        ("PodDisruptionBudget", "llama-70b"),
        ("InferencePool", "llama-70b"),
        ("Deployment", "llama-70b-b200"),
        ("Deployment", "llama-70b-h100"),
        ("Deployment", "llama-70b-tpu"),
    ]
    found = [name for kind, name in objects(everything()) if kind == "Secret"]
    assert len(found) == 18
    assert (found[0], found[-1]) == ("llama-70b-tokens", "llama-70b-plan")
    assert list(objects(everything()))[:18] == [("Secret", name) for name in found]


def test_a_held_pool_wants_no_child_changed() -> None:
    pool = minimal(**{"policyRef.name": "gone"})
    assert children(pool, planned(pool), CLEAR) == ()


def test_the_secrets_are_the_plan_and_the_volume_puts_it_together_again() -> None:
    pool = everything()
    made = objects(pool)
    volume = next(v for v in pod_spec(pool)["volumes"] if v["name"] == "plan")
    mounted = {}
    for source in volume["projected"]["sources"]:
        data = made[("Secret", source["secret"]["name"])]["data"]
        for item in source["secret"]["items"]:
            mounted[item["path"]] = base64.b64decode(data[item["key"]])
    assert plan.join(mounted) == planned(pool).plan


def test_the_tokens_are_read_back_as_they_were_written() -> None:
    data = objects(minimal())[("Secret", "minimal-tokens")]["data"]
    assert Tokens.of({name: base64.b64decode(value) for name, value in data.items()}) == CLEAR


@pytest.mark.parametrize(
    "data", [{}, {"admin": b"a"}, {"admin": b"a", "hook": b""}, {"admin": b"\xff", "hook": b"h"}]
)
def test_damaged_tokens_are_no_tokens(data: dict[str, bytes]) -> None:
    assert Tokens.of(data) is None


def test_no_secret_but_the_hook_token_stands_outside_a_secret() -> None:
    pool = minimal()
    secret = Tokens(admin="admin-in-clear", hook="hook-in-clear")
    for child in children(pool, planned(pool), secret):
        text = str({k: v for k, v in child.items() if k != "data"})
        assert "admin-in-clear" not in text
        assert ("hook-in-clear" in text) == (child["kind"] == "Deployment")


def test_names_are_labels_even_for_the_longest_pool_and_accelerator() -> None:
    pool, accelerator = "p" * 40, "a" * 15
    made = [
        names.replicas(pool, accelerator),
        names.service(pool),
        names.disruption_budget(pool),
        names.tokens(pool),
        *secrets.part_names(pool).values(),
    ]
    assert len(set(made)) == len(made) - 1, "the Service and the budget are called like the pool"
    assert all(len(name) <= 63 for name in made)


@pytest.mark.parametrize(
    ("replicas", "missing", "stay"), [(6, 1, 5), (6, 2, 4), (1, 1, 0), (2, 5, 0)]
)
def test_the_budget_counts_from_the_spec_whatever_could_be_placed(
    replicas: int, missing: int, stay: int
) -> None:
    pool = minimal(**{"replicas": replicas, "disruption.maxUnavailable": missing})
    budget = objects(pool)[("PodDisruptionBudget", pool.metadata.name)]["spec"]
    assert budget["minAvailable"] == stay
    assert "maxUnavailable" not in budget


def test_deployments_of_a_pool_select_disjoint_pods_and_the_service_all() -> None:
    made = objects(everything())
    service = made[("Service", "llama-70b")]["spec"]["selector"]
    budget = made[("PodDisruptionBudget", "llama-70b")]["spec"]["selector"]["matchLabels"]
    seen = []
    for name in ("b200", "h100", "tpu"):
        spec = made[("Deployment", f"llama-70b-{name}")]["spec"]
        pods = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"].items() <= pods.items()
        assert service.items() <= pods.items()
        assert budget.items() <= pods.items()
        seen.append(spec["selector"]["matchLabels"]["tierfleet.dev/accelerator"])
    assert seen == ["b200", "h100", "tpu"]


def test_labels_of_the_template_cannot_take_a_pod_out_of_its_pool() -> None:
    pool = minimal(**{"template.labels": {"app.kubernetes.io/instance": "x", "cost-center": "1"}})
    template = objects(pool)[("Deployment", "minimal-h100")]["spec"]["template"]
    assert template["metadata"]["labels"]["app.kubernetes.io/instance"] == "minimal"
    assert template["metadata"]["labels"]["cost-center"] == "1"


def test_replicas_are_what_was_placed() -> None:
    made = objects(everything())
    deployments = {a: made[("Deployment", f"llama-70b-{a}")] for a in ("b200", "h100")}
    placed = {name: found["spec"]["replicas"] for name, found in deployments.items()}
    assert placed == {"b200": 0, "h100": 4}


def test_devices_are_limits_and_the_product_is_required_exactly() -> None:
    pool = everything()
    assert engine(pool, "tpu")["resources"]["limits"] == {"google.com/tpu": "4", "memory": "64Gi"}
    assert engine(pool)["resources"] == {
        "requests": {"cpu": "4"},
        "limits": {"cpu": "8", "nvidia.com/gpu": "4"},
    }
    terms = pod_spec(pool)["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"]
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]}
    product = {
        "key": "nvidia.com/gpu.product",
        "operator": "In",
        "values": ["NVIDIA-H100-80GB-HBM3"],
    }
    assert terms == [{"matchExpressions": [product, zone]}]
    assert pod_spec(pool, "tpu")["nodeSelector"] == {"cloud.google.com/gke-tpu-topology": "2x2x1"}


def test_the_product_is_required_in_every_alternative_of_the_affinity() -> None:
    either = [
        {"matchExpressions": [{"key": "zone", "operator": "Exists"}]},
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]},
    ]
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    affinity = {"nodeAffinity": {required: {"nodeSelectorTerms": either}}}
    terms = pod_spec(minimal(**{"template.affinity": affinity}))["affinity"]["nodeAffinity"]
    for term in terms[required]["nodeSelectorTerms"]:
        assert term["matchExpressions"][0]["key"] == "nvidia.com/gpu.product"


@pytest.mark.parametrize("accelerator", ["h100", "tpu"])
def test_what_nodes_have_to_carry_is_read_back_from_a_deployment(accelerator: str) -> None:
    """Whatever else the affinity asks for."""
    own = everything()
    template = objects(own)[("Deployment", f"llama-70b-{accelerator}")]["spec"]["template"]
    found = products(template)
    assert found
    assert found == products_of(own)[accelerator]
    del template["spec"]["affinity"]
    assert products(template) == frozenset(), "somebody has changed it"


def test_the_sidecar_starts_before_the_engine_and_is_told_all_it_needs() -> None:
    (sidecar,) = pod_spec(minimal(**{"drainTimeoutSeconds": 60, "engine.port": 8001}))[
        "initContainers"
    ]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["args"] == [
        "sidecar",
        "--plan",
        "/etc/tierfleet/plan",
        "--group",
        "$(TIERFLEET_GROUP)",
        "--upstream",
        "http://127.0.0.1:8001",
        "--host",
        "0.0.0.0",  # noqa: S104
        "--port",
        "8080",
        "--admin-host",
        "0.0.0.0",  # noqa: S104
        "--admin-port",
        "9090",
        "--drain-timeout-seconds",
        "60",
    ]
    assert sidecar["env"] == [{"name": "TIERFLEET_GROUP", "value": "h100"}]


def test_everything_is_probed_and_drained_through_the_sidecar() -> None:
    pool = minimal(**{"sidecar.adminPort": 9191, "engine.startupTimeoutSeconds": 1801})
    (sidecar,) = pod_spec(pool)["initContainers"]
    assert {p["name"]: p["containerPort"] for p in sidecar["ports"]} == {
        "http": 8080,
        "admin": 9191,
    }
    assert sidecar["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}
    assert sidecar["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
    serving = engine(pool)
    assert "ports" not in serving
    assert serving["startupProbe"]["httpGet"] == {"path": "/enginez", "port": 9191}
    probe = serving["startupProbe"]
    assert 1801 <= probe["periodSeconds"] * probe["failureThreshold"] < 1811
    assert serving["lifecycle"]["preStop"]["httpGet"] == {
        "path": "/drain",
        "port": 9191,
        "httpHeaders": [{"name": "Authorization", "value": "Bearer hook"}],
    }


def test_there_is_time_to_drain_and_to_load_before_anybody_gives_up() -> None:
    pool = minimal(**{"drainTimeoutSeconds": 60, "engine.startupTimeoutSeconds": 1800})
    spec = objects(pool)[("Deployment", "minimal-h100")]["spec"]
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 90
    assert spec["progressDeadlineSeconds"] > 1800 + 90
    assert spec["strategy"]["rollingUpdate"]["maxSurge"] == 0


def test_the_arguments_of_vllm_come_from_the_spec() -> None:
    assert engine(everything())["args"] == [
        "--model",
        "meta-llama/Llama-3.3-70B-Instruct",
        "--served-model-name",
        "llama-3.3-70b",
        "default",
        "--host",
        "127.0.0.1",
        "--port",
        "8000",
        "--max-num-seqs",
        "128",
        "--scheduling-policy",
        "priority",
        "--tensor-parallel-size",
        "4",
        "--enable-prefix-caching",
        "--enable-chunked-prefill",
    ]


@pytest.mark.parametrize("given", [["-tp", "1"], ["--pipeline-parallel-size=2"]])
def test_a_parallelism_that_the_spec_gives_is_left_alone(given: list[str]) -> None:
    pool = minimal(**{"engine.args": given, "accelerators[0].devicesPerReplica": 2})
    assert "--tensor-parallel-size" not in engine(pool)["args"]
    assert engine(pool)["args"][-len(given) :] == given


def test_a_custom_engine_gets_its_own_arguments_only() -> None:
    custom = {"engine.type": "Custom", "model.source": ..., "engine.args": ["serve", "--fast"]}
    assert engine(minimal(**custom))["args"] == ["serve", "--fast"]


def test_variables_of_the_spec_win_over_ours_and_those_of_the_accelerator_over_all() -> None:
    env = {v["name"]: v.get("value") for v in engine(everything())["env"]}
    assert (env["HOME"], env["HF_HOME"], env["HF_HUB_OFFLINE"]) == ("/tmp", "/models", "0")  # noqa: S108
    mine = minimal(**{"engine.env": [{"name": "HF_HOME", "value": "/mine"}]})
    assert engine(mine)["env"] == [
        {"name": "HOME", "value": "/tmp"},  # noqa: S108
        {"name": "HF_HOME", "value": "/mine"},
    ]


def test_the_pod_meets_the_restricted_pod_security_standard() -> None:
    spec = pod_spec(minimal())
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] != 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["initContainers"] + spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
    for volume in spec["volumes"]:
        assert set(volume) - {"name"} <= RESTRICTED_VOLUMES


def test_the_engine_alone_can_be_loosened() -> None:
    pool = minimal(
        **{
            "engine.securityContext": {
                "privileged": True,
                "runAsUser": 0,
                "runAsNonRoot": False,
                "capabilities": {"add": ["IPC_LOCK"]},
            }
        }
    )
    assert engine(pool)["securityContext"] == {
        "allowPrivilegeEscalation": True,
        "readOnlyRootFilesystem": True,
        "privileged": True,
        "runAsUser": 0,
        "runAsNonRoot": False,
        "capabilities": {"drop": ["ALL"], "add": ["IPC_LOCK"]},
    }
    (sidecar,) = pod_spec(pool)["initContainers"]
    assert sidecar["securityContext"]["allowPrivilegeEscalation"] is False


def test_the_model_cache_is_mounted_and_shared_memory_bounded() -> None:
    def volumes(pool: Any) -> dict[str, Any]:
        return {v["name"]: v for v in pod_spec(pool)["volumes"]}

    assert volumes(everything())["models"]["persistentVolumeClaim"] == {"claimName": "models"}
    assert {m["mountPath"] for m in engine(everything())["volumeMounts"]} == {
        "/dev/shm",  # noqa: S108
        "/tmp",  # noqa: S108
        "/models",
    }
    assert "models" not in volumes(minimal())
    memory = volumes(minimal())["shared-memory"]["emptyDir"]
    assert memory == {"medium": "Memory", "sizeLimit": "16Gi"}


def test_tolerations_are_those_of_the_devices_and_those_of_the_template() -> None:
    assert pod_spec(everything(), "tpu")["tolerations"] == [
        {"key": "google.com/tpu", "operator": "Exists"},
        {"key": "dedicated", "operator": "Equal", "value": "inference", "effect": "NoSchedule"},
        {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 60,
        },
    ]


def test_a_change_of_the_plan_alone_changes_no_pod() -> None:
    """Limits, tenants, promises: all of it travels through the mounted Secrets."""
    pool = minimal()
    before = objects(pool)[("Deployment", "minimal-h100")]
    other = planned(pool)
    assert other.plan is not None
    changed_plan = plan.parse(
        {**plan.render(other.plan), "version": "", "lendablePercent": 50, "tenants": []}
    )
    moved = children(pool, replace(other, plan=changed_plan), CLEAR)
    assert before == next(child for child in moved if child["kind"] == "Deployment")
