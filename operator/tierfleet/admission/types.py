"""What the admission core is told and what it answers. Pure data.

Times are integers in nanoseconds of one monotonic clock; a request id is an integer that the
caller of the core never uses twice. These are msgspec structs because several are made for every
request: a frozen dataclass takes many times as long to make.
"""

from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """How a dispatched request ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    """The engine answered with an error or went away; what it produced is charged."""
    UNSENT = "unsent"
    """The engine never got it, so it costs nothing and its limits are given back."""
    ABORTED = "aborted"
    """The core aborted it (`Abort`), and the engine has let go of its seats."""


class Partition(StrEnum):
    """Which part of the capacity serves a request."""

    RESERVED = "reserved"
    SHARED = "shared"


class ShedReason(StrEnum):
    """Why a request gets no seat. The first group is the caller's doing, the second ours."""

    UNKNOWN_TENANT = "unknown-tenant"
    NO_ACCESS = "no-access"
    TOO_MANY_SEATS = "too-many-seats"
    REQUEST_LIMIT = "request-limit"
    TOKEN_LIMIT = "token-limit"  # noqa: S105 - tokens of text
    OVER_GUARANTEE = "over-guarantee"
    QUEUE_FULL = "queue-full"
    EXPIRED = "expired"
    INFEASIBLE = "infeasible"
    ENGINE_STALLED = "engine-stalled"


class WaitReason(StrEnum):
    """What a queued request waits for; of several, the first in this order."""

    ENGINE_STALLED = "engine-stalled"
    """The engine shows no sign of work."""
    CONCURRENCY_LIMIT = "concurrency-limit"
    """Its tenant has as many running as its tier allows."""
    LONG_CONTEXTS = "long-contexts"
    """Its tier has as many long contexts running as it may."""
    NO_SEAT = "no-seat"
    """All seats are taken."""
    KV_CACHE = "kv-cache"
    """There are seats, but its context does not fit into what it may use of the cache."""
    HELD_BACK = "held-back"
    """The seats that are free are kept for what is reserved."""
    OTHERS_FIRST = "others-first"
    """It would fit; others go before it."""


class EngineLimits(Struct, frozen=True, gc=False):
    """What the engine behind this core can hold.

    Attributes:
        group: the plan's group that this replica belongs to; it gives the share of every rate.
        seats: sequences that the engine runs at once (vLLM's `max_num_seqs`).
        kv_tokens: tokens of context that its KV cache holds; None while unknown.
    """

    group: str
    seats: int
    kv_tokens: int | None = None


class Arrival(Struct, frozen=True, gc=False):
    """A request that has been read and identified.

    Attributes:
        id: never used before.
        tenant: a name from the plan; None for an anonymous caller.
        prompt_tokens: estimated from the size of the prompt; `Progress` corrects it.
        max_tokens: the caller's cap on the output of one sequence; None if unset.
        sequences: seats it takes in the engine: choices times prompts.
        tier: the tier asked for by name, of the tenant's own priority or a lower one; None, or a
            name that is not so, for the tenant's own.
        deadline: latest time at which a first byte is of use; None for the tier's queue bound.
    """

    id: int
    tenant: str | None
    prompt_tokens: int
    max_tokens: int | None = None
    sequences: int = 1
    tier: str | None = None
    deadline: int | None = None


class Progress(Struct, frozen=True, gc=False):
    """Tokens of one request since it was last reported, over all its sequences.

    Comes in batches (every 200 ms), not per chunk. Deltas may be negative when the engine's own
    `usage` corrects an estimate.
    """

    id: int
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


class EngineReading(Struct, frozen=True, gc=False):
    """The engine's own view, from its metrics: seconds late, so it steers nothing by itself.

    The KV gauge scales the core's own count, and the tokens tell whether the engine gets on; what
    runs and waits there is for who looks on: the core counts its seats itself.

    Attributes:
        running: sequences in seats.
        waiting: sequences that the engine itself queues.
        kv_used_permille: KV cache in use, 0 to 1000.
        tokens: prompt and output tokens that it has computed since it started; None if it does
            not tell. Only that it moves is used: an engine whose count stands still has stalled.
    """

    running: int
    waiting: int
    kv_used_permille: int
    tokens: int | None = None


