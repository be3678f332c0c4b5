"""What is read of the body of an inference request, and the body that the engine gets. Pure.

One pass of msgspec reads a handful of top-level members and skips the rest, so a long prompt costs
little more than walking over it. It knows nothing of tenants, sockets or prices.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec

# The usual rule of thumb for English text; `usage` corrects it when the answer ends.
_BYTES_PER_TOKEN = 4
MOST_CHOICES = 1_000_000
"""More is refused unread; what the engine's seats allow is for the admission core to say."""
_INCLUDE_USAGE = msgspec.Raw(b'{"include_usage":true}')


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


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str | None = None
    messages: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: Annotated[int, msgspec.Meta(le=MOST_CHOICES)] | None = None
    priority: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_BODY = msgspec.json.Decoder(_Body)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Inference:
    """What the rest of the sidecar needs to know of a request.

    Attributes:
        model: as the caller names it.
        stream: the answer is wanted as server-sent events.
        shows_usage: the caller asked for usage in the stream.
        prompt_tokens: an estimate from its size, at least 1.
        max_tokens: the caller's cap on the output of one sequence; None if unset.
        sequences: seats that it takes: choices times prompts.
        rewrites: the engine must not get the body as it came.
    """

    model: str
    stream: bool
    shows_usage: bool
    prompt_tokens: int
    max_tokens: int | None
    sequences: int
    rewrites: bool


def read(body: bytes) -> Inference:
    """What a chat or completions request asks for.

    Raises:
        BadBodyError: not JSON, not an object, or a member of another type than the API's.
    """
    try:
        # msgspec skips what it does not need unseen, so bytes that are no text would get through:
        # to the engine, which may read them otherwise, or to `for_engine`, which could not.
        body.decode()
        asked = _BODY.decode(body)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        param = path.strip("`.").partition(".")[0] or None
        where = f"{param}: " if param else "The body must be a JSON object: "
        raise BadBodyError(f"{where}{message[:1].lower()}{message[1:]}.", param) from None
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
    prompts, prompt_tokens = _prompt(bytes(asked.prompt))
    stream = bool(asked.stream)
    shows_usage = asked.stream_options is not None and bool(asked.stream_options.include_usage)
    cap = asked.max_completion_tokens or asked.max_tokens
    return Inference(
        model=asked.model,
        stream=stream,
        shows_usage=shows_usage,
        prompt_tokens=max(1, prompt_tokens + len(bytes(asked.messages)) // _BYTES_PER_TOKEN),
        max_tokens=cap if cap is not None and cap > 0 else None,
        sequences=max(1, asked.n or 1) * prompts,
        rewrites=(stream and not shows_usage) or asked.priority is not msgspec.UNSET,
    )


def for_engine(body: bytes, asked: Inference, model: str) -> bytes:
    """The body that the engine gets: under the model's own name, with usage, without `priority`.

    Only whole top-level members are replaced; all others keep their bytes, so no number or string
    changes on the way. A member that was given twice is left once, with the value that was read.

    `priority` is a caller's wish to be served first, which is for the plan to say; the engine's own
    scheduler must not hear of it.
    """
    if not asked.rewrites and asked.model == model:
        return body
    members = _MEMBERS.decode(body)
    members.pop("priority", None)
    members["model"] = msgspec.Raw(_ENCODER.encode(model))
    if asked.stream and not asked.shows_usage:
        # Replaced as a whole: its other members only say how usage is to be shown.
        members["stream_options"] = _INCLUDE_USAGE
    return _ENCODER.encode(members)


def _prompt(prompt: bytes) -> tuple[int, int]:
    """Number of prompts and their tokens; a prompt is a text, token ids, or a list of either."""
    if not prompt.startswith(b"["):
        return 1, len(prompt) // _BYTES_PER_TOKEN
    entries = [bytes(entry) for entry in _LIST.decode(prompt)]
    texts = sum(entry.startswith(b'"') for entry in entries)
    lists = [entry for entry in entries if entry.startswith(b"[")]
    if not texts and not lists:
        return 1, len(entries)
    tokens = sum(entry.count(b",") + 1 for entry in lists)
    return max(1, len(entries)), tokens + sum(
        len(entry) // _BYTES_PER_TOKEN for entry in entries if entry.startswith(b'"')
    )
