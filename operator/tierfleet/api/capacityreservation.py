"""CapacityReservation: a contract on part of a pool's throughput.

Declares the kind as the API server and the operator read it. It must not know how promises are
judged or served.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from tierfleet.api.common import (
    API_VERSION,
    DnsLabel,
    Model,
    Percent,
    PercentOrZero,
    Ref,
    Resource,
    ServiceTokensPerSecond,
    TenantName,
    Timestamp,
    WrittenTime,
)
from tierfleet.api.conditions import PENDING, READY, Conditions
from tierfleet.api.schema import (
    AGE,
    IMMUTABLE,
    SET,
    Column,
    Definition,
    Rule,
    cel,
    condition_column,
    reason_column,
)
from tierfleet.plan import Reclaim, SpilloverAction


class ReservationCondition(StrEnum):
    """Conditions of a CapacityReservation."""

    ACCEPTED = "Accepted"
    ACTIVE = "Active"
    ENFORCED = "Enforced"
    DEGRADED = "Degraded"
    READY = READY


class ReservationReason(StrEnum):
    """Reasons of a CapacityReservation's conditions."""

    PENDING = PENDING
    READY = "Ready"
    # Accepted
    FITS = "Fits"
    INVALID = "Invalid"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    BURST_NOT_BACKED = "BurstNotBacked"
    POOL_NOT_FOUND = "PoolNotFound"
    POOL_NOT_ACCEPTED = "PoolNotAccepted"
    TENANT_NOT_FOUND = "TenantNotFound"
    CONFLICT = "Conflict"
    LEDGER_REQUIRED = "LedgerRequired"
    TIER_NOT_FOUND = "TierNotFound"
    TIER_TOO_HIGH = "TierTooHigh"
    PLAN_FULL = "PlanFull"
    # Active
    IN_TERM = "InTerm"
    NOT_STARTED = "NotStarted"
    EXPIRED = "Expired"
    # Enforced
    ENFORCED = "Enforced"
    SHADOW = "Shadow"
    ROLLING_OUT = "RollingOut"
    NO_REPORTS = "NoReports"
    PLAN_REFUSED = "PlanRefused"
    PLAN_OVERDUE = "PlanOverdue"
    NOT_ACCEPTED = "NotAccepted"
    # Degraded
    CAPACITY_SUFFICIENT = "CapacitySufficient"
    CAPACITY_LOST = "CapacityLost"
    REPLICAS_NOT_READY = "ReplicasNotReady"


class PrepaidPeriod(StrEnum):
    """How often a prepaid balance is filled again."""

    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


class Prepaid(Model):
    """A balance of service tokens per period."""

    service_tokens: Annotated[int, Field(ge=1, le=10**15)]
    """Balance at the start of each period, in service tokens; what is left does not carry over. At
    zero the guarantee is zero until the next period. The sidecar counts it, so the pool must have a
    single replica, and a pod that is replaced begins with a full balance."""
    period: PrepaidPeriod
    """Hour, Day, Week (from Monday) or Month, in UTC."""
    service_tokens_per_second: ServiceTokensPerSecond
    """Rate at which the balance may be drawn with a guarantee, in service tokens per second over
    the whole pool."""


class Guarantee(Model):
    """What is guaranteed: exactly one of the three."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "[has(self.percent), has(self.serviceTokensPerSecond), has(self.prepaid)]"
                ".filter(given, given).size() == 1",
                "must be exactly one of percent, serviceTokensPerSecond and prepaid",
            ),
        )
    )

    percent: Percent | None = None
    """Percent of the pool's throughput over all desired replicas, 1 to 100. It grows and shrinks
    with the pool."""
    service_tokens_per_second: ServiceTokensPerSecond | None = None
    """Rate in service tokens per second over the whole pool, whatever its size."""
    prepaid: Prepaid | None = None
    """A balance of service tokens per period, and the rate at which it may be drawn."""


class Burst(Model):
    """How far the tenants may run ahead of their rate."""

    window_milliseconds: Annotated[int, Field(ge=1, le=60_000)] = 500
    """Unused guarantee of this many milliseconds is kept and may be used at once; each of K
    replicas keeps 1/√K of it."""


class Term(Model):
    """When the contract holds."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "!has(self.start) || !has(self.end) || self.start < self.end",
                "must be after start",
                ".end",
            ),
        )
    )

    start: WrittenTime | None = None
    """First moment, RFC 3339 with a zone, such as 2026-12-01T00:00:00Z. Left out: at once."""
    end: WrittenTime | None = None
    """First moment after the contract. Left out: until the reservation is deleted."""


