"""What the API accepts but this version does not do yet: one table, a row per field.

Nothing that a person writes is silently ignored. A field whose behaviour is missing stays in the
schema, so that manifests need not change later, and turns `Accepted` False with the path and the
next step. Building a behaviour means deleting its row. Pure: it must not know how a row is shown.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from pydantic.alias_generators import to_snake

from tierfleet.api.common import Resource

NOT_IMPLEMENTED = "NotImplemented"
ROUTING_REQUIRED = "RoutingRequired"

Values = Callable[[Any], bool]


class Unbuilt(NamedTuple):
    """A value in an object that this version cannot do.

    Attributes:
        path: where it stands, such as `spec.tiers[pro].weight`.
        reason: for the condition `Accepted`.
        message: what is missing and what to write instead, as a sentence without the path.
    """

    path: str
    reason: str
    message: str


class Row(NamedTuple):
    """A field that takes values which are not built; `[*]` in the path is every named entry."""

    kind: str
    path: str
    unbuilt: Values
    message: str
    reason: str = NOT_IMPLEMENTED


def _any_of(*values: Any) -> Values:
    return lambda value: value in values


def _other_than(value_built: Any) -> Values:
    return lambda value: value != value_built


def _given(value: Any) -> bool:
    return value is not None


TABLE: tuple[Row, ...] = (
    Row(
        "TierPolicy",
        "spec.enforcement",
        _any_of("Shadow"),
        "Shadow is not available yet; use Enforce.",
    ),
    Row(
        "TierPolicy",
        "spec.identification.gateway",
        _given,
        "Tenants named by a gateway are not available yet; leave it out and use API keys.",
    ),
    Row(
        "TierPolicy",
        "spec.tiers[*].minimumPercent",
        _other_than(0),
        "Floors are not available yet; leave it out or write 0.",
    ),
    Row(
        "TierPolicy",
        "spec.tiers[*].preemption",
        _other_than("Never"),
        "Running requests cannot be aborted for others yet; leave it out or write Never.",
    ),
    Row(
        "TierPolicy",
        "spec.tiers[*].longContext",
        _given,
        "Bounds on long prompts are not available yet; leave it out.",
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
        "spec.scaling.mode",
        _any_of("Automatic"),
        "The operator cannot scale by itself yet; use Manual, or External with an HPA.",
    ),
    Row(
        "InferencePool",
        "spec.partitioning.mode",
        _any_of("Dedicated"),
        "Whole replicas for reserved tenants need sidecars that hand requests on to each other, "
        "which they cannot yet; use Sliced.",
        ROUTING_REQUIRED,
    ),
    Row(
        "InferencePool",
        "spec.partitioning.lendablePercent",
        _other_than(100),
        "Idle reserved capacity is always lent in full for now; leave it out or write 100.",
    ),
    Row(
        "InferencePool",
        "spec.gateway.inferencePool",
        _any_of("Emit"),
        "The Gateway API object is not made yet; use Never.",
    ),
    Row(
        "CapacityReservation",
        "spec.guarantee.prepaid",
        _given,
        "Prepaid balances are not available yet; use percent or serviceTokensPerSecond.",
    ),
    Row(
        "CapacityReservation",
        "spec.spillover.action",
        _any_of("Queue"),
        "Queue is not available yet; use Shared or Reject.",
    ),
    Row(
        "CapacityReservation",
        "spec.spillover.tier",
        _given,
        "Spilling over into another tier is not available yet; leave it out.",
    ),
    Row(
        "CapacityReservation",
        "spec.lending.lendablePercent",
        lambda value: value not in {None, 100},
        "Idle reserved capacity is always lent in full for now; leave it out or write 100.",
    ),
    Row(
        "CapacityReservation",
        "spec.lending.reclaim",
        _any_of("Abort"),
        "Running requests cannot be aborted for others yet; use NextSeat.",
    ),
)


def not_implemented(obj: Resource) -> tuple[Unbuilt, ...]:
    """All values in the object that this version cannot do, in the order of the table.

    Empty for an object that can be done as it is written.
    """
    return tuple(
        Unbuilt(path, row.reason, row.message)
        for row in TABLE
        if row.kind == obj.definition.kind
        for path, value in _find(obj, row.path.split("."))
        if row.unbuilt(value)
    )


def _find(value: Any, steps: list[str], path: str = "") -> Iterator[tuple[str, Any]]:
    """Values at a path, each with its own path; none where an object on the way is left out."""
    if not steps:
        yield path, value
    elif value is not None:
        step, *rest = steps
        name = step.removesuffix("[*]")
        child = getattr(value, _attribute(name))
        path = f"{path}.{name}" if path else name
        if step == name:
            yield from _find(child, rest, path)
        else:
            for entry in child:
                yield from _find(entry, rest, f"{path}[{entry.name}]")


_attribute = cache(to_snake)
"""The attribute of a field; cached, because every plan asks for every row."""
