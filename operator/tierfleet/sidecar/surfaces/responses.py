"""OpenAI's responses: typed events in streams, the whole response in the last of them."""

from tierfleet.sidecar.surfaces import bodies
from tierfleet.sidecar.surfaces.surface import (
    BYTES_PER_TOKEN,
    Inference,
    Surface,
    Usage,
    decoded,
)


class Responses(Surface):
    """POST /v1/responses."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(piece=b'.delta"')

    def read(self, body: bytes) -> Inference:
        """See `Surface`."""
        asked = decoded(bodies.RESPONSES_REQUEST, body)
        size = len(bytes(asked.input)) + len(bytes(asked.instructions))
        return Inference(asked, size // BYTES_PER_TOKEN, asked.max_output_tokens or None)

    def usage(self, document: bytes) -> Usage | None:
        """See `Surface`."""
        return _usage(bodies.RESPONSE.decode(document).usage)

    def estimate(self, document: bytes) -> int:
        """See `Surface`."""
        size = 0
        for item in bodies.RESPONSE.decode(document).output:
            size += len(bytes(item))
        return size // BYTES_PER_TOKEN

    def usage_event(self, event: bytes, before: Usage | None) -> Usage | None:
        """See `Surface`."""
        del before
        response = bodies.RESPONSE_EVENT.decode(event).response
        return None if response is None else _usage(response.usage)


def _usage(given: bodies.ResponsesUsage | None) -> Usage | None:
    if given is None:
        return None
    details = given.input_tokens_details
    cached = 0 if details is None else details.cached_tokens or 0
    return Usage(given.input_tokens, cached, given.output_tokens)
