"""Answers to chat and text completions, byte for byte in the shapes of vLLM's server. Pure.

A stream has one event per token, so what repeats in each of them is encoded once per request. The
words of `text` need no escaping.
"""

import json
from collections.abc import Sequence
from typing import Any

from tierfleet.engine.surfaces.job import Job, RequestError

_DONE = b"data: [DONE]\n\n"


def _event(body: str) -> bytes:
    return f"data: {body}\n\n".encode()


def _compact(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"))


def usage(job: Job, cached_tokens: int) -> dict[str, Any]:
    """Tokens of a whole request, all of its choices together."""
    return {
        "prompt_tokens": job.prompt_tokens,
        "total_tokens": job.prompt_tokens + job.output_tokens,
        "completion_tokens": job.output_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
    }


def chat(job: Job, name: str, created: int, model: str, cached_tokens: int) -> bytes:
    """An answer to a chat that is not streamed."""
    choices: list[dict[str, Any]] = []
    for choice in job.choices:
        said = choice.text(0, choice.output_tokens)
        if job.call is None:
            choices.append({"message": {"role": "assistant", "content": said}})
        else:
            function = {"name": job.call.name, "arguments": said}
            call = {"id": _call_id(choice.mark), "type": "function", "function": function}
            choices.append(
                {"message": {"role": "assistant", "content": None, "tool_calls": [call]}}
            )
    return _complete(job, name, created, model, cached_tokens, "chat.completion", choices)


def text(job: Job, name: str, created: int, model: str, cached_tokens: int) -> bytes:
    """An answer to text completions that is not streamed."""
    choices = [{"text": choice.text(0, choice.output_tokens)} for choice in job.choices]
    return _complete(job, name, created, model, cached_tokens, "text_completion", choices)


def _complete(
    job: Job,
    name: str,
    created: int,
    model: str,
    cached_tokens: int,
    kind: str,
    choices: list[dict[str, Any]],
) -> bytes:
    return _compact(
        {
            "id": name,
            "object": kind,
            "created": created,
            "model": model,
            "choices": [
                {
                    "index": index,
                    **said,
                    "logprobs": None,
                    "finish_reason": _finish(job, choice.finish_reason),
                    "stop_reason": None,
                }
                for index, (choice, said) in enumerate(zip(job.choices, choices, strict=True))
            ],
            "service_tier": None,
            "usage": usage(job, cached_tokens),
        }
    ).encode()


def _finish(job: Job, reason: str) -> str:
    return "tool_calls" if job.call is not None and reason == "stop" else reason


def _call_id(mark: int) -> str:
    return f"call_{mark:016x}"


class _Stream:
    """The server-sent events of one streamed answer."""

    _kind = ""
    _before = ""
    _after = ""

    def __init__(self, job: Job, name: str, created: int, model: str) -> None:
        self._job = job
        head = _compact({"id": name, "object": self._kind, "created": created, "model": model})
        self._head = f'{head[:-1]},"choices":['
        self._prefixes = [
            f'data: {self._head}{{"index":{index},{self._before}'
            for index in range(len(job.choices))
        ]
        self._suffix = f'{self._after},"logprobs":null,"finish_reason":'

    def opening(self) -> bytes:
        """Events before the first token, sent with it."""
        return b""

    def tokens(self, index: int, start: int, stop: int) -> bytes:
        """The event with tokens `start` to `stop` of a choice; the last one tells why it ended."""
        choice = self._job.choices[index]
        said = _compact(choice.text(start, stop))[1:-1]
        last = stop == choice.output_tokens
        end = f'"{_finish(self._job, choice.finish_reason)}"' if last else "null"
        return f"{self._prefixes[index]}{said}{self._suffix}{end}}}]}}\n\n".encode()

    def closing(self, cached_tokens: int) -> bytes:
        """Usage, if it was asked for: no choices in it; then the mark of the end."""
        if not self._job.include_usage:
            return _DONE
        counted = _compact(usage(self._job, cached_tokens))
        return _event(f'{self._head}],"usage":{counted}}}') + _DONE


class TextStream(_Stream):
    """Of text completions."""

    _kind = "text_completion"
    _before = '"text":"'
    _after = '"'


class ChatStream(_Stream):
    """Of a chat; also of one that calls a tool, whose arguments come in pieces."""

    _kind = "chat.completion.chunk"

    def __init__(self, job: Job, name: str, created: int, model: str) -> None:
        self._before, self._after = '"delta":{"content":"', '"}'
        if job.call is not None:
            self._before = '"delta":{"tool_calls":[{"index":0,"function":{"arguments":"'
            self._after = '"}}]}'
        super().__init__(job, name, created, model)

    def opening(self) -> bytes:
        """One event per choice that names the role, and the tool."""
        call = self._job.call
        events = []
        for index, choice in enumerate(self._job.choices):
            delta: dict[str, Any] = {"role": "assistant", "content": ""}
            if call is not None:
                function = {"name": call.name, "arguments": ""}
                named = {
                    "index": 0, "id": _call_id(choice.mark), "type": "function",
                    "function": function,
                }  # fmt: skip
                delta = {"role": "assistant", "content": None, "tool_calls": [named]}
            events.append(
                _event(
                    f'{self._head}{{"index":{index},"delta":{_compact(delta)},'
                    '"logprobs":null,"finish_reason":null}]}'
                )
            )
        return b"".join(events)


def error(problem: RequestError) -> bytes:
    """The error body, which follows OpenAI's but for the HTTP status in `code`."""
    return _compact(
        {
            "error": {
                "message": problem.message,
                "type": problem.kind,
                "param": problem.param,
                "code": problem.status,
            }
        }
    ).encode()


def models(names: Sequence[str], created: int, max_model_len: int) -> bytes:
    """The one model that is served, under each of its names; the first is its own."""
    return _compact(
        {
            "object": "list",
            "data": [
                {
                    "id": name,
                    "object": "model",
                    "created": created,
                    "owned_by": "tierfleet",
                    "root": names[0],
                    "parent": None,
                    "max_model_len": max_model_len,
                }
                for name in names
            ],
        }
    ).encode()
