"""What a valid request asks of the engine, and how one that is not is refused. Pure."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from tierfleet.engine import text
from tierfleet.engine.surfaces.tools import Call
from tierfleet.engine.text import Prompt

MAX_CHOICES = 128


class RequestError(Exception):
    """A request that cannot be served; carries what vLLM's error body has."""

    def __init__(
        self,
        message: str,
        param: str | None = None,
        *,
        kind: str = "BadRequestError",
        status: int = 400,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.kind = kind
        self.status = status


class Sampling(BaseModel):
    """The fields that all APIs share; any other is accepted and ignored."""

    model: str | None = None
    min_tokens: Annotated[int, Field(ge=0)] = 0
    ignore_eos: bool = False
    seed: int | None = None
    stream: bool | None = None
    # vLLM's field and sign: lower is sooner.
    priority: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """One sequence of a job and what it will produce.

    Attributes:
        prompt: itself.
        prompt_tokens: its size.
        output_tokens: that it will have.
        finish_reason: "stop" where the answer ends by itself, "length" where a limit cuts it.
        mark: what its words depend on.
        script: its text, where that is not to be words.
    """

    prompt: Prompt
    prompt_tokens: int
    output_tokens: int
    finish_reason: Literal["stop", "length"]
    mark: int
    script: str | None = None

    def text(self, start: int, stop: int) -> str:
        """The text of its tokens `start` to `stop`."""
        if self.script is not None:
            return self.script[start * text.BYTES_PER_TOKEN : stop * text.BYTES_PER_TOKEN]
        return text.words(self.mark, start, stop)


@dataclass(frozen=True, slots=True)
class Job:
    """A valid request: choices in the order of their index, n for each prompt.

    Attributes:
        choices: as said.
        priority: in vLLM's sign.
        stream: the answer goes out token by token.
        prompts: number of them.
        prompt_tokens: of each prompt once, however many choices it has: what `usage` reports.
        include_usage: OpenAI's streams only: usage is wanted.
        call: the tool that is called instead of an answer in words.
        in_base64: embeddings only: how vectors are written.
    """

    choices: tuple[Choice, ...]
    priority: int
    stream: bool
    prompts: int
    prompt_tokens: int
    include_usage: bool = False
    call: Call | None = None
    in_base64: bool = False

    @property
    def output_tokens(self) -> int:
        """Of all choices together."""
        return sum(choice.output_tokens for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request is checked against.

    Attributes:
        model: the name of the one model that is served.
        max_model_len: longest context in tokens.
        aliases: more names of that model.
    """

    model: str
    max_model_len: int
    aliases: tuple[str, ...] = ()


_R = TypeVar("_R", bound=BaseModel)


def validate(shape: type[_R], body: bytes) -> _R:
    """A request's fields.

    Raises:
        RequestError: it is not one, with the field and the reason.
    """
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        # Of the alternatives of a union, the one that the request came closest to.
        worst = max(error.errors(include_url=False), key=lambda one: len(one["loc"]))
        # The path without pydantic's names of those alternatives ("str", "list[_TextPart]").
        path = [str(part) for part in worst["loc"] if part != "str" and "[" not in str(part)]
        raise RequestError(
            f"{'.'.join(path)}: {worst['msg']}." if path else f"{worst['msg']}.",
            path[0] if path else None,
        ) from None


def job(
    request: Sampling,
    prompts: tuple[Prompt, ...],
    max_tokens: int | None,
    limits: Limits,
    *,
    n: int = 1,
    include_usage: bool = False,
    call: Call | None = None,
    in_base64: bool = False,
) -> Job:
    """What a request asks of the engine.

    Raises:
        RequestError: it cannot be served, with the reason.
    """
    if request.model is not None and request.model not in (limits.model, *limits.aliases):
        raise RequestError(
            f"There is no model {request.model!r} here; this engine serves {limits.model!r}.",
            "model",
            kind="NotFoundError",
            status=404,
        )
    if max_tokens is not None and request.min_tokens > max_tokens:
        raise RequestError(
            f"min_tokens ({request.min_tokens}) must not be above max_tokens ({max_tokens}).",
            "min_tokens",
        )
    if n * len(prompts) > MAX_CHOICES:
        raise RequestError(
            f"n times the number of prompts must be at most {MAX_CHOICES},"
            f" got {n} times {len(prompts)}.",
            "n",
        )
    sizes = [_prompt_tokens(prompt, max_tokens, limits.max_model_len) for prompt in prompts]
    return Job(
        choices=tuple(
            _choice(
                request, prompt, tokens, max_tokens or limits.max_model_len - tokens, index, call
            )
            for prompt, tokens in zip(prompts, sizes, strict=True)
            for index in range(n)
        ),
        priority=request.priority,
        stream=bool(request.stream),
        prompts=len(prompts),
        prompt_tokens=sum(sizes),
        include_usage=include_usage,
        call=call,
        in_base64=in_base64,
    )


def _prompt_tokens(prompt: Prompt, max_tokens: int | None, max_model_len: int) -> int:
    tokens = text.count_tokens(prompt)
    if tokens == 0:
        raise RequestError("The prompt must not be empty.", "prompt")
    if tokens + (max_tokens or 1) > max_model_len:
        asked = "" if max_tokens is None else f" and the answer may have {max_tokens}"
        raise RequestError(
            f"The prompt has {tokens} tokens{asked}, and the context holds at most {max_model_len}."
            " Shorten the prompt or lower max_tokens.",
            "input_tokens",
        )
    return tokens


def _choice(
    request: Sampling, prompt: Prompt, tokens: int, limit: int, index: int, call: Call | None
) -> Choice:
    mark = text.fingerprint(prompt, request.seed or 0, index)
    if call is not None:
        size = max(1, -(-len(call.arguments) // text.BYTES_PER_TOKEN))
        natural, ends = size, size <= limit
    else:
        natural = max(text.natural_length(mark), request.min_tokens)
        ends = natural <= limit and not request.ignore_eos
    return Choice(
        prompt=prompt,
        prompt_tokens=tokens,
        output_tokens=natural if ends else limit,
        finish_reason="stop" if ends else "length",
        mark=mark,
        script=call.arguments if call is not None else None,
    )