class Spillover(Model):
    """What happens to requests beyond the guarantee."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "!has(self.tier) || self.action == 'Shared'",
                "must be left out unless action is Shared",
                ".tier",
            ),
        )
    )

    action: SpilloverAction = SpilloverAction.SHARED
    """Shared: they compete in the shared partition. Queue: they wait for the guarantee, and compete
    at the lowest weight. Reject: they get 429 at once."""
    tier: DnsLabel | None = None
    """Tier in which they compete, with action Shared: one of the policy's, of no higher priority
    than the tenant's own. Left out: the tenant's own."""


class Lending(Model):
    """How others may use what the tenants leave idle."""

    lendable_percent: PercentOrZero | None = None
    """Percent of the idle guarantee that serves other traffic. Left out: the pool's
    partitioning.lendablePercent."""
    reclaim: Reclaim = Reclaim.NEXT_SEAT
    """How lent capacity comes back: NextSeat waits for the next free seat; Abort ends running
    requests of tiers whose preemption allows it; where none does, it is NextSeat."""


class CapacityReservationSpec(Model):
    """What was agreed."""

    pool_ref: Annotated[Ref, Field(json_schema_extra=IMMUTABLE)]
    """InferencePool whose throughput is reserved. Cannot be changed: make a new reservation."""
    tenants: Annotated[
        tuple[TenantName, ...], Field(min_length=1, max_length=64, json_schema_extra=SET)
    ]
    """Tenants that share the one guarantee: values of the label tierfleet.dev/tenant. A tenant has
    at most one reservation in a pool at a time."""
    guarantee: Guarantee
    """What is guaranteed: exactly one of percent, serviceTokensPerSecond and prepaid."""
    burst: Burst = Burst()
    """How far the tenants may run ahead of their rate."""
    max_wait_milliseconds: Annotated[int, Field(ge=1, le=60_000)] = 100
    """Longest that a request within the guarantee waits for a seat."""
    term: Term = Term()
    """When the contract holds. Left out: from now until it is deleted."""
    spillover: Spillover = Spillover()
    """What happens to requests beyond the guarantee."""
    lending: Lending = Lending()
    """How others may use what the tenants leave idle."""


class CapacityReservationStatus(Model):
    """What the operator decided; a mirror of the plan."""

    observed_generation: int = 0
    """The metadata.generation that this status is about."""
    conditions: Conditions = ()
    """Accepted: the promise is made. Active: its term is running. Enforced: sidecars report that
    they run it, and the policy does not say Shadow. Degraded: the pool has lost capacity that it
    needs, or too few of its replicas are ready. Ready: the summary, True while it is Accepted."""
    guarantee: str | None = None
    """The guarantee in force as text, such as 30%; the one that is asked for while none is."""
    term_end: Timestamp | None = None
    """End of the term in force; of the one that is asked for while none is."""
    granted: int | None = None
    """What is guaranteed within its term, in service tokens per second over the whole pool."""
    requested: int | None = None
    """What was asked for, in service tokens per second."""
    short_by: int | None = None
    """What is missing to accept the request, or to grant what was accepted, in service tokens per
    second."""


class CapacityReservation(Resource):
    """A contract: tenants, a pool, and the part of its throughput that is guaranteed to them."""

    definition: ClassVar[Definition] = Definition(
        kind="CapacityReservation",
        plural="capacityreservations",
        short_name="capres",
        columns=(
            Column("Pool", ".spec.poolRef.name", "Pool whose throughput is reserved."),
            Column(
                "Guarantee",
                ".status.guarantee",
                "What is promised, or else asked for.",
            ),
            Column("Granted", ".status.granted", "Service tokens per second.", type="integer"),
            condition_column(ReservationCondition.ACCEPTED, "Whether the promise is made."),
            condition_column(ReservationCondition.ACTIVE, "Whether its term is running."),
            Column("Ends", ".status.termEnd", "End of the term that is promised."),
            reason_column("Reason", ReservationCondition.ACCEPTED, "Why accepted or not."),
            condition_column(ReservationCondition.ENFORCED, "Whether pods run it.", wide=True),
            condition_column(ReservationCondition.DEGRADED, "Whether less can be kept.", wide=True),
            AGE,
        ),
    )

    api_version: Literal["tierfleet.dev/v1alpha1"] = API_VERSION
    kind: Literal["CapacityReservation"] = "CapacityReservation"
    spec: CapacityReservationSpec
    """The contract, as wanted."""
    status: CapacityReservationStatus = CapacityReservationStatus()
    """What the operator decided; written by it alone."""
