"""OpenAI's embeddings: one short step per text, and a vector that depends on it alone. Pure."""

import base64
import json
import struct
from typing import Literal

from tierfleet.engine.surfaces.job import Choice, Job, Limits, Sampling, job, validate
from tierfleet.engine.surfaces.openai import Prompts

_DIMENSIONS = 8


class _Request(Sampling):
    input: Prompts
    encoding_format: Literal["float", "base64"] = "float"


def parse(body: bytes, limits: Limits) -> Job:
    """A `/v1/embeddings` request; each text is a sequence of one step.

    Raises:
        RequestError: it cannot be served, with the reason.
    """
    request = validate(_Request, body)
    request.stream = False
    in_base64 = request.encoding_format == "base64"
    return job(request, tuple(request.input), 1, limits, in_base64=in_base64)


def complete(job: Job, name: str, created: int, model: str, cached_tokens: int) -> bytes:
    """The answer."""
    del cached_tokens
    return json.dumps(
        {
            "id": name,
            "object": "list",
            "created": created,
            "model": model,
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": _vector(choice, in_base64=job.in_base64),
                }
                for index, choice in enumerate(job.choices)
            ],
            "usage": {"prompt_tokens": job.prompt_tokens, "total_tokens": job.prompt_tokens},
        },
        separators=(",", ":"),
    ).encode()


def _vector(choice: Choice, *, in_base64: bool) -> list[float] | str:
    """Eight numbers between -1 and 1, as OpenAI's float32 in little-endian order or as JSON."""
    numbers = [((choice.mark >> 8 * at) & 255) / 127.5 - 1 for at in range(_DIMENSIONS)]
    if in_base64:
        return base64.b64encode(struct.pack(f"<{_DIMENSIONS}f", *numbers)).decode()
    return numbers
