"""What the sidecar answers itself: errors in OpenAI's shape, with honest hints to retry. Pure.

Sources: OpenAI's error object and `x-ratelimit-*` fields; llm-d's `x-llm-d-request-dropped-reason`;
`retry-after-ms`, which the official SDKs read before `retry-after`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec

from tierfleet.admission.types import Allowance, Headroom, Shed, ShedReason
from tierfleet.plan import Model
from tierfleet.sidecar.errors import ProtocolError
from tierfleet.sidecar.headers import field_value

_MS: Final = 1_000_000
_S: Final = 1_000_000_000
# Characters of what a caller sent that an answer repeats.
_QUOTED: Final = 200
_NOT_AGAIN: Final = b"x-should-retry: false\r\n"
_LATER: Final = frozenset({429, 502, 503, 529})
_NO_WAIT: Final = b"x-tierfleet-queue-wait-ms: 0.0\r\n"
_JSON: Final = b"content-type: application/json\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response, but for what its connection adds.

    Attributes:
        status: of the response.
        fields: header lines, each with its CRLF.
        body: its Content-Length follows from it.
        reason: for the log and the counters; empty when nothing was refused.
        message: what an error says, for APIs that say it in another shape.
    """

    status: int
    fields: bytes
    body: bytes
    reason: str = ""
    message: str = ""


def error(
    status: int,
    message: str,
    code: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    fields: bytes = b"",
) -> Answer:
    """An error in OpenAI's shape; `code` is what programs look at."""
    detail = {"message": message, "type": kind, "param": param, "code": code}
    return Answer(status, _JSON + fields, msgspec.json.encode({"error": detail}), code, message)


def broken_request(problem: ProtocolError) -> Answer:
    """To bytes that cannot be served."""
    return error(problem.status, problem.message, "bad_request")


def unknown_caller(message: str) -> Answer:
    """401: nobody in the plan has the key, or there is none."""
    return error(401, message, "invalid_api_key", fields=b"www-authenticate: Bearer\r\n")


def no_access(tenant: str | None, pool: str) -> Answer:
    """403: a tenant of the policy that may not use this pool."""
    message = f"Tenant {tenant!r} has no access to {pool!r}; ask who runs it for access."
    return error(403, message, "no_access", kind="permission_error")


def no_such_model(name: str, model: Model) -> Answer:
    """404: another model than the one that is served here."""
    served = ", ".join((model.name, *model.aliases))
    message = (
        f"The model {name[:_QUOTED]!r} does not exist or you do not have access to it. "
        f"Served: {served}."
    )
    return error(404, message, "model_not_found", param="model")


def no_such_path(method: str, path: str, served: str) -> Answer:
    """404: nothing is served there."""
    return error(404, f"There is no {method} {path} here. Served: {served}.", "unknown_url")


def wrong_method(method: str, path: str, allowed: bytes) -> Answer:
    """405: the path takes others (RFC 9110 15.5.6)."""
    message = f"{path} is asked with {allowed.decode()}, not with {method}."
    return error(405, message, "method_not_allowed", fields=b"allow: %b\r\n" % allowed)


def bad_body(message: str, param: str | None) -> Answer:
    """400: the body is not one of the API's."""
    return error(400, message, "invalid_value" if param else "invalid_json", param=param)


def encoded_body(encoding: str) -> Answer:
    """415: the body is compressed; what was judged must be what the engine runs."""
    message = f"A body in Content-Encoding {encoding!r} is not read here; send it as it is."
    return error(415, message, "unsupported_content_encoding")


def unavailable(message: str, reason: str, retry_after: int = _S) -> Answer:
    """503: it is us, not the caller.

    Args:
        message: a sentence for the caller.
        reason: in llm-d's words.
        retry_after: nanoseconds.
    """
    fields = _retry_after(retry_after) + _dropped(reason)
    return error(503, message, reason, kind="server_error", fields=fields)


def engine_broke(message: str) -> Answer:
    """502: the engine took the request and did not answer it."""
    return error(502, message, "engine_failed", kind="server_error", fields=_retry_after(_S))


