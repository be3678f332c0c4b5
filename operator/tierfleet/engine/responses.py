"""What goes back over the wire, byte for byte in the shapes of vLLM's OpenAI server. Pure.

A stream has one event per token, so what repeats in each of them is encoded once per request. The
words of `text` need no escaping.
"""

import json
from typing import Any

from tierfleet.engine.openai import Job, RequestError

DONE = b"data: [DONE]\n\n"


def _event(body: str) -> bytes:
    return f"data: {body}\n\n".encode()


def _compact(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"))


def usage(job: Job, cached_tokens: int) -> dict[str, Any]:
    """Tokens of a whole request, all of its choices together."""
    completion = sum(choice.output_tokens for choice in job.choices)
    return {
        "prompt_tokens": job.prompt_tokens,
        "total_tokens": job.prompt_tokens + completion,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
    }


def complete(job: Job, name: str, created: int, model: str, cached_tokens: int) -> bytes:
    """The body of an answer that is not streamed."""
    choices = []
    for index, choice in enumerate(job.choices):
        words = choice.text(0, choice.output_tokens)
        message = {"role": "assistant", "content": words}
        choices.append(
            {
                "index": index,
                **({"message": message} if job.chat else {"text": words}),
                "logprobs": None,
                "finish_reason": choice.finish_reason,
                "stop_reason": None,
            }
        )
    return _compact(
        {
            "id": name,
            "object": "chat.completion" if job.chat else "text_completion",
            "created": created,
            "model": model,
            "choices": choices,
            "usage": usage(job, cached_tokens),
        }
    ).encode()


class Stream:
    """The server-sent events of one streamed answer."""

    def __init__(self, job: Job, name: str, created: int, model: str) -> None:
        self._job = job
        kind = "chat.completion.chunk" if job.chat else "text_completion"
        head = _compact({"id": name, "object": kind, "created": created, "model": model})[:-1]
        self._head = f'{head},"choices":['
        before = '"delta":{"content":"' if job.chat else '"text":"'
        self._prefixes = [
            f'data: {self._head}{{"index":{index},{before}' for index in range(len(job.choices))
        ]
        self._suffix = f'"{"}" if job.chat else ""},"logprobs":null,"finish_reason":'

    def opening(self) -> bytes:
        """For chat one event per choice that names the role; sent with the first token."""
        if not self._job.chat:
            return b""
        return b"".join(
            _event(
                f'{self._head}{{"index":{index},"delta":{{"role":"assistant","content":""}},'
                '"logprobs":null,"finish_reason":null}]}'
            )
            for index in range(len(self._job.choices))
        )

    def tokens(self, index: int, start: int, stop: int) -> bytes:
        """The event with tokens `start` to `stop` of a choice; the last one tells why it ended."""
        choice = self._job.choices[index]
        end = f'"{choice.finish_reason}"' if stop == choice.output_tokens else "null"
        return (
            f"{self._prefixes[index]}{choice.text(start, stop)}{self._suffix}{end}}}]}}\n\n"
        ).encode()

    def closing(self, cached_tokens: int) -> bytes:
        """The usage event, if it was asked for: no choices in it, right before the end."""
        if not self._job.include_usage:
            return b""
        return _event(f'{self._head}],"usage":{_compact(usage(self._job, cached_tokens))}}}')


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


def models(model: str, created: int, max_model_len: int) -> bytes:
    """The one model that is served."""
    return _compact(
        {
            "object": "list",
            "data": [
                {
                    "id": model,
                    "object": "model",
                    "created": created,
                    "owned_by": "tierfleet",
                    "root": model,
                    "parent": None,
                    "max_model_len": max_model_len,
                }
            ],
        }
    ).encode()
