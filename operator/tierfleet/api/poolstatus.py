"""The status of an InferencePool: conditions, reasons, and what the operator found.

It holds no ages and no times that change by themselves: equal facts give an equal status. It must
not know how the facts are found.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tierfleet.api.common import Model, Timestamp
from tierfleet.api.conditions import PENDING, READY, Conditions
from tierfleet.api.schema import keyed_by


class PoolCondition(StrEnum):
    """Conditions of an InferencePool."""

    ACCEPTED = "Accepted"
    PLACED = "Placed"
    SCALED = "Scaled"
    CAPACITY_KNOWN = "CapacityKnown"
    ENFORCED = "Enforced"
    READY = READY


class PoolReason(StrEnum):
    """Reasons of an InferencePool's conditions."""

    PENDING = PENDING
    # Ready, whatever else holds: a child cannot be as planned
    NAME_TAKEN = "NameTaken"
    CHILD_REFUSED = "ChildRefused"
    GATEWAY_API_MISSING = "GatewayApiMissing"
    # Accepted
    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    NOT_IMPLEMENTED = "NotImplemented"
    ROUTING_REQUIRED = "RoutingRequired"
    POLICY_NOT_FOUND = "PolicyNotFound"
    POLICY_NOT_ACCEPTED = "PolicyNotAccepted"
    # Placed
    PLACED = "Placed"
    SCALED_TO_ZERO = "ScaledToZero"
    NO_SUCH_ACCELERATOR = "NoSuchAccelerator"
    INSUFFICIENT_DEVICES = "InsufficientDevices"
    LEADER_WORKER_SET_MISSING = "LeaderWorkerSetMissing"
    MAX_REPLICAS = "MaxReplicas"
    UNSCHEDULABLE = "Unschedulable"
    # Scaled
    AT_TARGET = "AtTarget"
    MIN_REPLICAS = "MinReplicas"
    PROMISED = "Promised"
    NO_METRICS = "NoMetrics"
    # CapacityKnown
    DECLARED = "Declared"
    MEASURED = "Measured"
    NOT_DECLARED = "NotDeclared"
    NOT_SCRAPED = "NotScraped"
    PROMETHEUS_UNAVAILABLE = "PrometheusUnavailable"
    PROMETHEUS_INVALID = "PrometheusInvalid"
    # Enforced
    ENFORCED = "Enforced"
    SHADOW = "Shadow"
    NO_REPORTS = "NoReports"
    PER_REPLICA_SHARES = "PerReplicaShares"
    PLAN_REFUSED = "PlanRefused"
    PLAN_OVERDUE = "PlanOverdue"
    ROLLING_OUT = "RollingOut"
    # Ready
    READY = "Ready"
    STARTING = "Starting"
    REPLICAS_NOT_READY = "ReplicasNotReady"
    CANNOT_START = "CannotStart"
    DEVICES_HELD = "DevicesHeld"


class CapacitySource(StrEnum):
    """Where the capacity comes from."""

    DECLARED = "Declared"
    MEASURED = "Measured"


class Endpoint(Model):
    """Where callers reach the pool."""

    partition: str
    """Partition that answers: Sliced, or with partitioning.mode Dedicated, Reserved or Shared."""
    url: str
    """Base URL of OpenAI's API inside the cluster, without /v1."""


class AcceleratorCapacity(Model):
    """Throughput of one replica on an accelerator."""

    source: CapacitySource
    """Declared, or Measured once it is."""
    since: Timestamp | None = None
    """When it was measured."""
    service_tokens_per_second: int
    """Service tokens per second of one replica."""


class AcceleratorStatus(Model):
    """Replicas on one accelerator."""

    name: str
    """Name of the accelerator in the spec."""
    desired: int = 0
    """Replicas that are planned here."""
    ready: int = 0
    """Replicas that are ready here."""
    capacity: AcceleratorCapacity | None = None
    """What one replica does here; left out while it is neither declared nor measured."""
    message: str | None = None
    """Why there are not more, as a sentence."""


class MeanCostSource(StrEnum):
    """Where the mean cost of a request comes from."""

    ASSUMED = "Assumed"
    MEASURED = "Measured"


class MeanCostStatus(Model):
    """Mean cost of a request."""

    source: MeanCostSource
    """Assumed (1,000 prompt and 250 generated tokens), or Measured once it is."""
    since: Timestamp | None = None
    """When it was measured."""
    service_tokens: int
    """Service tokens of one request."""


class CapacityStatus(Model):
    """Throughput of the pool in service tokens per second, over all desired replicas."""

    source: CapacitySource
    """Declared, or Measured once it is on every accelerator in use."""
    since: Timestamp | None = None
    """When the newest of its rates was measured."""
    total: int = 0
    """All desired replicas. Percent guarantees and floors are percents of it."""
    survivable: int = 0
    """What is left without the spareReplicas largest ones."""
    sellable: int = 0
    """sellablePercent of that: the most that may be promised."""
    promised: int = 0
    """Granted to reservations whose term runs, and to floors."""
    shared: int = 0
    """What is not promised."""
    mean_cost: MeanCostStatus | None = None
    """What a request costs at the mean; bursts are judged by it."""


class PartitionStatus(Model):
    """One part of the pool's throughput."""

    name: str
    """Reserved or Shared."""
    service_tokens_per_second: int = 0
    """Its size in service tokens per second."""
    replicas: int | None = None
    """Its replicas, with partitioning.mode Dedicated."""


class PlanStatus(Model):
    """The plan that the sidecars are given."""

    version: str
    """Version of the current plan: a hash of its content."""
    enforced_replicas: int = 0
    """Ready replicas that report this version."""


class InferencePoolStatus(Model):
    """What the operator found."""

    observed_generation: int = 0
    """The metadata.generation that this status is about."""
    conditions: Conditions = ()
    """Accepted: the operator does what the spec says. Placed: every replica has devices.
    Scaled, with scaling.mode Automatic only: the pool has as many replicas as load and promises ask
    for.
    CapacityKnown: the capacity of every accelerator in use is declared or measured. Enforced: every
    ready pod reports the current plan, or has had it for less than two minutes, and the policy does
    not say Shadow. Ready: the summary,
    without Enforced."""
    replicas: int = 0
    """Replicas that exist, for the scale subresource."""
    ready_replicas: int = 0
    """Replicas that are ready."""
    selector: str = ""
    """Label selector of the pool's pods, for the scale subresource."""
    ready_summary: str = ""
    """Ready of wanted replicas, such as 5/6."""
    placement_summary: str = ""
    """Planned replicas on each accelerator, such as b200:4 h100:2."""
    endpoints: Annotated[tuple[Endpoint, ...], Field(json_schema_extra=keyed_by("partition"))] = ()
    """Where callers reach the pool."""
    accelerators: Annotated[
        tuple[AcceleratorStatus, ...], Field(json_schema_extra=keyed_by("name"))
    ] = ()
    """Replicas on each accelerator, in the order of the spec."""
    capacity: CapacityStatus | None = None
    """Throughput of the pool."""
    partitions: Annotated[
        tuple[PartitionStatus, ...], Field(json_schema_extra=keyed_by("name"))
    ] = ()
    """How the throughput is divided."""
    plan: PlanStatus | None = None
    """The plan that the sidecars are given, and how many run it."""
