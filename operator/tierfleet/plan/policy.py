"""The part of a plan that comes from the TierPolicy: tiers, rates, how callers are known. Pure."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from tierfleet.plan.base import Count, Name, Part, Percent, Positive, Sha256, Weight


class Enforcement(StrEnum):
    """Whether decisions act (`Enforce`) or are only reported (`Shadow`)."""

    ENFORCE = "Enforce"
    SHADOW = "Shadow"


class Preemption(StrEnum):
    """When running work of a tier may be aborted for work that was promised a seat."""

    NEVER = "Never"
    BEFORE_FIRST_BYTE = "BeforeFirstByte"
    ANYTIME = "Anytime"


class AnonymousAction(StrEnum):
    """What a caller without a known key gets: a 401, or a tier."""

    REJECT = "Reject"
    TIER = "Tier"


class LongContextRates(Part):
    """Rates for every token of a request whose prompt is longer than `above_tokens`."""

    above_tokens: Positive
    input: Weight
    output: Weight


class Burndown(Part):
    """Service tokens per token, as decimal strings; `version` names the rates in every receipt."""

    version: Name = "default"
    input: Weight = "1"
    cached_input: Weight = "0.1"
    output: Weight = "4"
    kv_residency: Weight = "0"
    long_context: LongContextRates | None = None


class Limits(Part):
    """Limits of each tenant, fleet-wide; None is unlimited. Tokens are prompt plus completion."""

    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    max_concurrent_requests: Positive | None = None


class Queue(Part):
    """Bounds of a tier's queue, fleet-wide, and the longest that a request waits in it."""

    max_requests: Count = 1000
    max_wait_milliseconds: Positive = 30_000


class Objectives(Part):
    """Latency promised to a tier, milliseconds at the 99th percentile: measured, not enforced."""

    queue_p99_milliseconds: Positive | None = None
    ttft_p99_milliseconds: Positive | None = None


class TierLongContext(Part):
    """How many requests with prompts longer than `above_tokens` a tier may have running."""

    above_tokens: Positive
    max_concurrent_requests: Positive


class Price(Part):
    """List price per million tokens, a decimal string; carried for receipts only."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    input_per_million: Weight
    output_per_million: Weight


class Tier(Part):
    """One tier. A higher `priority` is sooner, strictly, apart from floors (`minimum_percent`)."""

    name: Name
    priority: Annotated[int, Field(ge=-(2**31), lt=2**31)]
    weight: Annotated[int, Field(ge=1, le=10_000)] = 1
    minimum_percent: Percent = 0
    objectives: Objectives = Objectives()
    limits: Limits = Limits()
    queue: Queue = Queue()
    preemption: Preemption = Preemption.NEVER
    long_context: TierLongContext | None = None
    price: Price | None = None


class Anonymous(Part):
    """What a caller without a known key gets; `tier` is set exactly when the action is `Tier`."""

    action: AnonymousAction = AnonymousAction.REJECT
    tier: Name | None = None

    @model_validator(mode="after")
    def _tier_goes_with_action(self) -> Self:
        if (self.action is AnonymousAction.TIER) != (self.tier is not None):
            raise ValueError("tier must be set exactly when action is Tier")
        return self


class Gateway(Part):
    """A gateway that may name the tenant: its headers count only beside the shared secret."""

    secret_sha256: Sha256
    secret_header: Name
    tenant_header: Name


class Identification(Part):
    """How a caller becomes a tenant."""

    anonymous: Anonymous = Anonymous()
    gateway: Gateway | None = None


def _sorted(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Keys are a set: their order must not change the version."""
    return tuple(sorted(keys))


class Tenant(Part):
    """A caller that is billed as one: its tier, its weight among equals, its keys as SHA-256.

    `weight` is None for that of its tier.

    `access` is False for tenants of the policy that may not use this pool: they get a 403, which
    says more than the 401 of an unknown key.
    """

    name: Name
    tier: Name
    weight: Annotated[int, Field(ge=1, le=10_000)] | None = None
    access: bool = True
    keys: Annotated[tuple[Sha256, ...], AfterValidator(_sorted)] = ()
