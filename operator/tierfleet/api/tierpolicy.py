"""TierPolicy: the tiers, what they may use, and how a caller is identified.

Declares the kind as the API server and the operator read it. It must not know what the operator
does with it, nor how a CustomResourceDefinition is put together.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from tierfleet.api.common import (
    API_VERSION,
    DecimalString,
    DnsLabel,
    Milliseconds,
    Model,
    PercentOrZero,
    Ref,
    Resource,
    TenantName,
    TokenCount,
)
from tierfleet.api.conditions import PENDING, READY, Conditions
from tierfleet.api.schema import (
    AGE,
    Column,
    Definition,
    Rule,
    cel,
    condition_column,
    keyed_by,
    reason_column,
)
from tierfleet.plan import AnonymousAction, Enforcement, Preemption

MAX_ANCESTORS = 16

HeaderName = Annotated[
    str, Field(min_length=1, max_length=128, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
RequestCount = Annotated[int, Field(ge=1, le=10**9)]


class PolicyCondition(StrEnum):
    """Conditions of a TierPolicy."""

    ACCEPTED = "Accepted"
    READY = READY


class PolicyReason(StrEnum):
    """Reasons of a TierPolicy's conditions."""

    PENDING = PENDING
    ACCEPTED = "Accepted"
    READY = "Ready"
    INVALID = "Invalid"
    NOT_IMPLEMENTED = "NotImplemented"
    TENANT_CONFLICT = "TenantConflict"
    DUPLICATE_KEY = "DuplicateKey"
    UNKNOWN_TIER = "UnknownTier"
    INVALID_SECRET = "InvalidSecret"  # noqa: S105 - a reason, not a secret
    TOO_MANY_TENANTS = "TooManyTenants"


class LongContextRates(Model):
    """Rates of a request whose prompt is longer than a bound."""

    above_tokens: TokenCount
    """Prompts longer than this many tokens are charged at these rates, every token of them."""
    input: DecimalString
    """Service tokens per uncached prompt token, a decimal string such as "2"."""
    output: DecimalString
    """Service tokens per generated token, a decimal string such as "6"."""


class Burndown(Model):
    """Service tokens charged per token. All fleet rates are measured in service tokens."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "self == oldSelf || self.version != oldSelf.version",
                "must be a new version when a rate changes, because receipts name the version",
                ".version",
            ),
        )
    )

    version: TenantName = "1"
    """Name of this set of rates, shown in every response and receipt, such as 2026-11. Must change
    whenever a rate changes."""
    input: DecimalString = "1"
    """Service tokens per uncached prompt token: a decimal string with at most 6 decimals."""
    cached_input: DecimalString = "0.1"
    """Service tokens per prompt token that the engine found in its prefix cache."""
    output: DecimalString = "4"
    """Service tokens per generated token."""
    kv_residency: DecimalString = "0"
    """Service tokens per token of context held, per token generated: what a long context costs by
    occupying memory. "0" charges nothing for it."""
    long_context: LongContextRates | None = None
    """Other rates for requests with long prompts. Left out: the same rates for all."""


class GatewayIdentity(Model):
    """A gateway in front of the fleet that has identified the tenant already."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "self.secretHeader != self.tenantHeader",
                "must be another header than secretHeader",
                ".tenantHeader",
            ),
        )
    )

    secret_ref: Ref
    """Secret whose entries are the values that prove a request came through the gateway; two
    entries during a rotation."""
    secret_header: HeaderName = "x-tierfleet-gateway"  # noqa: S105 - the name of a header
    """Request header, in lower case, that must carry the value; without it the tenant header is
    ignored and removed."""
    tenant_header: HeaderName = "x-llm-d-inference-fairness-id"
    """Request header, in lower case, that names the tenant."""


class Anonymous(Model):
    """What happens to a caller without a known key."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "(self.action == 'Tier') == has(self.tier)",
                "must be given when action is Tier, and left out otherwise",
                ".tier",
            ),
        )
    )

    action: AnonymousAction = AnonymousAction.REJECT
    """Reject answers 401; Tier serves such callers, all as one tenant, in the tier named."""
    tier: DnsLabel | None = None
    """Name of one of the tiers; only with action Tier."""


class Identification(Model):
    """How a request becomes a tenant. API keys are Secrets with the label tierfleet.dev/policy."""

    gateway: GatewayIdentity | None = None
    """Trust a gateway to name the tenant. Left out: only API keys count, and such headers are
    removed."""
    anonymous: Anonymous = Anonymous()
    """What a caller without a known key gets."""


class Objectives(Model):
    """Latency aimed for in a tier, at the 99th percentile."""

    queue_p99_milliseconds: Annotated[Milliseconds | None, Field(alias="queueP99Milliseconds")] = (
        None
    )
    """Time from arrival until the engine gets the request."""
    ttft_p99_milliseconds: Annotated[Milliseconds | None, Field(alias="ttftP99Milliseconds")] = None
    """Time from arrival until the first token is sent."""


class Limits(Model):
    """Limits of each tenant over the whole fleet; beyond them it gets 429. Left out: unlimited."""

    requests_per_minute: RequestCount | None = None
    """Requests per minute, as a token bucket one minute deep."""
    tokens_per_minute: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """Prompt plus generated tokens per minute, raw as callers know them; estimated when a request
    arrives and corrected when it ends."""
    max_concurrent_requests: RequestCount | None = None
    """Requests running in the engines at the same time; more wait in the queue."""


class Queue(Model):
    """Bounds of a tier's queue over the whole fleet."""

    max_requests: Annotated[int, Field(ge=1, le=10**6)] = 1000
    """Requests that may wait, over all replicas. When full, a request that comes is refused with
    503 and an honest Retry-After; those that wait already stay."""
    max_wait_milliseconds: Milliseconds = 30_000
    """Longest that a request waits before it is answered with 503."""


