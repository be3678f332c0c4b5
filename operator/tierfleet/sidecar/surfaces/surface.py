"""What every API has: a way to read requests, to rewrite them for the engine, to meter answers."""

from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Raw

from tierfleet.admission.types import Headroom
from tierfleet.sidecar import answers
from tierfleet.sidecar.answers import Answer
from tierfleet.sidecar.surfaces import bodies

# The usual rule of thumb for English text; `usage` corrects it when the answer ends.
BYTES_PER_TOKEN: Final = 4
_INCLUDE_USAGE: Final = b'"stream_options":{"include_usage":true}'

_R = TypeVar("_R", bound=bodies.Request)


class BadBodyError(Exception):
    """The body is not one that can be served.

    Attributes:
        message: a sentence for the caller.
        param: the member that is wrong, if it is one.
    """

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class Inference:
    """What the rest of the sidecar needs to know of a request.

    Attributes:
        model: as the caller names it.
        stream: the answer is wanted as server-sent events.
        shows_usage: the caller gets to see usage in the stream.
        adds_usage: the engine is to be asked for usage that the caller did not ask for.
        prompt_tokens: an estimate from its size, at least 1.
        max_tokens: the caller's cap on the output of one sequence; None if unset.
        sequences: seats that it takes: choices times prompts.
        service_tier: as the caller names it; None if it does not.
        rewrites: a member has to be taken out or replaced before the engine may get the body.
    """

    __slots__ = (
        "adds_usage", "max_tokens", "model", "prompt_tokens", "rewrites", "sequences",
        "service_tier", "shows_usage", "stream",
    )  # fmt: skip

    def __init__(
        self, asked: bodies.Request, prompt_tokens: int, max_tokens: int | None, sequences: int = 1
    ) -> None:
        self.model = asked.model or ""
        self.stream = bool(asked.stream)
        self.shows_usage = True
        self.adds_usage = False
        self.prompt_tokens = max(1, prompt_tokens)
        self.max_tokens = max_tokens if max_tokens is None or max_tokens >= 0 else None
        self.sequences = sequences
        self.service_tier = asked.service_tier
        self.rewrites = asked.priority is not UNSET or asked.service_tier is not None


class Usage:
    """The engine's own count of one request, in tokens.

    Attributes:
        prompt_tokens: all of the prompt.
        cached_tokens: of it, found in the prefix cache.
        output_tokens: generated.
        complete: False while the count of the output is still to come.
    """

    __slots__ = ("cached_tokens", "complete", "output_tokens", "prompt_tokens")

    def __init__(
        self, prompt_tokens: int, cached_tokens: int, output_tokens: int, complete: bool = True
    ) -> None:
        self.prompt_tokens = prompt_tokens
        self.cached_tokens = cached_tokens
        self.output_tokens = output_tokens
        self.complete = complete


class Surface:
    """One API.

    Attributes:
        piece: stands once in each event of a stream that carries about one token; empty if all do.
        tier_after: behind it the tier is put into an answer that does not name one.
        takes_priority: requests may carry a priority for the engine's own scheduler.
        operation: what OpenTelemetry's conventions for generative AI call it.
    """

    __slots__ = ("operation", "piece", "takes_priority", "tier_after")

    def __init__(
        self,
        piece: bytes = b"",
        tier_after: bytes = b"{",
        takes_priority: bool = True,
        operation: str = "chat",
    ) -> None:
        self.piece = piece
        self.tier_after = tier_after
        self.takes_priority = takes_priority
        self.operation = operation

    def read(self, body: bytes) -> Inference:
        """What a request asks for.

        Raises:
            BadBodyError: not JSON, not an object, or a member of another type than the API's.
        """
        raise NotImplementedError

    def usage(self, document: bytes) -> Usage | None:
        """Of an answer in one JSON document, None if it does not say.

        Raises:
            msgspec.DecodeError: it is no such document.
        """
        raise NotImplementedError

    def estimate(self, document: bytes) -> int:
        """Output tokens of an answer that does not say, by its size; an error cost nothing.

        Raises:
            msgspec.DecodeError: it is no such document.
        """
        raise NotImplementedError

    def usage_event(self, event: bytes, before: Usage | None) -> Usage | None:
        """What an event of a stream adds to the usage before it; None if it carries none.

        Raises:
            msgspec.DecodeError: it is no such event.
        """
        raise NotImplementedError

    def only_usage(self, event: bytes) -> bool:
        """True for an event that is there for its usage alone."""
        del event
        return False

    def id_lines(self, request_id: bytes) -> bytes:
        """The header lines that name a request."""
        return b"".join((b"x-request-id: ", request_id, b"\r\n"))

    def rate_limits(self, headroom: Headroom, now: float) -> bytes:
        """The header lines of what a tenant may still send; none where nothing is limited.

        Args:
            headroom: itself.
            now: seconds since the epoch.
        """
        del now
        return answers.rate_limits(headroom)

    def shaped(self, answer: Answer, request_id: bytes) -> Answer:
        """An error of ours in the shape that the API's callers expect."""
        del request_id
        return answer


