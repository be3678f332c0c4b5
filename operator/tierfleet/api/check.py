"""What is wrong with an object of one of the kinds, as far as that can be told without a server.

Stricter than reading it: an unknown field and a number in quotes are mistakes here, as they are to
the API server. Not the CEL rules, which only the server evaluates. Pure.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tierfleet import plan
from tierfleet.api.common import Metadata, Resource

_READ = {field.alias or name for name, field in Metadata.model_fields.items()}
"""The part of ObjectMeta that matters; the rest is somebody else's."""


def wrong(kind: type[Resource], raw: Mapping[str, Any]) -> str | None:
    """The findings as one sentence, each with its path; None if there are none."""
    metadata = raw.get("metadata")
    if isinstance(metadata, Mapping):
        metadata = {key: value for key, value in metadata.items() if key in _READ}
    written = {key: value for key, value in raw.items() if key != "status"}
    try:
        kind.model_validate_json(
            json.dumps(written | {"metadata": metadata}), strict=True, extra="forbid"
        )
    except ValidationError as error:
        return plan.explain(error, kind)
    except (TypeError, ValueError):
        return "It holds a value that JSON does not have."
    return None
