"""What is generated is what is committed, and what cannot be expressed is not dropped silently."""

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, create_model

from tests.unit.api.documents import ROOT
from tierfleet.api import KINDS
from tierfleet.api.common import Model, Resource
from tierfleet.api.crd import NotStructuralError, definition, structural
from tierfleet.api.generate import differences, main


class NoStatus(Model):
    """Nothing."""


def kind_with(field: Any, default: Any = ...) -> type[Resource]:
    """A kind whose spec has the one field `field`."""
    kind: type[Resource] = create_model(
        "Kind",
        __base__=Resource,
        __doc__="A kind.",
        spec=create_model("Spec", __base__=Model, field=(field, default)),
        status=(NoStatus, NoStatus()),
    )
    return kind


def field_of(kind: type[Resource]) -> dict[str, Any]:
    schema = structural(kind)
    field: dict[str, Any] = schema["properties"]["spec"]["properties"]["field"]
    return field


def test_the_committed_files_are_what_is_generated() -> None:
    assert differences(ROOT) == "", "run `make generate`"


def test_a_difference_is_shown_and_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    assert main(["--check"]) == 0
    crd = tmp_path / "crds" / "tierpolicies.tierfleet.dev.yaml"
    crd.write_text(crd.read_text().replace("maxItems: 16", "maxItems: 17", 1))
    assert main(["--check"]) == 1
    said = capsys.readouterr()
    assert "+                maxItems: 16" in said.out
    assert "make generate" in said.err


def walk(schema: Any) -> Any:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from walk(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from walk(value)


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_structural_without_alternatives_or_references(kind: type[Resource]) -> None:
    text = json.dumps(structural(kind))
    for keyword in ("anyOf", "oneOf", "allOf", "$ref", "prefixItems", "nullable", '"title"'):
        assert keyword not in text


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_a_description(kind: type[Resource]) -> None:
    def undescribed(schema: dict[str, Any], path: str) -> list[str]:
        fields = schema.get("properties", {}).items()
        found = [f"{path}.{name}" for name, field in fields if "description" not in field]
        for name, field in fields:
            found += undescribed(field.get("items", field), f"{path}.{name}")
        return found

    properties = structural(kind)["properties"]
    for part in ("spec", "status"):
        assert undescribed(properties[part], part) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_of_ours_says_what_must_be(kind: type[Resource]) -> None:
    rules = [
        rule
        for schema in walk(structural(kind))
        for rule in schema.get("x-kubernetes-validations", ())
    ]
    assert rules
    for rule in rules:
        assert rule["message"].startswith("must "), rule["message"]
        assert "'must not contain " in rule.get("messageExpression", "'must not contain ")


@pytest.mark.parametrize("kind", KINDS)
def test_a_status_has_no_defaults(kind: type[Resource]) -> None:
    status = structural(kind)["properties"]["status"]
    assert not any("default" in schema for schema in walk(status) if "description" in schema)


def test_names_columns_and_subresources_are_what_the_api_promises() -> None:
    by_name = {kind.definition.kind: definition(kind)["spec"] for kind in KINDS}
    pool = by_name["InferencePool"]
    assert pool["names"]["shortNames"] == ["tpool"]
    assert all(spec["names"]["categories"] == ["tierfleet"] for spec in by_name.values())
    assert pool["versions"][0]["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }
    assert by_name["TierPolicy"]["versions"][0]["subresources"] == {"status": {}}


class Inner(Model):
    """Inner."""

    required: Annotated[int, Field(ge=0, le=1)]


class Defaulted(Model):
    """Defaulted."""

    number: Annotated[int, Field(ge=0, le=9)] = 7
    words: Annotated[tuple[Annotated[str, Field(max_length=5)], ...], Field(max_length=2)] = ()


def test_optional_becomes_optional_without_null_or_default() -> None:
    kind = kind_with(Annotated[int, Field(ge=0, le=1)] | None, None)
    assert field_of(kind) == {"type": "integer", "minimum": 0, "maximum": 1}


def test_an_object_defaults_to_the_defaults_below_it() -> None:
    schema = field_of(kind_with(Defaulted, Defaulted()))
    assert schema["default"] == {"number": 7}
    assert "default" not in schema["properties"]["words"]


@pytest.mark.parametrize(
    ("field", "default", "complaint"),
    [
        (int | str, ..., "spec.field may be of several types"),
        (str, ..., "spec.field needs a maxLength"),
        (int, ..., "spec.field needs a minimum and a maximum"),
        (float, ..., "spec.field is a float; use an integer or a decimal string"),
        (tuple[Inner, ...], ..., "spec.field needs a maxItems"),
        (dict[str, Inner], ..., "spec.field needs a maxProperties"),
        (Annotated[dict[str, str], Field(max_length=1)], ..., "spec.field{} needs a maxLength"),
        (Annotated[tuple[str, ...], Field(max_length=1)], ..., "spec.field[] needs a maxLength"),
        (tuple[int, str], ..., "spec.field uses prefixItems, which a structural schema"),
        (Annotated[int, Field(gt=0, le=1)], ..., "spec.field uses exclusiveMinimum, which a"),
        (Annotated[str, Field(json_schema_extra={"format": "uri"})], ..., "has format uri"),
        (Inner, Inner(required=0), "spec.field has a default, but fields that are required"),
    ],
)
def test_what_cannot_be_expressed_fails_the_generation(
    field: Any, default: Any, complaint: str
) -> None:
    with pytest.raises(NotStructuralError) as raised:
        structural(kind_with(field, default))
    assert complaint in str(raised.value)