_SHED = {
    ShedReason.UNKNOWN_TENANT: (401, "invalid_api_key", "invalid_request_error", ""),
    ShedReason.NO_ACCESS: (403, "no_access", "permission_error", ""),
    ShedReason.TOO_MANY_SEATS: (400, "too_many_sequences", "invalid_request_error", ""),
    ShedReason.REQUEST_LIMIT: (429, "rate_limit_exceeded", "requests", "rejected-rate-limit"),
    ShedReason.TOKEN_LIMIT: (429, "rate_limit_exceeded", "tokens", "rejected-rate-limit"),
    ShedReason.OVER_GUARANTEE: (429, "over_guarantee", "tokens", "rejected-rate-limit"),
    ShedReason.QUEUE_FULL: (503, "queue_full", "server_error", "rejected-saturated"),
    ShedReason.EXPIRED: (503, "queue_timeout", "server_error", "rejected-ttl-expired"),
    ShedReason.INFEASIBLE: (503, "deadline_infeasible", "server_error", "rejected-ttl-expired"),
    ShedReason.ENGINE_STALLED: (503, "engine_stalled", "server_error", "rejected-no-endpoints"),
}


def shed(decision: Shed) -> Answer:
    """To a request that the core gives no seat: 429 for the caller's limit, 503 for ours."""
    status, code, kind, dropped = _SHED[decision.reason]
    fields = b""
    if dropped:
        fields = _dropped(dropped)
        # Never without a hint: without one the SDKs try again after half a second.
        hint = decision.retry_after
        fields += _NOT_AGAIN if hint is None else _retry_after(hint)
    answer = error(status, decision.message, code, kind=kind, fields=fields)
    return Answer(
        answer.status, answer.fields, answer.body, decision.reason.value, decision.message
    )


def come_back(status: int, given: bytes, *, again: bool) -> bytes:
    """The lines that an error still lacks on whether and when to try again, ours or the engine's.

    Engines answer 503 when their own queue is full, and do not say when it will not be.

    Args:
        status: of the answer.
        given: its header lines.
        again: False for a caller that should not try again by itself, whatever the time.
    """
    given = b"\r\n" + given
    if status not in _LATER or b"\r\nx-should-retry:" in given:
        return b""
    lines = b"" if b"\r\nretry-after" in given else _retry_after(_S)
    return lines if again else lines + _NOT_AGAIN


def evicted() -> Answer:
    """503: the seat was needed for what was promised to another, and nothing had been sent yet."""
    return unavailable("The seat was needed for reserved capacity; try again.", "evicted-priority")


def rate_limits(headroom: Headroom) -> bytes:
    """The `x-ratelimit-*` lines of what a tenant may still send; none where nothing is limited."""
    lines = b""
    if headroom.requests is not None:
        lines = _allowance(b"requests", headroom.requests)
    if headroom.tokens is not None:
        lines += _allowance(b"tokens", headroom.tokens)
    return lines


def _allowance(kind: bytes, allowance: Allowance) -> bytes:
    return b"".join(
        (
            b"x-ratelimit-limit-", kind, b": ", str(allowance.limit).encode(),
            b"\r\nx-ratelimit-remaining-", kind, b": ", str(allowance.remaining).encode(),
            b"\r\nx-ratelimit-reset-", kind, b": ", duration(allowance.reset), b"\r\n",
        )
    )  # fmt: skip


@lru_cache(maxsize=1024)
def charged(tier: str, partition: str, reservation: str | None) -> bytes:
    """The lines that say what a request is charged to."""
    lines = b"x-tierfleet-tier: %b\r\nx-tierfleet-partition: %b\r\n" % (
        field_value(tier),
        partition.encode(),
    )
    if reservation is not None:
        lines += b"x-tierfleet-reservation: %b\r\n" % field_value(reservation)
    return lines


def waited(nanoseconds: int) -> bytes:
    """The line that says how long a request was in our queue."""
    if nanoseconds < _MS // 20:
        return _NO_WAIT
    return b"x-tierfleet-queue-wait-ms: %.1f\r\n" % (nanoseconds / _MS)


def duration(nanoseconds: int) -> bytes:
    """As OpenAI writes resets: `12ms`, `1.5s`, `6m0s`; rounded up."""
    milliseconds = -(-nanoseconds // _MS)
    if milliseconds < 1000:
        return b"0ms" if milliseconds == 0 else str(milliseconds).encode() + b"ms"
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{seconds}s".encode() if minutes else f"{seconds}s".encode()


def _retry_after(nanoseconds: int) -> bytes:
    milliseconds = max(1, -(-nanoseconds // _MS))
    seconds = -(-milliseconds // 1000)
    return b"retry-after-ms: %d\r\nretry-after: %d\r\n" % (milliseconds, seconds)


def _dropped(reason: str) -> bytes:
    return b"x-llm-d-request-dropped-reason: %b\r\n" % reason.encode()
