"""What is wrong with an object of one of the kinds, as far as that can be told without a server.

Stricter than reading it: an unknown field and a number in quotes are mistakes here, as they are to
the API server. Not the CEL rules, which only the server evaluates. Pure.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_snake

from tierfleet import plan
from tierfleet.api.common import Metadata, Resource
from tierfleet.api.schema import MAP_KEYS

_READ = {field.alias or name for name, field in Metadata.model_fields.items()}
"""The part of ObjectMeta that matters; the rest is somebody else's."""


def wrong(kind: type[Resource], raw: Mapping[str, Any]) -> str | None:
    """The findings as one sentence, each with its path; None if there are none."""
    metadata = raw.get("metadata")
    if isinstance(metadata, Mapping):
        metadata = {key: value for key, value in metadata.items() if key in _READ}
    written = {key: value for key, value in raw.items() if key != "status"}
    try:
        found = kind.model_validate_json(
            json.dumps(written | {"metadata": metadata}), strict=True, extra="forbid"
        )
    except ValidationError as error:
        return plan.explain(error, kind)
    except (TypeError, ValueError):
        return "It holds a value that JSON does not have."
    return "; ".join(_twice(found)) or None


def _twice(part: BaseModel, path: str = "") -> Iterator[str]:
    """Entries of a list that have the key of an earlier one, each with its path."""
    for name, field in type(part).model_fields.items():
        value, here = getattr(part, name), f"{path}{field.alias or name}"
        if isinstance(value, BaseModel):
            yield from _twice(value, f"{here}.")
        elif isinstance(value, tuple):
            extra = field.json_schema_extra
            keys = extra.get(MAP_KEYS) if isinstance(extra, dict) else None
            yield from _of_list(value, here, keys if isinstance(keys, list) else [])


def _of_list(entries: tuple[object, ...], path: str, keys: list[Any]) -> Iterator[str]:
    seen = set()
    for number, entry in enumerate(entries):
        if not isinstance(entry, BaseModel):
            continue
        known = tuple(str(getattr(entry, to_snake(key))) for key in keys)
        if keys and known in seen:
            yield f"{path}.{number}.{keys[0]}: {known[0]!r} is there already"
        seen.add(known)
        yield from _twice(entry, f"{path}.{number}.")