class Dispatch(Struct, frozen=True, gc=False):
    """Send the request to the engine now.

    Attributes:
        id: of the request.
        tenant: as it arrived.
        tier: the tier that is really charged.
        partition: which part of the capacity serves it.
        reservation: name of the reservation that it is charged to; None if to none.
        waited: nanoseconds since its arrival.
        priority: of the tier; higher is sooner (vLLM wants the opposite sign).
        conforming: the label at arrival: within what its reservation was owed then, in a wait that
            was promised. False for a tenant without one.
        borrowed: sooner than its reservation owed it, because nothing else wanted the seat.
        instead_of: in Shadow, the request that Enforce would have sent; None: this one or none.
        held: in Shadow, Enforce would have sent none: seats are held back, or a bound is reached.
        refused: in Shadow, why Enforce would have turned it away; None: it would not.
    """

    id: int
    tenant: str | None
    tier: str
    partition: Partition
    reservation: str | None
    waited: int
    priority: int
    conforming: bool = False
    borrowed: bool = False
    instead_of: int | None = None
    held: bool = False
    refused: ShedReason | None = None


class Abort(Struct, frozen=True, gc=False):
    """Take the request out of the engine: its seat is needed for what was promised.

    With `requeued` it waits again at its old place and will be dispatched once more; otherwise the
    caller has already seen a part of the answer, which ends here. Report `finish` with
    `Outcome.ABORTED` when the engine has let go.
    """

    id: int
    requeued: bool


class Shed(Struct, frozen=True, gc=False):
    """Answer the request with an error.

    Attributes:
        id: of the request.
        reason: decides the status: the caller's own limit is a 429, our lack of capacity a 503.
        retry_after: nanoseconds after which a try is likely to be served; None: do not retry.
        message: a sentence for the caller, with the limit that was met.
        waited: nanoseconds since its arrival.
        conforming: the label at arrival, of what has been queued: its reservation owed it a seat.
            False for what was refused at arrival, by a limit of the caller's own.
    """

    id: int
    reason: ShedReason
    retry_after: int | None
    message: str
    waited: int = 0
    conforming: bool = False


class Settled(Struct, frozen=True, gc=False):
    """What a request that had a seat has cost in the end, all in micro service tokens.

    Attributes:
        id: of the request.
        cost: charged to its tenant's share or reservation; decides who is next.
        billed: for the receipt: what the caller got. Less than `cost` where an estimate stands in
            for output that nobody counted; nothing for work that was thrown away for others.
        conforming: the label at arrival.
        conforms_settled: it conformed, and its true cost was within what its reservation had to
            spare then.
    """

    id: int
    cost: int
    billed: int
    conforming: bool
    conforms_settled: bool


class WakeAt(Struct, frozen=True, gc=False):
    """Call `tick` at this time, if nothing else happens before; a later `WakeAt` replaces it."""

    at: int


Decision = Dispatch | Abort | Shed | Settled | WakeAt


class Allowance(Struct, frozen=True, gc=False):
    """One limit of one tenant on this replica, as `x-ratelimit-*` headers tell it.

    Attributes:
        limit: this replica's part of the limit, in whole requests or tokens a minute.
        remaining: never more than may really still be sent.
        reset: nanoseconds until `remaining` equals `limit` again if nothing is sent.
    """

    limit: int
    remaining: int
    reset: int


class Headroom(Struct, frozen=True, gc=False):
    """What a tenant may still send; None where its tier has no such limit."""

    requests: Allowance | None
    tokens: Allowance | None


class TierLoad(Struct, frozen=True, gc=False):
    """Requests of one tier in the core right now."""

    tier: str
    queued: int
    in_flight: int
