"""The plan: the one contract between the operator (slow loop) and the sidecars (fast loops).

A plan says everything that a sidecar must know to decide about a request: the tiers, who may call
with which key, what was promised to whom, and how many replicas of which rate share those promises.
It is written by the operator, or by hand for a standalone sidecar, and described for people in
`docs/plan-v1.md`; `docs/plan-v1.schema.json` is generated from these models.

    document.py      the whole, its version and its consistency; parse and render
    findings.py      what is wrong with it, as a sentence
    policy.py        what comes from the TierPolicy
    fleet.py         what comes from the InferencePool
    reservations.py  what comes from CapacityReservations
    warnings.py      what its writer can hardly have meant
    parts.py         how it travels through Secrets: split and join

Pure: nothing here knows about files, Kubernetes, HTTP or the time of day.
"""

from tierfleet.plan.base import MICRO, Part, micro, sha256_hex
from tierfleet.plan.document import (
    SCHEMA_VERSION,
    Plan,
    PlanError,
    json_schema,
    parse,
    render,
)
from tierfleet.plan.findings import CHOICE, explain
from tierfleet.plan.fleet import (
    EngineType,
    Group,
    MeanCost,
    Model,
    PartitionName,
    PoolIdentity,
    burst_window,
    most_held_back,
    share,
)
from tierfleet.plan.parts import MixedPartsError, join, split
from tierfleet.plan.policy import (
    Anonymous,
    AnonymousAction,
    Burndown,
    Enforcement,
    Gateway,
    Identification,
    Limits,
    LongContextRates,
    Objectives,
    Preemption,
    Price,
    Queue,
    Tenant,
    Tier,
    TierLongContext,
)
from tierfleet.plan.reservations import (
    Guarantee,
    Lending,
    Prepaid,
    Reclaim,
    Reservation,
    Spillover,
    SpilloverAction,
    Term,
)
from tierfleet.plan.warnings import warnings

__all__ = [
    "CHOICE",
    "MICRO",
    "SCHEMA_VERSION",
    "Anonymous",
    "AnonymousAction",
    "Burndown",
    "Enforcement",
    "EngineType",
    "Gateway",
    "Group",
    "Guarantee",
    "Identification",
    "Lending",
    "Limits",
    "LongContextRates",
    "MeanCost",
    "MixedPartsError",
    "Model",
    "Objectives",
    "Part",
    "PartitionName",
    "Plan",
    "PlanError",
    "PoolIdentity",
    "Preemption",
    "Prepaid",
    "Price",
    "Queue",
    "Reclaim",
    "Reservation",
    "Spillover",
    "SpilloverAction",
    "Tenant",
    "Term",
    "Tier",
    "TierLongContext",
    "burst_window",
    "explain",
    "join",
    "json_schema",
    "micro",
    "most_held_back",
    "parse",
    "render",
    "sha256_hex",
    "share",
    "split",
    "warnings",
]
