"""The part of a plan that comes from CapacityReservations: as declared, as granted. Pure."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tierfleet.plan.base import Count, Name, Part, Percent, Positive, Time


class SpilloverAction(StrEnum):
    """What happens to a reserved tenant's requests beyond its guarantee."""

    SHARED = "Shared"
    QUEUE = "Queue"
    REJECT = "Reject"


class Reclaim(StrEnum):
    """How lent seats come back: at the next free seat, or by aborting preemptible work."""

    NEXT_SEAT = "NextSeat"
    ABORT = "Abort"


class Prepaid(Part):
    """A balance per period and the rate at which it may be drawn, in service tokens."""

    service_tokens: Positive
    period: Literal["Hour", "Day", "Week", "Month"]
    service_tokens_per_second: Positive


class Guarantee(Part):
    """What a reservation asked for: exactly one of a percent of the fleet, a rate, a balance."""

    percent: Annotated[int, Field(ge=1, le=100)] | None = None
    service_tokens_per_second: Positive | None = None
    prepaid: Prepaid | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (
            sum(v is not None for v in (self.percent, self.service_tokens_per_second, self.prepaid))
            != 1
        ):
            raise ValueError("must set exactly one of percent, serviceTokensPerSecond, prepaid")
        return self


class Term(Part):
    """When a reservation holds: from `start` (inclusive) until `end` (exclusive); None is open."""

    start: Time | None = None
    end: Time | None = None

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.start and self.end and self.end <= self.start:
            raise ValueError("end must be after start")
        return self

    def holds_at(self, when: datetime) -> bool:
        """True if the term has started and not ended at `when` (a time with a zone)."""
        return (self.start is None or self.start <= when) and (self.end is None or when < self.end)


class Spillover(Part):
    """Where requests beyond the guarantee go; `tier` names another tier than the tenant's own."""

    action: SpilloverAction = SpilloverAction.SHARED
    tier: Name | None = None


class Lending(Part):
    """How much of idle reserved capacity others may use, and how it comes back."""

    lendable_percent: Percent | None = None
    reclaim: Reclaim = Reclaim.NEXT_SEAT


class Reservation(Part):
    """A contract as it was declared, and as the operator granted it.

    Attributes:
        uid: identifies the contract across edits; its record of acceptance goes with it.
        rank: order of acceptance, 0 first; what must shrink shrinks from the highest rank.
        accepted_at: when it was first accepted.
        declared: what was asked for.
        granted: guaranteed fleet-wide rate in service tokens per second while the term holds.
    """

    uid: Name
    name: Name
    tenants: Annotated[tuple[Name, ...], Field(min_length=1)]
    declared: Guarantee
    granted: Count
    rank: Count = 0
    accepted_at: Time | None = None
    burst_window_milliseconds: Count = 500
    max_wait_milliseconds: Positive = 100
    spillover: Spillover = Spillover()
    lending: Lending = Lending()
    term: Term = Term()
