"""Bad input is refused at `kubectl apply`, with the path and what must be."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.cluster import Cluster
from tests.integration.api.conftest import ApiServer
from tests.unit.api.documents import MINIMAL, Document, changed, full, placed
from tierfleet.api import KINDS
from tierfleet.api.crd import structural

POLICY, POOL, RESERVATION = "TierPolicy", "InferencePool", "CapacityReservation"
EXACTLY_ONE = "must be exactly one of percent, serviceTokensPerSecond and prepaid"
FIELD = {"fieldPath": "status.podIP"}
PREPAID = {"serviceTokens": 1, "period": "Day", "serviceTokensPerSecond": 1}
NODES = "template.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
DEVICES = "must not name the accelerator's resource: devicesPerReplica asks for it"
PORTS = (
    "must be different from sidecar.port and sidecar.adminPort, and those from each other: "
    "they share the pod's network"
)

Row = tuple[str, dict[str, Any], str, str]

REFUSED: list[Row] = [
    # The server's own words.
    (RESERVATION, {"color": "red"}, "", 'unknown field "spec.color"'),
    (POOL, {"engine.arg": []}, "", 'unknown field "spec.engine.arg"'),
    (RESERVATION, {"tenants": "acme"}, "spec.tenants", "must be of type array"),
    (POLICY, {"burndown.input": 1}, "spec.burndown.input", "must be of type string"),
    (POOL, {"replicas": 1.5}, "spec.replicas", "must be of type integer"),
    (RESERVATION, {"guarantee.percent": 0}, "spec.guarantee.percent", "greater than or equal to 1"),
    (
        RESERVATION,
        {"guarantee.percent": 101},
        "spec.guarantee.percent",
        "less than or equal to 100",
    ),
    (RESERVATION, {"guarantee": ...}, "spec.guarantee", "Required value"),
    (RESERVATION, {"tenants": ["acme", "acme"]}, "spec.tenants[1]", "Duplicate value"),
    (POLICY, {"tiers[1]": {"name": "retail", "priority": 1}}, "spec.tiers[1]", "Duplicate value"),
    (
        POOL,
        {"accelerators[1]": {"name": "h100", "products": ["x"]}},
        "spec.accelerators[1]",
        "Duplicate value",
    ),
    (POOL, {"engine.env": [{"name": "A"}, {"name": "A"}]}, "spec.engine.env[1]", "Duplicate value"),
    # TierPolicy
    (
        POLICY,
        {"identification.anonymous": {"action": "Tier", "tier": "gold"}},
        "spec.identification.anonymous.tier",
        "must be the name of one of the tiers",
    ),
    (
        POLICY,
        {"identification.anonymous": {"action": "Tier"}},
        "spec.identification.anonymous.tier",
        "must be given when action is Tier, and left out otherwise",
    ),
    (
        POLICY,
        {"identification.anonymous": {"tier": "retail"}},
        "spec.identification.anonymous.tier",
        "must be given when action is Tier, and left out otherwise",
    ),
    (
        POLICY,
        {
            "tiers[0].minimumPercent": 60,
            "tiers[1]": {"name": "pro", "priority": 1, "minimumPercent": 41},
        },
        "spec.tiers",
        "must be at most 100 percent together: lower the minimumPercent of some tier",
    ),
    (
        POLICY,
        {
            "identification.gateway": {
                "secretRef": {"name": "gateway"},
                "tenantHeader": "x-tierfleet-gateway",
            }
        },
        "spec.identification.gateway.tenantHeader",
        "must be another header than secretHeader",
    ),
    # CapacityReservation
    (RESERVATION, {"guarantee": {}}, "spec.guarantee", EXACTLY_ONE),
    (RESERVATION, {"guarantee.prepaid": PREPAID}, "spec.guarantee", EXACTLY_ONE),
    (RESERVATION, {"guarantee.serviceTokensPerSecond": 9}, "spec.guarantee", EXACTLY_ONE),
    (
        RESERVATION,
        {"term": {"start": "2027-01-01T00:00:00Z", "end": "2027-01-01T00:00:00+01:00"}},
        "spec.term.end",
        "must be after start",
    ),
    (RESERVATION, {"term.start": "tomorrow"}, "spec.term.start", "must be of type date-time"),
    # The server takes these for a date-time; nobody can read them.
    (RESERVATION, {"term.end": "2099-12-31T23:59:59x5Z"}, "spec.term.end", "should match"),
    (RESERVATION, {"term.end": "2099-12-31T23:59:59+99:99"}, "spec.term.end", "should match"),
    (RESERVATION, {"term.start": "0000-01-01T00:00:00Z"}, "spec.term.start", "should match"),
    (RESERVATION, {"term.end": "9999-12-31T23:59:59-05:00"}, "spec.term.end", "should match"),
    (
        RESERVATION,
        {"spillover": {"action": "Reject", "tier": "retail"}},
        "spec.spillover.tier",
        "must be left out unless action is Shared",
    ),
    # InferencePool: the engine's arguments
    (
        POOL,
        {"engine.args": ["--port", "9000"]},
        "spec.engine.args",
        "must not contain --port: set spec.engine.port instead",
    ),
    (
        POOL,
        {"engine.args": ["--enforce-eager", "--host=0.0.0.0"]},
        "spec.engine.args",
        "must not contain --host=0.0.0.0: leave it out, the engine listens on loopback only",
    ),
    (
        POOL,
        {"engine.args": ["--max_num_seqs=8"]},
        "spec.engine.args",
        "must not contain --max_num_seqs=8: set maxSequences instead",
    ),
    (
        POOL,
        {"engine.args": ["--served-model-name", "x"]},
        "spec.engine.args",
        "must not contain --served-model-name: set spec.model.name and spec.model.aliases instead",
    ),
    (
        POOL,
        {"engine.args": ["--scheduling-policy=fcfs"]},
        "spec.engine.args",
        "leave it out, the order is decided by spec.policyRef",
    ),
    (
        POOL,
        {"engine.args": ["--nnodes=2"]},
        "spec.engine.args",
        "must not contain --nnodes=2: set nodesPerReplica instead",
    ),
    (
        POOL,
        {"accelerators[0].engine.args": ["-r", "1"]},
        "spec.accelerators",
        "must not contain -r: leave it out, nodesPerReplica generates it",
    ),
    (
        POOL,
        {"accelerators[0].engine.args": ["--model=x"]},
        "spec.accelerators",
        "must not contain --model=x: set spec.model.source instead",
    ),
    # InferencePool: the rest
    (
        POOL,
        {"model.source": ...},
        "spec.model.source",
        "must be given unless engine.type is Custom",
    ),
    (
        POOL,
        {"engine.type": "Custom"},
        "spec.model.source",
        "must be left out when engine.type is Custom: engine.args name the model",
    ),
    (POOL, {"sidecar.port": 8000}, "spec.engine.port", PORTS),
    (POOL, {"sidecar.adminPort": 8080}, "spec.engine.port", PORTS),
    (POOL, {"engine.port": 9090}, "spec.engine.port", PORTS),
    (
        POOL,
        {"engine.resources.limits": {"nvidia.com/gpu": 4}},
        "spec.engine.resources",
        DEVICES,
    ),
    (
        POOL,
        {"accelerators[0].engine.resources.requests": {"nvidia.com/gpu": "4"}},
        "spec.accelerators[0].engine.resources",
        DEVICES,
    ),
    (
        POOL,
        {"engine.resources": {"requests": {"memory": "1Gi", "cpu": 2}, "limits": {"cpu": "1900m"}}},
        "spec.engine.resources.limits",
        "must be at least the request of the same resource",
    ),
    (
        POOL,
        {"accelerators[0].minReplicas": 3, "accelerators[0].maxReplicas": 2},
        "spec.accelerators[0].maxReplicas",
        "must be at least minReplicas",
    ),
    (
        POOL,
        {"scaling": {"mode": "Automatic", "minReplicas": 3, "maxReplicas": 2}},
        "spec.scaling.maxReplicas",
        "must be at least minReplicas",
    ),
    (
        POOL,
        {"scaling.mode": "Automatic"},
        "spec.scaling.maxReplicas",
        "must be given when mode is Automatic",
    ),
    (
        POOL,
        {"scaling.minReplicas": 2},
        "spec.scaling.mode",
        "must be Automatic when minReplicas, maxReplicas or targetUtilizationPercent is set",
    ),
    (
        POOL,
        {"gateway.inferencePool": "Emit"},
        "spec.gateway.endpointPickerRef",
        "must be given when inferencePool is Emit, and left out otherwise",
    ),
    (
        POOL,
        {"gateway.endpointPickerRef": {"name": "picker", "port": {"number": 1}}},
        "spec.gateway.endpointPickerRef",
        "must be given when inferencePool is Emit, and left out otherwise",
    ),
    (
        POOL,
        {
            "engine.env": [
                {"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}
            ]
        },
        "spec.engine.env[0]",
        "must be only one of value and valueFrom",
    ),
    (
        POOL,
        {"engine.env": [{"name": "A", "valueFrom": {}}]},
        "spec.engine.env[0].valueFrom",
        "must be exactly one of secretKeyRef, configMapKeyRef and fieldRef",
    ),
    (
        POOL,
        {"access.tenantSelector.matchExpressions": [{"key": "tier", "operator": "In"}]},
        "spec.access.tenantSelector.matchExpressions[0].values",
        "must be given for In and NotIn, and left out for Exists and DoesNotExist",
    ),
    (
        POOL,
        {f"{NODES}.nodeSelectorTerms": [{"matchExpressions": [{"key": "cpus", "operator": "Gt"}]}]},
        f"spec.{NODES}.nodeSelectorTerms[0].matchExpressions[0].values",
        "must be given for In, NotIn, Gt and Lt, and left out for Exists and DoesNotExist",
    ),
    (
        POOL,
        {"template.tolerations": [{"effect": "NoSchedule"}]},
        "spec.template.tolerations[0].key",
        "must be given unless operator is Exists",
    ),
    (
        POOL,
        {"template.tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
        "spec.template.tolerations[0].value",
        "must be left out when operator is Exists",
    ),
    (
        POOL,
        {"template.labels": {"tierfleet.dev/pool": "x"}},
        "spec.template.labels",
        "must not use keys of tierfleet.dev/",
    ),
    (
        POOL,
        {"template.annotations": {"tierfleet.dev/plan": "x"}},
        "spec.template.annotations",
        "must not use keys of tierfleet.dev/",
    ),
]

FIXED_NODES = (
    "must not be changed: add an accelerator of another name beside this one, and take this one "
    "out once the other serves"
)

CHANGES: list[Row] = [
    (
        POLICY,
        {"burndown.output": "5"},
        "spec.burndown.version",
        "must be a new version when a rate changes, because receipts name the version",
    ),
    (
        POLICY,
        {"burndown.longContext": {"aboveTokens": 1, "input": "2", "output": "6"}},
        "spec.burndown.version",
        "must be a new version when a rate changes, because receipts name the version",
    ),
    (
        POOL,
        {"accelerators[0].nodesPerReplica": 2},
        "spec.accelerators[0].nodesPerReplica",
        FIXED_NODES,
    ),
    (
        RESERVATION,
        {"poolRef.name": "other"},
        "spec.poolRef",
        "must not be changed after creation",
    ),
]

NAME = (
    "must be at most 40 lower-case letters, digits and dashes, and begin with a letter: "
    "Services are named after it"
)
SHORT_NAMES = (
    "must have names that are short enough where nodesPerReplica is more than 1: the pool's and "
    "the accelerator's at most 46 characters together, because pods carry both and more in one "
    "label"
)


@pytest.mark.parametrize(
    ("kind", "change", "path", "message"), REFUSED, ids=[f"{row[2]}-{row[3]}" for row in REFUSED]
)
def test_a_document_is_refused_with_path_and_message(
    api_server: ApiServer, kind: str, change: dict[str, Any], path: str, message: str
) -> None:
    refusals = api_server.refusals(changed(MINIMAL[kind], **change))
    assert message in refusals.get(path, ""), refusals


def test_a_change_is_refused_with_path_and_message(
    cluster: Cluster, namespace: str, api_server: ApiServer
) -> None:
    stored = {kind: placed(document, namespace) for kind, document in MINIMAL.items()}
    cluster.apply(*stored.values())
    for kind, change, path, message in CHANGES:
        refusals = api_server.refusals_of_change(changed(stored[kind], **change))
        assert message in refusals.get(path, ""), refusals
    new_version = {"burndown.output": "5", "burndown.version": "2"}
    for change in (new_version, {"tiers[0].priority": 3}):
        assert api_server.refusals_of_change(changed(stored[POLICY], **change)) == {}


def test_names_are_shorter_where_replicas_have_several_nodes(api_server: ApiServer) -> None:
    def refusals(**more: Any) -> str:
        wide = MINIMAL[POOL]["spec"]["accelerators"][0] | {"name": "a" * 15} | more
        document = changed(MINIMAL[POOL], accelerators=[wide])
        return str(api_server.refusals(document | {"metadata": {"name": "p" * 32}}))

    assert SHORT_NAMES in refusals(nodesPerReplica=2)
    assert refusals() == refusals(name="a" * 14, nodesPerReplica=2) == "{}"


@pytest.mark.parametrize("name", ["a" * 41, "4ever", "a.b"])
def test_a_pool_whose_name_cannot_name_services_is_refused(
    api_server: ApiServer, name: str
) -> None:
    document = MINIMAL[POOL] | {"metadata": {"name": name}}
    assert NAME in str(api_server.refusals(document))


def test_kubectl_shows_the_path_and_what_must_be(cluster: Cluster) -> None:
    document = changed(
        placed(MINIMAL[RESERVATION], "default"), **{"guarantee.serviceTokensPerSecond": 5}
    )
    refused = cluster.kubectl(
        "apply", "--filename=-", "--dry-run=server", stdin=str(document), check=False
    )
    assert refused.returncode == 1
    assert f"spec.guarantee: Invalid value: {EXACTLY_ONE}" in refused.stderr


def rules(schema: Any) -> Iterator[str]:
    """Messages of all CEL rules in a schema."""
    if isinstance(schema, dict):
        for rule in schema.get("x-kubernetes-validations", ()):
            yield rule["message"]
        for value in schema.values():
            yield from rules(value)


def test_every_rule_of_ours_has_a_document_that_breaks_it() -> None:
    declared = {message for kind in KINDS for message in rules(structural(kind))}
    # The message of these depends on the value; REFUSED has each flag.
    declared -= {
        "must not contain an argument that another field generates",
        "must not contain an engine argument that another field generates",
    }
    broken = {row[3] for row in [*REFUSED, *CHANGES]} | {NAME, SHORT_NAMES}
    assert declared <= broken


def violations(schema: dict[str, Any], value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Values that break one bound each, with the path at which to put them.

    Everything in the document is visited, the first entry of each list.
    """
    match schema.get("type"):
        case "integer":
            yield path, schema["minimum"] - 1
            yield path, schema["maximum"] + 1
        case "string":
            if "enum" in schema:
                yield path, "Other"
            if "maxLength" in schema:
                yield path, "a" * (schema["maxLength"] + 1)
            if "minLength" in schema:
                yield path, ""
            if "pattern" in schema:
                yield path, " "
        case "array":
            yield path, [value[0]] * (schema["maxItems"] + 1)
            if "minItems" in schema:
                yield path, []
            yield from violations(schema["items"], value[0], f"{path}[0]")
        case "object" if "properties" in schema:
            for name in schema.get("required", ()):
                yield f"{path}.{name}", ...
            for name, entry in value.items():
                yield from violations(schema["properties"][name], entry, f"{path}.{name}")
        case "object":
            yield (
                path,
                {f"k{i}": next(iter(value.values())) for i in range(schema["maxProperties"] + 1)},
            )
        case None if "x-kubernetes-int-or-string" in schema:
            yield path, "much"
            yield path, "1" * (schema["maxLength"] + 1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.definition.kind)
def test_every_bound_is_kept_by_the_api_server(api_server: ApiServer, kind: Any) -> None:
    document: Document = full()[kind.definition.kind]
    schema = structural(kind)["properties"]["spec"]
    bounds = list(violations(schema, document["spec"], ""))
    assert len(bounds) > 20
    accepted = []
    for path, value in bounds:
        refusals = api_server.refusals(changed(document, **{path[1:]: value}))
        if f"spec{path}" not in refusals:
            accepted.append((path, value, refusals))
    assert accepted == []
