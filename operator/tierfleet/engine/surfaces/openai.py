"""OpenAI's completion requests as vLLM reads them. Pure: bytes in, a `Job` or an error out."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from tierfleet.engine.surfaces import tools
from tierfleet.engine.surfaces.job import (
    MAX_CHOICES,
    Job,
    Limits,
    RequestError,
    Sampling,
    job,
    validate,
)
from tierfleet.engine.surfaces.tools import Call, Tool


class StreamOptions(BaseModel):
    """Only `include_usage` has a meaning here."""

    include_usage: bool = False


class _Request(Sampling):
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stream_options: StreamOptions | None = None

    def include_usage(self) -> bool:
        """Whether a stream ends with usage."""
        if self.stream_options is not None and not self.stream:
            raise RequestError(
                "stream_options must come with stream set to true.", "stream_options"
            )
        return self.stream_options is not None and self.stream_options.include_usage


class TextPart(BaseModel):
    """Of a message's content; OpenAI's and Anthropic's are the same."""

    type: Literal["text"]
    text: str


class _Message(BaseModel):
    role: str
    content: str | list[TextPart] | None = None


def rendered(role: str, content: str | list[TextPart] | None) -> str:
    """A message in the shape of a chat template, whose marks count as tokens too."""
    content = content or ""
    body = content if isinstance(content, str) else "".join(part.text for part in content)
    return f"<|{role}|>\n{body}\n"


class _Function(BaseModel):
    name: str
    parameters: dict[str, Any] = {}


class _Tool(BaseModel):
    type: Literal["function"]
    function: _Function


class _Named(BaseModel):
    name: str


class _ToolChoice(BaseModel):
    type: Literal["function"]
    function: _Named


class _ChatRequest(_Request):
    messages: Annotated[list[_Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _ToolChoice | None = None

    def call(self) -> Call | None:
        """The tool that is insisted on."""
        offered = [Tool(one.function.name, one.function.parameters) for one in self.tools or ()]
        choice = self.tool_choice
        named = choice.function.name if isinstance(choice, _ToolChoice) else None
        return tools.call(offered, named, any_of_them=choice == "required")


def _as_list(given: Any) -> Any:
    """OpenAI takes one prompt or a list of them, each as text or as token ids."""
    ids = isinstance(given, list) and bool(given) and isinstance(given[0], int)
    return [given] if ids or isinstance(given, str) else given


Prompts = Annotated[
    list[str | tuple[Annotated[int, Field(ge=0, lt=2**63)], ...]],
    BeforeValidator(_as_list),
    Field(min_length=1),
]


class _CompletionRequest(_Request):
    prompt: Prompts


def parse_chat(body: bytes, limits: Limits) -> Job:
    """A `/v1/chat/completions` request.

    Raises:
        RequestError: it cannot be served, with the reason.
    """
    request = validate(_ChatRequest, body)
    include_usage = request.include_usage()
    messages = "".join(rendered(one.role, one.content) for one in request.messages)
    return job(
        request,
        (f"{messages}<|assistant|>\n",),
        request.max_completion_tokens or request.max_tokens,
        limits,
        n=request.n or 1,
        include_usage=include_usage,
        call=request.call(),
    )


def parse_completion(body: bytes, limits: Limits) -> Job:
    """A `/v1/completions` request.

    Raises:
        RequestError: it cannot be served, with the reason.
    """
    request = validate(_CompletionRequest, body)
    include_usage = request.include_usage()
    return job(
        request,
        tuple(request.prompt),
        # 16 is OpenAI's default for this older route.
        request.max_tokens or 16,
        limits,
        n=request.n or 1,
        include_usage=include_usage,
    )