def decoded(decoder: msgspec.json.Decoder[_R], body: bytes) -> _R:
    """What is read of a body.

    Raises:
        BadBodyError: see there.
    """
    try:
        # msgspec skips what it does not need unseen, so bytes that are no text would get through:
        # to the engine, which may read them otherwise, or to `for_engine`, which could not.
        body.decode()
        asked = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except UnicodeDecodeError:
        raise BadBodyError("The body must be a JSON object in UTF-8.") from None
    except msgspec.DecodeError as error:
        raise BadBodyError(f"The body must be a JSON object: {error}.") from None
    except RecursionError:
        raise BadBodyError("The body is nested too deeply.") from None
    if not asked.model:
        raise BadBodyError(
            "model: must be the name of a model; GET /v1/models lists them.", "model"
        )
    return asked


def _invalid(error: str) -> BadBodyError:
    message, _, path = error.partition(" - at `$")
    param = path.strip("`.").partition(".")[0] or None
    where = f"{param}: " if param else "The body must be a JSON object: "
    return BadBodyError(f"{where}{message[:1].lower()}{message[1:]}.", param)


def for_engine(body: bytes, asked: Inference, model: str, priority: int | None) -> bytes:
    """The body that the engine gets: under the model's own name, with usage, with our priority.

    Only whole top-level members are replaced or added; all others keep their bytes, so no number
    or string changes on the way. A member that was given twice is left once, with the value that
    was read, where any is replaced.

    `priority` and `service_tier` are a caller's wish to be served first, which is for the plan to
    say: an engine hears what was decided, or nothing.

    Args:
        body: the caller's.
        asked: what was read of it.
        model: the name under which the engine knows the model.
        priority: for the engine's own scheduler, in its sign; None for none.
    """
    if asked.rewrites or asked.model != model:
        body = _rewritten(body, asked, model)
    elif asked.adds_usage:
        body = _with(body, _INCLUDE_USAGE)
    return body if priority is None else _with(body, b'"priority":%d' % priority)


def _with(body: bytes, member: bytes) -> bytes:
    """A member that is not there yet is put first; what follows keeps its bytes."""
    start = body.index(b"{") + 1
    return b"".join((body[:start], member, b",", body[start:]))


def _rewritten(body: bytes, asked: Inference, model: str) -> bytes:
    members = bodies.MEMBERS.decode(body)
    members.pop("priority", None)
    members.pop("service_tier", None)
    members["model"] = Raw(bodies.ENCODER.encode(model))
    if asked.adds_usage:
        # Replaced as a whole: its other members only say how usage is to be shown.
        members["stream_options"] = Raw(b'{"include_usage":true}')
    return bodies.ENCODER.encode(members)


def prompts(prompt: bytes) -> tuple[int, int]:
    """Number of prompts and their tokens; a prompt is a text, token ids, or a list of either."""
    if not prompt.startswith(b"["):
        return 1, len(prompt) // BYTES_PER_TOKEN
    ids = texts = lists = tokens = 0
    for raw in bodies.ENTRIES.decode(prompt):
        entry = bytes(raw)
        if entry.startswith(b'"'):
            texts += 1
            tokens += len(entry) // BYTES_PER_TOKEN
        elif entry.startswith(b"["):
            lists += 1
            tokens += entry.count(b",") + 1
        else:
            ids += 1
    if not texts and not lists:
        return 1, ids
    return max(1, ids + texts + lists), tokens