class Price(Model):
    """List price, carried into receipts and reports; nothing is decided by it."""

    currency: Annotated[str, Field(max_length=3, pattern=r"^[A-Z]{3}$")] = "USD"
    """Currency code of ISO 4217."""
    input_per_million: DecimalString
    """Price of a million prompt tokens, a decimal string such as "1.50"."""
    output_per_million: DecimalString
    """Price of a million generated tokens, a decimal string such as "3.00"."""


class TierLongContext(Model):
    """Bounds how many long prompts run at once, because they can block everybody else."""

    above_tokens: TokenCount
    """Prompts longer than this many tokens count."""
    max_concurrent_requests: RequestCount
    """How many of them the tier may have running at the same time, over the whole fleet. What a
    reservation pays for does not count."""


class Tier(Model):
    """One tier of service."""

    name: DnsLabel
    """Name that tenants' Secrets carry in the label tierfleet.dev/tier."""
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
    """Higher is sooner, strictly: a lower tier gets what higher ones leave, apart from floors
    (minimumPercent)."""
    weight: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Share of one tenant among its equals: tenants of tiers with the same priority. The annotation
    tierfleet.dev/weight on a tenant's Secret overrides it."""
    minimum_percent: PercentOrZero = 0
    """Floor: percent of the rate in the plan that no higher tier can take. Served like a
    reservation of the whole tier, and idle parts are lent. All floors together are at most 100."""
    objectives: Objectives = Objectives()
    """Latency aimed for: no request is served sooner for it, but what misses it is no measured
    capacity, and waits beyond it make pools with scaling.mode Automatic larger."""
    limits: Limits = Limits()
    """Limits of each of its tenants."""
    queue: Queue = Queue()
    """Bounds of its queue."""
    preemption: Preemption = Preemption.NEVER
    """When its running requests may be aborted to make room for reserved ones: Never,
    BeforeFirstByte (they are queued again, the caller sees only a wait), or Anytime (a caller may
    lose a stream halfway)."""
    price: Price | None = None
    """List price, for receipts and reports."""
    long_context: TierLongContext | None = None
    """Bound on long prompts. Left out: they count like all others."""


class TierPolicySpec(Model):
    """What the tiers are."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "!has(self.identification.anonymous.tier) || "
                "self.tiers.exists(t, t.name == self.identification.anonymous.tier)",
                "must be the name of one of the tiers",
                ".identification.anonymous.tier",
            ),
            Rule(
                "self.tiers.map(t, t.minimumPercent).sum() <= 100",
                "must be at most 100 percent together: lower the minimumPercent of some tier",
                ".tiers",
            ),
        )
    )

    enforcement: Enforcement = Enforcement.ENFORCE
    """Enforce, or Shadow: first come, first served, and nothing refused that has a valid key. The
    sidecar's access log says what Enforce would have done."""
    burndown: Burndown = Burndown()
    """What each kind of token costs."""
    identification: Identification = Identification()
    """How a caller is identified."""
    tiers: Annotated[
        tuple[Tier, ...], Field(min_length=1, max_length=16, json_schema_extra=keyed_by("name"))
    ]
    """The tiers, at most 16, with unique names. Their order means nothing; priority decides."""


class TierTenants(Model):
    """Who is in a tier."""

    name: str
    """Name of the tier."""
    tenants: int = 0
    """Tenants in it."""
    keys: int = 0
    """Valid keys of these tenants."""


class Ancestor(Model):
    """An InferencePool that uses the policy."""

    name: str
    """Name of the InferencePool, in the same namespace."""
    conditions: Conditions = ()
    """Whether the policy was accepted there."""


class TierPolicyStatus(Model):
    """What the operator found."""

    observed_generation: int = 0
    """The metadata.generation that this status is about."""
    conditions: Conditions = ()
    """Accepted: the policy is in use as written. Ready: the summary."""
    tenant_count: int = 0
    """Tenants in all tiers."""
    key_count: int = 0
    """Valid keys in all tiers."""
    tiers: Annotated[tuple[TierTenants, ...], Field(json_schema_extra=keyed_by("name"))] = ()
    """Tenants and keys of each tier."""
    ancestor_count: int = 0
    """InferencePools that use the policy, also those not listed."""
    ancestors: Annotated[
        tuple[Ancestor, ...], Field(max_length=MAX_ANCESTORS, json_schema_extra=keyed_by("name"))
    ] = ()
    """The InferencePools that use the policy: the first 16 by name."""


class TierPolicy(Resource):
    """The tiers of a fleet: priorities, limits, queues, prices, and how callers are identified."""

    definition: ClassVar[Definition] = Definition(
        kind="TierPolicy",
        plural="tierpolicies",
        short_name="tpol",
        columns=(
            Column("Enforcement", ".spec.enforcement", "Enforce or Shadow."),
            Column("Tenants", ".status.tenantCount", "Tenants in all tiers.", type="integer"),
            Column("Pools", ".status.ancestorCount", "Pools that use it.", type="integer"),
            condition_column(PolicyCondition.ACCEPTED, "Whether it is in use as written."),
            Column("Burndown", ".spec.burndown.version", "Version of the rates.", wide=True),
            Column("Keys", ".status.keyCount", "Valid API keys.", type="integer", wide=True),
            reason_column("Reason", PolicyCondition.ACCEPTED, "Why it is accepted or not."),
            AGE,
        ),
    )

    api_version: Literal["tierfleet.dev/v1alpha1"] = API_VERSION
    kind: Literal["TierPolicy"] = "TierPolicy"
    spec: TierPolicySpec
    """The tiers, as wanted."""
    status: TierPolicyStatus = TierPolicyStatus()
    """What the operator found; written by it alone."""
