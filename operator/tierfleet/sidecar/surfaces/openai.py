"""OpenAI's chat completions, completions and embeddings."""

from msgspec import UNSET

from tierfleet.sidecar.surfaces import bodies
from tierfleet.sidecar.surfaces.surface import (
    BYTES_PER_TOKEN,
    Inference,
    Surface,
    Usage,
    decoded,
    prompts,
)


class _OpenAI(Surface):
    """What the three have in common: the shape of usage."""

    __slots__ = ()

    def usage(self, document: bytes) -> Usage | None:
        """See `Surface`."""
        return _usage(bodies.ANSWER.decode(document).usage)

    def estimate(self, document: bytes) -> int:
        """See `Surface`."""
        size = 0
        for choice in bodies.ANSWER.decode(document).choices:
            size += len(bytes(choice))
        return size // BYTES_PER_TOKEN

    def usage_event(self, event: bytes, before: Usage | None) -> Usage | None:
        """See `Surface`."""
        del before
        return _usage(bodies.ANSWER.decode(event).usage)

    def only_usage(self, event: bytes) -> bool:
        """See `Surface`. With choices it is an ordinary event that also carries a count."""
        return not bodies.ANSWER.decode(event).choices


class Chat(_OpenAI):
    """POST /v1/chat/completions."""

    __slots__ = ()

    def read(self, body: bytes) -> Inference:
        """See `Surface`."""
        asked = decoded(bodies.CHAT_REQUEST, body)
        cap = asked.max_completion_tokens or asked.max_tokens
        found = Inference(
            asked, len(bytes(asked.messages)) // BYTES_PER_TOKEN, cap or None, max(1, asked.n or 1)
        )
        _streams(found, asked)
        return found


class Completions(_OpenAI):
    """POST /v1/completions."""

    __slots__ = ()

    def read(self, body: bytes) -> Inference:
        """See `Surface`."""
        asked = decoded(bodies.COMPLETION_REQUEST, body)
        number, tokens = prompts(bytes(asked.prompt))
        found = Inference(asked, tokens, asked.max_tokens or None, max(1, asked.n or 1) * number)
        _streams(found, asked)
        return found


class Embeddings(_OpenAI):
    """POST /v1/embeddings.

    One seat, however many texts: each takes part in one step of the engine and holds no context
    afterwards, so a batch of thousands must not be refused for having more texts than seats.
    """

    __slots__ = ()

    def read(self, body: bytes) -> Inference:
        """See `Surface`."""
        asked = decoded(bodies.EMBEDDINGS_REQUEST, body)
        _, tokens = prompts(bytes(asked.input))
        return Inference(asked, tokens, 0)

    def estimate(self, document: bytes) -> int:
        """See `Surface`: nothing is generated."""
        del document
        return 0


def _streams(found: Inference, asked: bodies.ChatRequest | bodies.CompletionRequest) -> None:
    """Usage has to come in a stream, and is taken out again where it was not asked for."""
    options = asked.stream_options
    given = options is not UNSET
    wanted = given and options is not None and bool(options.include_usage)  # type: ignore[union-attr]
    found.shows_usage = wanted
    found.adds_usage = found.stream and not wanted
    if found.adds_usage and given:
        found.rewrites = True


def _usage(given: bodies.OpenAIUsage | None) -> Usage | None:
    if given is None:
        return None
    details = given.prompt_tokens_details
    cached = 0 if details is None else details.cached_tokens or 0
    return Usage(given.prompt_tokens, cached, given.completion_tokens)
