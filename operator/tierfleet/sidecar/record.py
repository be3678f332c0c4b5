"""What is remembered of one request: its line in the access log and its part of the counters.

Pure data. There is no place in it for a key or for text of a prompt or an answer.
"""

from enum import StrEnum

import msgspec


class RequestOutcome(StrEnum):
    """How a request ended."""

    # As a plain string: an enumeration's own hash is a call, and each request is counted by it.
    __hash__ = str.__hash__

    SERVED = "served"
    REFUSED = "refused"
    """By us, before the engine saw it; `reason` says why."""
    ENGINE_ERROR = "engine-error"
    """The engine answered with an error, which the caller got."""
    ENGINE_LOST = "engine-lost"
    """The engine could not be reached, or broke off."""
    CLIENT_GONE = "client-gone"
    STOPPED = "stopped"
    """By us, at the deadline of a drain."""
    EVICTED = "evicted"
    """Its seat was needed for what was promised, after a part of the answer had been sent."""


class Record(msgspec.Struct, kw_only=True):
    """One request. Times in milliseconds, tokens as the engine counts them or as estimated.

    Attributes:
        time: when it ended, UTC, RFC 3339.
        id: the `x-request-id`.
        status: of the answer; 499 when the client went before one.
        outcome: see `RequestOutcome`.
        reason: why it was refused, or what broke.
        conforming: its reservation's label at arrival; None if no seat was decided on.
        borrowed: it conformed, and was sent before its reservation owed it a seat.
        cost: what decided who was next, in service tokens at the scheduling rates.
        billed: what it costs the tenant, in service tokens at the billing rates.
        shadow_refused: with enforcement Shadow, why Enforce would have refused it.
        shadow_passed: with enforcement Shadow, Enforce would have sent another one then.
        shadow_held: with enforcement Shadow, Enforce would have sent none then.
        wait_ms: in our queue.
        ttft_ms: from the whole request to the first byte of the answer's body.
        plan: version of the plan that admitted it.
        burndown: version of the rates that it is charged by.
        trace_id: of the caller's `traceparent` (W3C Trace Context), which the engine gets too;
            with tracing of ours where there is none.
    """

    time: str = ""
    id: str
    method: str
    path: str
    status: int = 0
    outcome: RequestOutcome = RequestOutcome.SERVED
    reason: str = ""
    tenant: str | None = None
    tier: str = ""
    partition: str = ""
    reservation: str | None = None
    conforming: bool | None = None
    borrowed: bool = False
    cost: float = 0.0
    billed: float = 0.0
    shadow_refused: str = ""
    shadow_passed: bool = False
    shadow_held: bool = False
    stream: bool = False
    wait_ms: float | None = None
    ttft_ms: float | None = None
    duration_ms: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    plan: str = ""
    burndown: str = ""
    trace_id: str = ""
