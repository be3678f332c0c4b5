"""Nothing that a person writes is ignored silently: what is not built yet is named."""

from typing import Any

import pytest

from tests.unit.api.documents import MINIMAL, changed, examples
from tierfleet.api import KINDS
from tierfleet.api.common import Resource
from tierfleet.api.implemented import TABLE, Row, not_implemented
from tierfleet.api.poolstatus import PoolReason
from tierfleet.api.tierpolicy import PolicyReason

BY_KIND: dict[str, type[Resource]] = {kind.definition.kind: kind for kind in KINDS}
REASONS = {
    "TierPolicy": PolicyReason,
    "InferencePool": PoolReason,
}
"""The kinds whose rows planning looks at; all of a CapacityReservation is built."""


REACHED: list[tuple[str, dict[str, Any], str]] = [
    (
        "TierPolicy",
        {"identification.gateway": {"secretRef": {"name": "gateway"}}},
        "spec.identification.gateway",
    ),
    ("InferencePool", {"engine.type": "TensorRTLLM"}, "spec.engine.type"),
    ("InferencePool", {"engine.type": "SGLang"}, "spec.engine.type"),
    ("InferencePool", {"partitioning.mode": "Dedicated"}, "spec.partitioning.mode"),
]


def found(kind: str, **change: Any) -> tuple[Row, ...]:
    return not_implemented(BY_KIND[kind].model_validate(changed(MINIMAL[kind], **change)))


@pytest.mark.parametrize(("kind", "change", "path"), REACHED)
def test_a_value_that_is_not_built_is_named_with_its_path(
    kind: str, change: dict[str, Any], path: str
) -> None:
    (unbuilt,) = found(kind, **change)
    assert unbuilt.path == path
    assert unbuilt.message.endswith(".")


def test_every_row_of_the_table_is_reached() -> None:
    assert {(kind, path) for kind, _, path in REACHED} == {(row.kind, row.path) for row in TABLE}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.kind}-{row.path}")
def test_the_reason_is_one_of_the_kind(row: Any) -> None:
    assert row.reason in set(REASONS[row.kind])


@pytest.mark.parametrize("kind", BY_KIND)
def test_defaults_are_built(kind: str) -> None:
    assert found(kind) == ()


def test_the_examples_use_only_what_is_built() -> None:
    ours = [document for document in examples() if document["kind"] in BY_KIND]
    assert ours
    for document in ours:
        assert not_implemented(BY_KIND[document["kind"]].model_validate(document)) == ()


def test_dedicated_partitions_wait_for_routing() -> None:
    (unbuilt,) = found("InferencePool", **{"partitioning.mode": "Dedicated"})
    assert unbuilt.reason == "RoutingRequired"


def test_everything_unbuilt_in_one_object_is_listed() -> None:
    asked = {"engine.type": "SGLang", "partitioning.mode": "Dedicated"}
    assert [row.path for row in found("InferencePool", **asked)] == [
        "spec.engine.type",
        "spec.partitioning.mode",
    ]
