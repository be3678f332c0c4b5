"""Scripted calls of tools: a request that insists on one gets it, with the least that fits. Pure.

A real model decides by itself; here `tool_choice` decides, so that clients can be tested.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LEAST: dict[str, Any] = {
    "string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": [], "null": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and what it is called with, as JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a request offers, and the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


def call(tools: Sequence[Tool], wanted: str | None, *, any_of_them: bool) -> Call | None:
    """The call that is insisted on: of the tool of that name, or of the first; None without."""
    for tool in tools:
        if tool.name == wanted or (wanted is None and any_of_them):
            return Call(tool.name, json.dumps(_least({"type": "object", **tool.schema})))
    return None


def _least(schema: Mapping[str, Any]) -> Any:
    """The smallest value that a schema lets through, as far as tools use schemas."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "string")
    if kind != "object":
        return _LEAST.get(kind if isinstance(kind, str) else kind[0])
    properties = schema.get("properties", {})
    return {name: _least(properties.get(name, {})) for name in schema.get("required", ())}
