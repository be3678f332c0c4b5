"""What the operator reads is what the person wrote."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.api.documents import MINIMAL, changed, examples, full
from tierfleet.api import KINDS, CapacityReservation, InferencePool, TierPolicy
from tierfleet.api.common import Resource
from tierfleet.api.corev1 import LabelSelector, ResourceRequirements
from tierfleet.api.crd import structural
from tierfleet.plan import Burndown, Preemption, Reclaim, SpilloverAction

BY_KIND: dict[str, type[Resource]] = {kind.definition.kind: kind for kind in KINDS}


@pytest.mark.parametrize("kind", BY_KIND)
@pytest.mark.parametrize("documents", [MINIMAL, full()], ids=["minimal", "full"])
def test_a_document_comes_back_as_it_was_written(kind: str, documents: dict[str, Any]) -> None:
    assert BY_KIND[kind].model_validate(documents[kind]).to_raw() == documents[kind]


def test_a_quantity_may_be_written_as_an_integer() -> None:
    resources = ResourceRequirements.model_validate({"requests": {"cpu": 8, "memory": "64Gi"}})
    assert resources.requests == {"cpu": "8", "memory": "64Gi"}


def fields(schema: dict[str, Any], path: str) -> set[str]:
    """Paths of all fields below a schema, `[]` for the entries of a list."""
    found = set()
    for name, field in schema.get("properties", {}).items():
        own = f"{path}.{name}"
        found |= {own} | fields(field, own) | fields(field.get("items", {}), f"{own}[]")
    return found


def paths(value: Any, path: str) -> set[str]:
    """Paths of all values in a document, in the same form."""
    if isinstance(value, list):
        return {path}.union(*(paths(entry, f"{path}[]") for entry in value))
    if isinstance(value, dict):
        return {path}.union(*(paths(entry, f"{path}.{name}") for name, entry in value.items()))
    return {path}


@pytest.mark.parametrize("kind", BY_KIND)
def test_the_full_document_shows_every_field_of_the_spec(kind: str) -> None:
    declared = fields(structural(BY_KIND[kind])["properties"]["spec"], "spec")
    missing = declared - paths(full()[kind]["spec"], "spec")
    alternatives = {"spec.guarantee.percent", "spec.guarantee.serviceTokensPerSecond"}
    assert {path for path in missing if "ffinity" not in path} <= alternatives


@pytest.mark.parametrize("document", examples(), ids=lambda document: document["metadata"]["name"])
def test_every_example_of_ours_can_be_read(document: dict[str, Any]) -> None:
    kind = BY_KIND.get(document["kind"])
    if kind is not None:
        assert kind.model_validate(document).key == ("inference", document["metadata"]["name"])


def test_fields_of_a_newer_version_are_ignored() -> None:
    document = deepcopy(MINIMAL["InferencePool"])
    document["spec"]["engine"]["invented"] = {"later": True}
    document["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    assert InferencePool.model_validate(document).to_raw() == MINIMAL["InferencePool"]


def test_metadata_is_typed() -> None:
    document = deepcopy(MINIMAL["TierPolicy"])
    document["metadata"] |= {
        "uid": "u1",
        "generation": 3,
        "resourceVersion": "42",
        "creationTimestamp": "2026-11-22T10:00:00Z",
        "labels": {"a": "b"},
    }
    metadata = TierPolicy.model_validate(document).metadata
    assert (metadata.uid, metadata.generation, metadata.resource_version) == ("u1", 3, "42")
    assert metadata.creation_timestamp == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert metadata.deletion_timestamp is None
    assert metadata.labels == {"a": "b"}


def test_what_was_read_cannot_be_changed() -> None:
    pool = InferencePool.model_validate(MINIMAL["InferencePool"])
    with pytest.raises(ValidationError, match="frozen"):
        pool.spec.engine.port = 1  # type: ignore[misc]


def test_defaults_ask_for_nothing_that_takes_from_others() -> None:
    policy = TierPolicy.model_validate(MINIMAL["TierPolicy"]).spec
    reservation = CapacityReservation.model_validate(MINIMAL["CapacityReservation"]).spec
    assert policy.tiers[0].preemption is Preemption.NEVER
    assert policy.tiers[0].minimum_percent == 0
    assert policy.identification.anonymous.tier is None
    assert reservation.lending.reclaim is Reclaim.NEXT_SEAT
    assert reservation.spillover.action is SpilloverAction.SHARED


def test_burndown_has_the_same_defaults_as_a_plan() -> None:
    ours = TierPolicy.model_validate(MINIMAL["TierPolicy"]).spec.burndown.model_dump()
    theirs = Burndown().model_dump()
    del ours["version"], theirs["version"]
    assert ours == theirs


def test_an_accelerator_overrides_the_engine_field_by_field() -> None:
    pool = InferencePool.model_validate(full()["InferencePool"]).spec
    b200, h100, tpu = (pool.engine.overridden_by(a.engine) for a in pool.accelerators)
    assert b200 == pool.engine
    assert h100.args == ("--enable-prefix-caching", "--enable-chunked-prefill")
    assert h100.max_sequences == 128
    assert h100.resources.requests == {"cpu": "4"}
    assert [(v.name, v.value) for v in h100.env if v.name == "HF_HUB_OFFLINE"] == [
        ("HF_HUB_OFFLINE", "0")
    ]
    assert len(h100.env) == len(pool.engine.env)
    assert h100.image == pool.engine.image
    assert tpu.image == "vllm/vllm-tpu:v0.32.0"
    assert tpu.max_sequences == 256


@pytest.mark.parametrize(
    ("expression", "labels", "selected"),
    [
        ({"operator": "In", "values": ["pro"]}, {"tier": "pro"}, True),
        ({"operator": "In", "values": ["pro"]}, {"tier": "retail"}, False),
        ({"operator": "In", "values": ["pro"]}, {}, False),
        ({"operator": "NotIn", "values": ["pro"]}, {"tier": "retail"}, True),
        ({"operator": "NotIn", "values": ["pro"]}, {"tier": "pro"}, False),
        ({"operator": "NotIn", "values": ["pro"]}, {}, True),
        ({"operator": "Exists"}, {"tier": ""}, True),
        ({"operator": "Exists"}, {}, False),
        ({"operator": "DoesNotExist"}, {}, True),
        ({"operator": "DoesNotExist"}, {"tier": "pro"}, False),
    ],
)
def test_a_label_selector_selects_as_in_apimachinery(
    expression: dict[str, Any], labels: dict[str, str], selected: bool
) -> None:
    selector = LabelSelector.model_validate({"matchExpressions": [{"key": "tier", **expression}]})
    assert selector.matches(labels) is selected
    with_label = LabelSelector.model_validate(
        {"matchLabels": {"team": "a"}, "matchExpressions": [{"key": "tier", **expression}]}
    )
    assert with_label.matches({**labels, "team": "a"}) is selected
    assert not with_label.matches({**labels, "team": "b"})


def test_an_empty_label_selector_selects_all() -> None:
    assert LabelSelector().matches({})


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("TierPolicy", {"tiers": []}),
        ("TierPolicy", {"burndown.input": "1.0000001"}),
        ("InferencePool", {"accelerators[0].devicesPerReplica": 0}),
        ("InferencePool", {"engine.sharedMemory": "much"}),
        ("CapacityReservation", {"guarantee.percent": 101}),
        ("CapacityReservation", {"term.end": "2027-01-01T00:00:00"}),
    ],
)
def test_what_the_api_server_would_refuse_is_refused_here_too(
    kind: str, change: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        BY_KIND[kind].model_validate(changed(MINIMAL[kind], **change))
