"""What the API accepts but this version does not do yet: one table, a row per field.

Nothing that a person writes is silently ignored. A field whose behaviour is missing stays in the
schema, so that manifests need not change later, and turns `Accepted` False with the path and the
next step. Building a behaviour means deleting its row. Pure: it must not know how a row is shown.
"""

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from pydantic.alias_generators import to_snake

from tierfleet.api.common import Resource

NOT_IMPLEMENTED = "NotImplemented"
ROUTING_REQUIRED = "RoutingRequired"

Values = Callable[[Any], bool]


class Row(NamedTuple):
    """A field that takes values which this version cannot do.

    Attributes:
        kind: whose spec it is in.
        path: where it stands, such as `spec.scaling.mode`.
        unbuilt: whether a value of it is one of those.
        message: what is missing and what to write instead, as a sentence without the path.
        reason: for the condition `Accepted`.
    """

    kind: str
    path: str
    unbuilt: Values
    message: str
    reason: str = NOT_IMPLEMENTED


def _any_of(*values: Any) -> Values:
    return lambda value: value in values


def _given(value: Any) -> bool:
    return value is not None


TABLE: tuple[Row, ...] = (
    Row(
        "TierPolicy",
        "spec.identification.gateway",
        _given,
        "Tenants named by a gateway are not available yet; leave it out and use API keys.",
    ),
    Row(
        "InferencePool",
        "spec.engine.type",
        _any_of("TensorRTLLM", "SGLang"),
        "TensorRTLLM and SGLang are not available yet; use VLLM, or Custom with all arguments in "
        "engine.args.",
    ),
    Row(
        "InferencePool",
        "spec.partitioning.mode",
        _any_of("Dedicated"),
        "Whole replicas for reserved tenants need sidecars that hand requests on to each other, "
        "which they cannot yet; use Sliced.",
        ROUTING_REQUIRED,
    ),
)


def not_implemented(obj: Resource) -> tuple[Row, ...]:
    """The rows of all values in the object that this version cannot do.

    Empty for an object that can be done as it is written.
    """
    return tuple(
        row
        for row in TABLE
        if row.kind == obj.definition.kind and row.unbuilt(_value(row.path)(obj))
    )


@cache
def _value(path: str) -> Callable[[Resource], Any]:
    """What stands at a path; cached, because every plan asks for every row."""
    return attrgetter(".".join(to_snake(step) for step in path.split(".")))
