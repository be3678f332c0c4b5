"""Anthropic's messages as vLLM serves them: their events, and errors in their shape. Pure."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from tierfleet.engine.surfaces import tools
from tierfleet.engine.surfaces.job import Job, Limits, RequestError, Sampling, job, validate
from tierfleet.engine.surfaces.openai import TextPart, rendered
from tierfleet.engine.surfaces.tools import Tool

_KINDS = {400: "invalid_request_error", 404: "not_found_error"}


class _Block(BaseModel):
    type: str
    text: str = ""
    content: Any = None


class _Message(BaseModel):
    role: Literal["user", "assistant"]
    content: str | list[_Block]

    def render(self) -> str:
        if isinstance(self.content, str):
            return rendered(self.role, self.content)
        said = (block.text or json.dumps(block.content or "") for block in self.content)
        return rendered(self.role, "".join(said))


class _Tool(BaseModel):
    name: str
    input_schema: dict[str, Any] = {}


class _ToolChoice(BaseModel):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None


class _Request(Sampling):
    messages: Annotated[list[_Message], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)]
    system: str | list[TextPart] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None


def parse(body: bytes, limits: Limits) -> Job:
    """A `/v1/messages` request.

    Raises:
        RequestError: it cannot be served, with the reason.
    """
    request = validate(_Request, body)
    # vLLM's requests of this API have no priority: one that is there means nothing.
    request.priority = 0
    system = rendered("system", request.system) if request.system else ""
    said = "".join(message.render() for message in request.messages)
    choice = request.tool_choice
    call = tools.call(
        [Tool(one.name, one.input_schema) for one in request.tools or ()],
        choice.name if choice is not None and choice.type == "tool" else None,
        any_of_them=choice is not None and choice.type == "any",
    )
    return job(request, (f"{system}{said}<|assistant|>\n",), request.max_tokens, limits, call=call)


def complete(job: Job, name: str, created: int, model: str, cached_tokens: int) -> bytes:
    """A message that is not streamed."""
    del created
    choice = job.choices[0]
    said = choice.text(0, choice.output_tokens)
    block = _block(job, said)
    if job.call is not None:
        block["input"] = json.loads(said) if choice.finish_reason == "stop" else {}
    usage = {**_usage(job, cached_tokens), "output_tokens": job.output_tokens}
    return _compact(_message(name, model, [block], _stop(job), usage)).encode()


def error(problem: RequestError) -> bytes:
    """The error body of this API."""
    kind = _KINDS.get(problem.status, "api_error")
    return _compact({"type": "error", "error": {"type": kind, "message": problem.message}}).encode()


def _compact(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"))


def _usage(job: Job, cached_tokens: int) -> dict[str, int]:
    """Of the prompt; what was cached is not counted twice."""
    return {
        "input_tokens": job.prompt_tokens - cached_tokens,
        "cache_read_input_tokens": cached_tokens,
        "cache_creation_input_tokens": 0,
    }


def _stop(job: Job) -> str:
    if job.choices[0].finish_reason == "length":
        return "max_tokens"
    return "tool_use" if job.call is not None else "end_turn"


def _block(job: Job, said: str) -> dict[str, Any]:
    if job.call is None:
        return {"type": "text", "text": said}
    call_id = f"toolu_{job.choices[0].mark:016x}"
    return {"type": "tool_use", "id": call_id, "name": job.call.name, "input": {}}


def _message(
    name: str,
    model: str,
    content: list[dict[str, Any]],
    stop: str | None,
    usage: dict[str, int],
) -> dict[str, Any]:
    return {
        "id": name, "type": "message", "role": "assistant", "model": model, "content": content,
        "stop_reason": stop, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


class Stream:
    """The events of one streamed message."""

    def __init__(self, job: Job, name: str, created: int, model: str) -> None:
        del created
        self._job = job
        self._name = name
        self._model = model

    def opening(self) -> bytes:
        """Events before the first token, sent with it.

        What was cached is not known to be told yet, so all of the prompt counts; the last event
        has the truth, as vLLM's has.
        """
        usage = {**_usage(self._job, 0), "output_tokens": 0}
        message = _message(self._name, self._model, [], None, usage)
        return _event("message_start", message=message) + _event(
            "content_block_start", index=0, content_block=_block(self._job, "")
        )

    def tokens(self, index: int, start: int, stop: int) -> bytes:
        """The event with tokens `start` to `stop`."""
        said = self._job.choices[index].text(start, stop)
        delta = {"type": "text_delta", "text": said}
        if self._job.call is not None:
            delta = {"type": "input_json_delta", "partial_json": said}
        return _event("content_block_delta", index=0, delta=delta)

    def closing(self, cached_tokens: int) -> bytes:
        """Why it ended, and usage."""
        usage = {**_usage(self._job, cached_tokens), "output_tokens": self._job.output_tokens}
        delta = {"stop_reason": _stop(self._job), "stop_sequence": None}
        return (
            _event("content_block_stop", index=0)
            + _event("message_delta", delta=delta, usage=usage)
            + _event("message_stop")
        )


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {_compact({'type': kind, **fields})}\n\n".encode()
