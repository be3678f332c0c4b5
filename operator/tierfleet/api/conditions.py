"""Conditions: what an object's status says, and the pure functions that change it.

Conventions: metav1.Condition (KEP-1623) and kstatus, which Flux, `helm --wait` and Argo CD health
checks follow: `Reconciling` and `Stalled` are there only while they are true. The time is passed
in, and a transition time changes only when a status flips. This file must not know any kind.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import Field

from tierfleet.api.common import Model, Timestamp
from tierfleet.api.schema import keyed_by

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"

PENDING = "Pending"
"""Reason of a condition that nobody has judged yet."""

_MESSAGE_LIMIT = 32_768


class Status(StrEnum):
    """Whether a condition holds; Unknown while the operator cannot tell."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One aspect of the object's state, as metav1.Condition has it."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Which aspect, in CamelCase; a type is listed once."""
    status: Status
    """True, False, or Unknown while the operator cannot tell."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, as one word in CamelCase for programs."""
    message: Annotated[str, Field(max_length=_MESSAGE_LIMIT)] = ""
    """Why, as a sentence for people, with the next step where there is one."""
    last_transition_time: Timestamp
    """When the status last changed from one of True, False and Unknown to another."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The metadata.generation that this was judged for; an older one means it is out of date."""


Conditions = Annotated[
    tuple[Condition, ...], Field(max_length=16, json_schema_extra=keyed_by("type"))
]


class Judgement(NamedTuple):
    """What the operator finds about one aspect: a condition without generation and time."""

    status: Status
    reason: str
    message: str


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """The condition of that type, or None."""
    return next((condition for condition in conditions if condition.type == type_), None)


def judged(
    old: Iterable[Condition],
    judgements: Mapping[str, Judgement],
    *,
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """The conditions that say these judgements, in their order, and nothing else.

    A transition time is the old one unless the status flips, so equal judgements give equal
    conditions whenever they are made. A type that is not in `judgements` goes away: so do
    `Reconciling` and `Stalled` once they are over.
    """
    before = {condition.type: condition for condition in old}
    return tuple(
        Condition(
            type=type_,
            status=judgement.status,
            reason=judgement.reason,
            message=judgement.message[:_MESSAGE_LIMIT],
            last_transition_time=_since(before.get(type_), judgement.status, now),
            observed_generation=generation,
        )
        for type_, judgement in judgements.items()
    )


def _since(old: Condition | None, status: Status, now: datetime) -> datetime:
    return now if old is None or old.status is not status else old.last_transition_time


def summary(
    judgements: Mapping[str, Judgement], needed: Iterable[str], ready: Judgement
) -> Judgement:
    """The judgement for `Ready`.

    The first of `needed` that is False; else the first that is Unknown; else `ready`.

    Raises:
        KeyError: one of `needed` is not among the judgements.
    """
    wanted = [judgements[type_] for type_ in needed]
    for status in (Status.FALSE, Status.UNKNOWN):
        for judgement in wanted:
            if judgement.status is status:
                return judgement
    return ready


def reconciling(reason: str, message: str) -> dict[str, Judgement]:
    """To merge into judgements while the operator is still getting there (kstatus InProgress)."""
    return {RECONCILING: Judgement(Status.TRUE, reason, message)}


def stalled(reason: str, message: str) -> dict[str, Judgement]:
    """To merge into judgements while a person has to act first (kstatus Failed)."""
    return {STALLED: Judgement(Status.TRUE, reason, message)}
