"""OpenAI's completion requests as vLLM reads them, and what a valid one asks of the engine.

Pure: bytes in, a `Job` or a `RequestError` out. What goes back over the wire is in `responses`.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from tierfleet.engine import text
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


class StreamOptions(BaseModel):
    """Only `include_usage` has a meaning here."""

    include_usage: bool = False


class _Request(BaseModel):
    """The fields that chat and text completions share; any other is accepted and ignored."""

    model: str | None = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    min_tokens: Annotated[int, Field(ge=0)] = 0
    ignore_eos: bool = False
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    # vLLM's field and sign: lower is sooner.
    priority: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0


class _TextPart(BaseModel):
    type: Literal["text"]
    text: str


class _Message(BaseModel):
    role: str
    content: str | list[_TextPart] | None = None

    def render(self) -> str:
        """The message in the shape of a chat template, whose marks count as tokens too."""
        content = self.content or ""
        body = content if isinstance(content, str) else "".join(part.text for part in content)
        return f"<|{self.role}|>\n{body}\n"


class _ChatRequest(_Request):
    messages: Annotated[list[_Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None


def _as_list(given: Any) -> Any:
    """OpenAI takes one prompt or a list of them, each as text or as token ids."""
    ids = isinstance(given, list) and bool(given) and isinstance(given[0], int)
    return [given] if ids or isinstance(given, str) else given


class _CompletionRequest(_Request):
    prompt: Annotated[
        list[str | tuple[Annotated[int, Field(ge=0, lt=2**63)], ...]],
        BeforeValidator(_as_list),
        Field(min_length=1),
    ]


@dataclass(frozen=True, slots=True)
class Choice:
    """One sequence of a job and what it will produce."""

    prompt: Prompt
    prompt_tokens: int
    output_tokens: int
    # "stop" where the answer ends by itself, "length" where a limit cuts it.
    finish_reason: Literal["stop", "length"]
    mark: int

    def text(self, start: int, stop: int) -> str:
        """The words of its tokens `start` to `stop`."""
        return text.words(self.mark, start, stop)


@dataclass(frozen=True, slots=True)
class Job:
    """A valid request: choices in the order of their index, n for each prompt."""

    chat: bool
    choices: tuple[Choice, ...]
    priority: int
    stream: bool
    include_usage: bool
    prompts: int
    # Of each prompt once, however many choices it has: what `usage` reports.
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request is checked against."""

    model: str
    max_model_len: int
    priority_scheduling: bool


def parse_chat(body: bytes, limits: Limits) -> Job:
    """A `/v1/chat/completions` request.

    Raises:
        RequestError: it cannot be served, with the reason.
    """
    request = _validate(_ChatRequest, body)
    prompt = "".join(message.render() for message in request.messages) + "<|assistant|>\n"
    return _job(request, (prompt,), request.max_completion_tokens or request.max_tokens, limits)


def parse_completion(body: bytes, limits: Limits) -> Job:
    """A `/v1/completions` request.

    Raises:
        RequestError: it cannot be served, with the reason.
    """
    request = _validate(_CompletionRequest, body)
    # 16 is OpenAI's default for this older route.
    return _job(request, tuple(request.prompt), request.max_tokens or 16, limits)


_R = TypeVar("_R", bound=_Request)


def _validate(shape: type[_R], body: bytes) -> _R:
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


def _job(
    request: _Request, prompts: tuple[Prompt, ...], max_tokens: int | None, limits: Limits
) -> Job:
    if request.model is not None and request.model != limits.model:
        raise RequestError(
            f"There is no model {request.model!r} here; this engine serves {limits.model!r}.",
            "model",
            kind="NotFoundError",
            status=404,
        )
    if request.stream_options is not None and not request.stream:
        raise RequestError("stream_options must come with stream set to true.", "stream_options")
    if request.priority != 0 and not limits.priority_scheduling:
        raise RequestError(
            f"A priority other than 0 (here {request.priority}) needs an engine that was started"
            " with --scheduling-policy priority.",
            "priority",
        )
    if max_tokens is not None and request.min_tokens > max_tokens:
        raise RequestError(
            f"min_tokens ({request.min_tokens}) must not be above max_tokens ({max_tokens}).",
            "min_tokens",
        )
    n = request.n or 1
    if n * len(prompts) > MAX_CHOICES:
        raise RequestError(
            f"n times the number of prompts must be at most {MAX_CHOICES},"
            f" got {n} times {len(prompts)}.",
            "n",
        )
    sizes = [_prompt_tokens(prompt, max_tokens, limits.max_model_len) for prompt in prompts]
    return Job(
        chat=isinstance(request, _ChatRequest),
        choices=tuple(
            _choice(request, prompt, tokens, max_tokens or limits.max_model_len - tokens, index)
            for prompt, tokens in zip(prompts, sizes, strict=True)
            for index in range(n)
        ),
        priority=request.priority,
        stream=bool(request.stream),
        include_usage=request.stream_options is not None and request.stream_options.include_usage,
        prompts=len(prompts),
        prompt_tokens=sum(sizes),
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


def _choice(request: _Request, prompt: Prompt, tokens: int, limit: int, index: int) -> Choice:
    mark = text.fingerprint(prompt, request.seed or 0, index)
    natural = max(text.natural_length(mark), request.min_tokens)
    ends = natural <= limit and not request.ignore_eos
    return Choice(
        prompt=prompt,
        prompt_tokens=tokens,
        output_tokens=natural if ends else limit,
        finish_reason="stop" if ends else "length",
        mark=mark,
    )
