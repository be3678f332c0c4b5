"""From a pydantic model to a CustomResourceDefinition with a structural schema.

Rules of structural schemas: KEP-1769 and the apiextensions documentation. What cannot be expressed
in one, or would make the cost of CEL rules unbounded, fails the generation instead of being
dropped. Pure: this file must not know about files, YAML, or any particular kind.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tierfleet.api.common import CATEGORY, GROUP, VERSION, Resource
from tierfleet.api.schema import RULES, Column, Definition

Schema = dict[str, Any]

_KEYWORDS = (
    "type",
    "format",
    "description",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "items",
    "minProperties",
    "maxProperties",
    "additionalProperties",
    "required",
    "properties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    RULES,
)
"""What may stand in the schema, in the order in which a person wants to read it."""

_DROPPED = {"title", "const"}
_FORMATS = {"date-time"}


class NotStructuralError(ValueError):
    """The model says something that a structural schema cannot; the message names the field."""


def definition(kind: type[Resource]) -> Schema:
    """The CustomResourceDefinition of a kind: a class with `definition`, `spec` and `status`.

    Raises:
        NotStructuralError: a field of the model cannot be expressed, or has no bound.
    """
    names: Definition = kind.definition
    subresources: Schema = {"status": {}}
    if names.scale is not None:
        subresources["scale"] = {
            "specReplicasPath": names.scale.spec_replicas,
            "statusReplicasPath": names.scale.status_replicas,
            "labelSelectorPath": names.scale.selector,
        }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": names.kind,
                "listKind": f"{names.kind}List",
                "plural": names.plural,
                "singular": names.singular,
                "shortNames": [names.short_name],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [_column(column) for column in names.columns],
                    "subresources": subresources,
                    "schema": {"openAPIV3Schema": structural(kind)},
                }
            ],
        },
    }


def _column(column: Column) -> Schema:
    entry: Schema = {"name": column.name, "type": column.type}
    if column.wide:
        entry["priority"] = 1
    return {**entry, "description": column.description, "jsonPath": column.path}


def structural(kind: type[Resource]) -> Schema:
    """The structural schema of a whole object of that kind."""
    source = kind.model_json_schema(by_alias=True)
    definitions = source.get("$defs", {})
    spec, status = (
        _structural(source["properties"][part], definitions, part) for part in ("spec", "status")
    )
    for problem in _unbounded(spec, "spec"):
        raise NotStructuralError(problem)
    schema: Schema = {
        "type": "object",
        "description": _one_line(source["description"]),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": _without_defaults(status),
        },
    }
    if RULES in source:
        schema[RULES] = source[RULES]
    return schema


def _structural(source: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> Schema:
    source = _resolved(source, definitions, path)
    schema: Schema = {}
    for keyword, value in source.items():
        if keyword == "properties":
            schema[keyword] = {
                name: _structural(field, definitions, f"{path}.{name}")
                for name, field in value.items()
            }
        elif keyword == "items":
            schema[keyword] = _structural(value, definitions, f"{path}[]")
        elif keyword == "additionalProperties" and isinstance(value, Mapping):
            schema[keyword] = _structural(value, definitions, f"{path}{{}}")
        elif keyword == "description":
            schema[keyword] = _one_line(value)
        elif keyword in _KEYWORDS:
            schema[keyword] = value
        elif keyword not in _DROPPED:
            raise NotStructuralError(
                f"{path} uses {keyword}, which a structural schema cannot have"
            )
    if "const" in source:
        schema["enum"] = [source["const"]]
    if schema.get("format", "date-time") not in _FORMATS:
        raise NotStructuralError(f"{path} has format {schema['format']}, which is not checked")
    return _in_order(_with_default(schema, path))


def _in_order(schema: Schema) -> Schema:
    return {keyword: schema[keyword] for keyword in _KEYWORDS if keyword in schema}


def _resolved(
    source: Mapping[str, Any], definitions: Mapping[str, Any], path: str
) -> dict[str, Any]:
    """The schema without `$ref` and `Optional`; what stands beside them wins, rules add up."""
    merged = dict(source)
    while "$ref" in merged or "anyOf" in merged:
        if "$ref" in merged:
            target = definitions[merged.pop("$ref").removeprefix("#/$defs/")]
        else:
            present = [option for option in merged.pop("anyOf") if option != {"type": "null"}]
            if len(present) != 1:
                raise NotStructuralError(f"{path} may be of several types")
            if merged.get("default", ...) is None:
                del merged["default"]
            target = present[0]
        rules = [*target.get(RULES, ()), *merged.get(RULES, ())]
        merged = {**target, **merged}
        if rules:
            merged[RULES] = rules
    return merged


def _with_default(schema: Schema, path: str) -> Schema:
    """The schema with the default that the API server shall write.

    Objects default to the defaults below them; `{}` would be filled in with the same, but the API
    server evaluates CEL rules on the bare default. Empty lists, maps and objects are not written:
    they would only clutter what `kubectl get` shows.
    """
    if "default" not in schema:
        return schema
    default = schema.pop("default")
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        if "required" in schema:
            raise NotStructuralError(f"{path} has a default, but fields that are required")
        fields = schema["properties"].items()
        if below := {name: field["default"] for name, field in fields if "default" in field}:
            schema["default"] = below
    elif kind not in {"array", "object"}:
        schema["default"] = default
    return schema


def _without_defaults(schema: Mapping[str, Any]) -> Schema:
    """The schema of a status: what the operator did not write must not be filled in."""
    schema = {keyword: value for keyword, value in schema.items() if keyword != "default"}
    if "properties" in schema:
        schema["properties"] = {
            name: _without_defaults(field) for name, field in schema["properties"].items()
        }
    if "items" in schema:
        schema["items"] = _without_defaults(schema["items"])
    return schema


def _unbounded(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """What has no upper bound, and so would give CEL rules an unbounded cost."""
    match schema.get("type"):
        case "string" if not schema.keys() & {"maxLength", "enum", "format"}:
            yield f"{path} needs a maxLength"
        case "integer" if not {"minimum", "maximum"} <= schema.keys():
            yield f"{path} needs a minimum and a maximum"
        case "array":
            if "maxItems" not in schema:
                yield f"{path} needs a maxItems"
            yield from _unbounded(schema["items"], f"{path}[]")
        case "object" if "additionalProperties" in schema:
            if "maxProperties" not in schema:
                yield f"{path} needs a maxProperties"
            yield from _unbounded(schema["additionalProperties"], f"{path}{{}}")
        case "object":
            for name, field in schema["properties"].items():
                yield from _unbounded(field, f"{path}.{name}")
        case "number":
            yield f"{path} is a float; use an integer or a decimal string"


def _one_line(text: str) -> str:
    return " ".join(text.split())
