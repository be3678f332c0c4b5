"""Which API is served where. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tierfleet.engine.surfaces import completions, embeddings, messages, openai, responses
from tierfleet.engine.surfaces.job import Job, Limits, RequestError


class Stream(Protocol):
    """The server-sent events of one streamed answer."""

    def opening(self) -> bytes:
        """Events before the first token, sent with it."""
        ...

    def tokens(self, index: int, start: int, stop: int) -> bytes:
        """The event with tokens `start` to `stop` of a choice."""
        ...

    def closing(self, cached_tokens: int) -> bytes:
        """Events after the last token."""
        ...


@dataclass(frozen=True, slots=True)
class Surface:
    """One API.

    Attributes:
        prefix: of the ids of its answers.
        parse: a request.
        complete: an answer in one piece: job, id, time, model, cached tokens.
        stream: one in pieces: job, id, time, model; None where there are none.
        error: a body.
    """

    prefix: str
    parse: Callable[[bytes, Limits], Job]
    complete: Callable[[Job, str, int, str, int], bytes]
    stream: Callable[[Job, str, int, str], Stream] | None = None
    error: Callable[[RequestError], bytes] = completions.error


SURFACES = {
    "/v1/chat/completions": Surface(
        "chatcmpl", openai.parse_chat, completions.chat, completions.ChatStream
    ),
    "/v1/completions": Surface(
        "cmpl", openai.parse_completion, completions.text, completions.TextStream
    ),
    "/v1/embeddings": Surface("embd", embeddings.parse, embeddings.complete),
    "/v1/messages": Surface(
        "msg", messages.parse, messages.complete, messages.Stream, messages.error
    ),
    "/v1/responses": Surface("resp", responses.parse, responses.complete, responses.Stream),
}
"""By path; all are POST."""
