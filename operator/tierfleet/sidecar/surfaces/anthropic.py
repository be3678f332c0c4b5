"""Anthropic's messages: usage in two events of a stream, errors in another shape, 529 for 503."""

import math
from datetime import UTC, datetime
from typing import Final

import msgspec

from tierfleet.admission.types import Allowance, Headroom
from tierfleet.sidecar.answers import Answer
from tierfleet.sidecar.surfaces import bodies
from tierfleet.sidecar.surfaces.surface import (
    BYTES_PER_TOKEN,
    Inference,
    Surface,
    Usage,
    decoded,
)

_KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_OVERLOADED: Final = 529


class Messages(Surface):
    """POST /v1/messages."""

    __slots__ = ()

    def __init__(self) -> None:
        # vLLM's requests of this API have no priority.
        super().__init__(b'"content_block_delta"', b'"usage":{', takes_priority=False)

    def read(self, body: bytes) -> Inference:
        """See `Surface`."""
        asked = decoded(bodies.MESSAGES_REQUEST, body)
        size = len(bytes(asked.messages)) + len(bytes(asked.system))
        return Inference(asked, size // BYTES_PER_TOKEN, asked.max_tokens or None)

    def usage(self, document: bytes) -> Usage | None:
        """See `Surface`."""
        return _usage(bodies.MESSAGE.decode(document).usage, None)

    def estimate(self, document: bytes) -> int:
        """See `Surface`."""
        size = 0
        for block in bodies.MESSAGE.decode(document).content:
            size += len(bytes(block))
        return size // BYTES_PER_TOKEN

    def usage_event(self, event: bytes, before: Usage | None) -> Usage | None:
        """See `Surface`. The prompt's count comes in the first event, the output's at the end."""
        found = bodies.MESSAGE_EVENT.decode(event)
        message = found.message
        if message is not None:
            return _usage(message.usage, before, whole=False)
        return _usage(found.usage, before)

    def id_lines(self, request_id: bytes) -> bytes:
        """See `Surface`."""
        return b"x-request-id: %b\r\nrequest-id: %b\r\n" % (request_id, request_id)

    def rate_limits(self, headroom: Headroom, now: float) -> bytes:
        """See `Surface`. Resets are times of day here."""
        lines = b""
        if headroom.requests is not None:
            lines = _allowance("requests", headroom.requests, now)
        if headroom.tokens is not None:
            lines += _allowance("tokens", headroom.tokens, now)
        return lines

    def shaped(self, answer: Answer, request_id: bytes) -> Answer:
        """See `Surface`."""
        status = answer.status
        if status < 400:
            return answer
        document = {
            "type": "error",
            "error": {"type": _KINDS.get(status, "api_error"), "message": answer.message},
            "request_id": request_id.decode(),
        }
        return Answer(
            _OVERLOADED if status == 503 else status,
            answer.fields,
            msgspec.json.encode(document),
            answer.reason,
            answer.message,
        )


def _allowance(kind: str, allowance: Allowance, now: float) -> bytes:
    name = f"anthropic-ratelimit-{kind}"
    # Up to a whole second: never too soon.
    reset = datetime.fromtimestamp(math.ceil(now + allowance.reset / 1e9), UTC)
    return (
        f"{name}-limit: {allowance.limit}\r\n{name}-remaining: {allowance.remaining}\r\n"
        f"{name}-reset: {reset:%Y-%m-%dT%H:%M:%SZ}\r\n"
    ).encode()


def _usage(
    given: bodies.MessageUsage | None, before: Usage | None, whole: bool = True
) -> Usage | None:
    """Anthropic's `input_tokens` are those that the cache neither had nor kept."""
    if given is None:
        return None
    prompt = before.prompt_tokens if before is not None else 0
    cached = before.cached_tokens if before is not None else 0
    output = before.output_tokens if before is not None else 0
    if given.input_tokens is not None:
        cached = given.cache_read_input_tokens or 0
        prompt = given.input_tokens + cached + (given.cache_creation_input_tokens or 0)
    if given.output_tokens is not None:
        output = given.output_tokens
    # The first event of a stream counts the output too, before there is any.
    return Usage(prompt, cached, output, whole)
