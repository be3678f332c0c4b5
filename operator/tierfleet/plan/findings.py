"""What pydantic finds in a document, as a sentence for the person who wrote it. Pure.

It must not repeat what was given, which may be secret, nor know which documents there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

CHOICE = "("
"""What the tag of a union's member begins with: pydantic puts it into paths, a person did not."""

_MESSAGES = {
    "too_short": "at least one must be given",
    "model_type": "must be a mapping of fields",
    "model_attributes_type": "must be a mapping of fields",
    "tuple_type": "must be a list",
}
"""In place of messages that speak of Python."""


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Up to five findings as one sentence, each with its path, without input: it may be secret.

    Args:
        error: of the validation.
        model: of the document, to suggest the field that may be meant by one that is not there.
    """
    findings = error.errors(include_url=False, include_input=False, include_context=False)
    schema = model.model_json_schema(by_alias=True) if model else {}
    told = [_finding(finding, schema) for finding in findings if not _follows(finding, findings)]
    return "; ".join(told[:5]) + "."


def _follows(finding: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list is too short only because what was wrong in it was not counted."""
    path = finding["loc"]
    return finding["type"] == "too_short" and any(
        len(other["loc"]) > len(path) and other["loc"][: len(path)] == path for other in findings
    )


def _finding(finding: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    steps = [step for step in finding["loc"] if not str(step).startswith(CHOICE)]
    path = ".".join(map(str, steps)) or "the plan"
    if finding["type"] == "extra_forbidden":
        return f"{path}: there is no such field{_meant(steps, schema)}"
    message = _MESSAGES.get(finding["type"], str(finding["msg"]).removeprefix("Value error, "))
    return f"{path}: {message[:1].lower()}{message[1:]}"


def _meant(path: Sequence[str | int], schema: Mapping[str, Any]) -> str:
    """The field that a person may have meant at a path that is none, as part of a sentence."""
    level = schema
    for step in path[:-1]:
        level = _resolved(level, schema)
        fields = level.get("properties", {})
        level = level.get("items", {}) if isinstance(step, int) else fields.get(step, {})
    known = _resolved(level, schema).get("properties", {})
    wrong = str(path[-1])
    deeper = [path for path in _one_below(known, schema) if path.endswith(f".{wrong}")]
    close = deeper or get_close_matches(wrong, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _one_below(fields: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Paths of the fields of these fields."""
    for name, field in fields.items():
        for inner in _resolved(field, schema).get("properties", ()):
            yield f"{name}.{inner}"


def _resolved(level: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object or list that a reference, perhaps an optional one, stands for."""
    for choice in (*level.get("anyOf", ()), *level.get("oneOf", ())):
        if "$ref" in choice or "items" in choice:
            level = choice
    reference = level.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else level
