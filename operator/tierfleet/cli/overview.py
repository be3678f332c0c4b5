"""A whole preview as tables and sentences for people; there is no key in them, not even a hash."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

from tierfleet import plan as plans
from tierfleet.api import Key
from tierfleet.api.capacityreservation import CapacityReservationStatus
from tierfleet.api.conditions import Status, find
from tierfleet.cli import tables
from tierfleet.planning.preview import Preview

_TOKENS = ("adminTokenSha256", "hookTokenSha256")


def overview(found: Preview, notes: list[str]) -> Group:
    """Where every pool is placed, what every reservation is granted, and what is amiss."""
    parts: list[Any] = [*map(Text, notes), *[""] * bool(notes)]
    parts.append(
        tables.table(
            ("POOL", "PLACEMENT", "CAPACITY", "SELLABLE", "PROMISED", "PLAN"),
            (
                (
                    _name(key),
                    plan.placement.summary,
                    plan.capacity.total,
                    plan.capacity.sellable,
                    plan.promised,
                    "made" if plan.plan else "none, held",
                )
                for key, plan in found.plans.items()
            ),
        )
    )
    if found.reservations:
        parts += ["", tables.table(_RESERVATIONS, _reservations(found))]
    wrong = list(amiss(found))
    if wrong:
        parts += ["", *map(Text, wrong)]
    return Group(*parts)


_RESERVATIONS = ("RESERVATION", "POOL", "GUARANTEE", "ACCEPTED", "GRANTED", "SHORT BY", "MESSAGE")


def _reservations(found: Preview) -> Iterator[tuple[object, ...]]:
    for key, status in found.reservations.items():
        accepted = find(status.conditions, "Accepted")
        yield (
            _name(key),
            found.snapshot.reservations[key].spec.pool_ref.name,
            status.guarantee,
            accepted and accepted.status,
            status.granted,
            status.short_by,
            message(status),
        )


def message(status: CapacityReservationStatus) -> str:
    """What there is to say of a reservation: why it is refused, or granted less, or what it has."""
    accepted, degraded = (find(status.conditions, type_) for type_ in ("Accepted", "Degraded"))
    lost = accepted and degraded and accepted.status is degraded.status is Status.TRUE
    told = degraded if lost else accepted
    return told.message if told else ""


def amiss(found: Preview) -> Iterator[str]:
    """What keeps pools and policies from being as they are written, in their own words."""
    yield from _unmet("InferencePool", found.pools, "Accepted", "Placed", "CapacityKnown")
    yield from _unmet("TierPolicy", found.policies, "Accepted")


def refused(found: Preview) -> Iterator[str]:
    """The reservations that are not accepted as they are written, or granted less, and why."""
    yield from _unmet("CapacityReservation", found.reservations, "Accepted")
    yield from _unmet("CapacityReservation", found.reservations, "Degraded", wanted=Status.FALSE)


def _unmet(
    kind: str, statuses: Mapping[Key, Any], *types: str, wanted: Status = Status.TRUE
) -> Iterator[str]:
    for key, status in statuses.items():
        for condition in status.conditions:
            if condition.type in types and condition.status is not wanted:
                yield (
                    f"{kind} {_name(key)}: {condition.type} is {condition.status} "
                    f"({condition.reason}). {condition.message}"
                )


def _name(key: Key) -> str:
    return "/".join(key)


def document(plan: plans.Plan) -> dict[str, Any]:
    """Without the tokens, which nobody has yet, and the version, which is a hash of them too."""
    left_out = {"version", *_TOKENS}
    return {key: value for key, value in plans.render(plan).items() if key not in left_out}
