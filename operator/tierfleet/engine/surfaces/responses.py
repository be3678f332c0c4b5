"""OpenAI's responses as vLLM serves them: typed events, the whole response in the last. Pure."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from tierfleet.engine.surfaces import tools
from tierfleet.engine.surfaces.job import Job, Limits, Sampling, job, validate
from tierfleet.engine.surfaces.openai import rendered
from tierfleet.engine.surfaces.tools import Tool


class _Part(BaseModel):
    text: str = ""


class _Item(BaseModel):
    role: str = "user"
    content: str | list[_Part] | None = None
    output: str | None = None

    def render(self) -> str:
        content = self.content or self.output or ""
        if not isinstance(content, str):
            content = "".join(part.text for part in content)
        return rendered(self.role, content)


class _Tool(BaseModel):
    type: Literal["function"]
    name: str
    parameters: dict[str, Any] | None = None


class _ToolChoice(BaseModel):
    type: Literal["function"]
    name: str


class _Request(Sampling):
    input: str | Annotated[list[_Item], Field(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _ToolChoice | None = None


def parse(body: bytes, limits: Limits) -> Job:
    """A `/v1/responses` request.

    Raises:
        RequestError: it cannot be served, with the reason.
    """
    request = validate(_Request, body)
    given = request.input
    items = [_Item(content=given)] if isinstance(given, str) else given
    system = rendered("system", request.instructions) if request.instructions else ""
    prompt = system + "".join(item.render() for item in items) + "<|assistant|>\n"
    choice = request.tool_choice
    call = tools.call(
        [Tool(one.name, one.parameters or {}) for one in request.tools or ()],
        choice.name if isinstance(choice, _ToolChoice) else None,
        any_of_them=choice == "required",
    )
    return job(request, (prompt,), request.max_output_tokens, limits, call=call)


def complete(job: Job, name: str, created: int, model: str, cached_tokens: int) -> bytes:
    """A response that is not streamed."""
    return _compact(_response(job, name, created, model, cached_tokens)).encode()


def _compact(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"))


def _item(job: Job, name: str, said: str, status: str) -> dict[str, Any]:
    if job.call is not None:
        return {
            "id": f"fc_{name}", "type": "function_call", "status": status, "arguments": said,
            "call_id": f"call_{job.choices[0].mark:016x}", "name": job.call.name,
        }  # fmt: skip
    content = [_part(said)] if status == "completed" else []
    return {
        "id": f"msg_{name}", "type": "message", "status": status, "role": "assistant",
        "content": content,
    }  # fmt: skip


def _part(said: str) -> dict[str, Any]:
    return {"type": "output_text", "text": said, "annotations": [], "logprobs": None}


def _response(
    job: Job, name: str, created: int, model: str, cached_tokens: int | None
) -> dict[str, Any]:
    """The response, whole, or as it stands before its first token where nothing is counted yet."""
    choice = job.choices[0]
    done = cached_tokens is not None
    cut = done and choice.finish_reason == "length"
    said = choice.text(0, choice.output_tokens)
    usage = {
        "input_tokens": job.prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached_tokens or 0},
        "output_tokens": job.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": job.prompt_tokens + job.output_tokens,
    }
    return {
        "id": name,
        "object": "response",
        "created_at": created,
        "status": ("incomplete" if cut else "completed") if done else "in_progress",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": None,
        "metadata": None,
        "model": model,
        "output": [_item(job, name, said, "completed")] if done else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "service_tier": "auto",
        "usage": usage if done else None,
    }


class Stream:
    """The typed events of one streamed response."""

    def __init__(self, job: Job, name: str, created: int, model: str) -> None:
        self._job = job
        self._about = (name, created, model)
        self._item_id = _item(job, name, "", "in_progress")["id"]
        self._number = 0

    def opening(self) -> bytes:
        """Events before the first token, sent with it."""
        name, created, model = self._about
        begun = _response(self._job, name, created, model, None)
        item = _item(self._job, name, "", "in_progress")
        events = [
            self._event("response.created", response=begun),
            self._event("response.in_progress", response=begun),
            self._event("response.output_item.added", output_index=0, item=item),
        ]
        if self._job.call is None:
            events.append(self._place("response.content_part.added", part=_part("")))
        return b"".join(events)

    def tokens(self, index: int, start: int, stop: int) -> bytes:
        """The event with tokens `start` to `stop`."""
        said = self._job.choices[index].text(start, stop)
        if self._job.call is not None:
            return self._call("response.function_call_arguments.delta", delta=said)
        return self._place("response.output_text.delta", delta=said, logprobs=[])

    def closing(self, cached_tokens: int) -> bytes:
        """Everything once more as a whole, usage in the last event."""
        job = self._job
        name, created, model = self._about
        choice = job.choices[0]
        said = choice.text(0, choice.output_tokens)
        events = (
            [self._call("response.function_call_arguments.done", arguments=said)]
            if job.call is not None
            else [
                self._place("response.output_text.done", text=said, logprobs=[]),
                self._place("response.content_part.done", part=_part(said)),
            ]
        )
        item = _item(job, name, said, "completed")
        events.append(self._event("response.output_item.done", output_index=0, item=item))
        whole = _response(job, name, created, model, cached_tokens)
        events.append(self._event(f"response.{whole['status']}", response=whole))
        return b"".join(events)

    def _place(self, kind: str, **fields: Any) -> bytes:
        return self._event(kind, item_id=self._item_id, output_index=0, content_index=0, **fields)

    def _call(self, kind: str, **fields: Any) -> bytes:
        return self._event(kind, item_id=self._item_id, output_index=0, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        body = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return f"event: {kind}\ndata: {_compact(body)}\n\n".encode()
