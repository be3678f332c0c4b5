"""What an answer cost: read from the engine's `usage`, counted by events until it comes. Pure.

Sits in the stream of bytes from engine to client and changes nothing in it, except that it takes
out the usage event of a stream whose caller did not ask for one. It knows nothing of sockets.
"""

from typing import Protocol

import msgspec

# An event longer than this is not held back until it is whole; a JSON answer longer than this is
# not read. Both are far beyond what engines send.
_MAX_HELD = 4 * 1024 * 1024
# Of an answer without usage; about that of text, the JSON around it included.
_BYTES_PER_TOKEN = 4


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class Usage(msgspec.Struct):
    """The engine's own count of one request."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that were found in the prefix cache."""
        details = self.prompt_tokens_details
        return 0 if details is None else details.cached_tokens or 0


class _Answer(msgspec.Struct):
    usage: Usage | None = None
    choices: list[msgspec.Raw] = []


_ANSWER = msgspec.json.Decoder(_Answer)


class Meter(Protocol):
    """Watches the body of one answer go by.

    Attributes:
        output_tokens: counted so far; an estimate until `usage` is there.
        usage: the engine's count, once it has come.
    """

    output_tokens: int
    usage: Usage | None

    def feed(self, data: bytes) -> bytes:
        """Take a piece of the body; what of it, and of what was held back, goes to the client."""
        ...

    def close(self) -> bytes:
        """The body has ended; what was held back."""
        ...


class JsonMeter:
    """Of an answer in one JSON document; without usage its output is estimated by size."""

    __slots__ = ("_held", "_pieces", "output_tokens", "usage")

    def __init__(self) -> None:
        self.output_tokens = 0
        self.usage: Usage | None = None
        self._pieces: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> bytes:
        """See `Meter`."""
        self._held += len(data)
        if self._held <= _MAX_HELD:
            self._pieces.append(data)
        else:
            self._pieces.clear()
        return data

    def close(self) -> bytes:
        """See `Meter`."""
        if self._held > _MAX_HELD:
            self.output_tokens = self._held // _BYTES_PER_TOKEN
            return b""
        answer = _decode(b"".join(self._pieces))
        if answer is None:
            return b""
        if answer.usage is not None:
            self.usage = answer.usage
            self.output_tokens = answer.usage.completion_tokens
        else:
            # An error has no choices, and cost nothing.
            self.output_tokens = sum(len(bytes(c)) for c in answer.choices) // _BYTES_PER_TOKEN
        return b""


class StreamMeter:
    """Of an answer in server-sent events; each but the last few carries about one token.

    Only whole events are passed on, because the usage event must be known before its first byte
    is sent. Engines write an event at a time, so this delays nothing in practice.
    """

    __slots__ = ("_held", "_separator", "_shows_usage", "output_tokens", "usage")

    def __init__(self, *, shows_usage: bool) -> None:
        self.output_tokens = 0
        self.usage: Usage | None = None
        self._shows_usage = shows_usage
        self._separator = b"\n\n"
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """See `Meter`."""
        if self._held:
            data = self._held + data
        end = self._end_of_events(data)
        whole, self._held = data[:end], data[end:]
        if b'"usage":' in whole:
            return self._without_usage(whole)
        if self.usage is None:
            self.output_tokens += whole.count(self._separator)
        return whole

    def close(self) -> bytes:
        """See `Meter`."""
        held, self._held = self._held, b""
        return held

    def _end_of_events(self, data: bytes) -> int:
        """Where the last whole event ends; 0 if none has ended yet."""
        end = data.rfind(self._separator)
        if end < 0 and b"\r\n\r\n" in data:
            self._separator = b"\r\n\r\n"
            end = data.rfind(self._separator)
        if end < 0:
            return len(data) if len(data) > _MAX_HELD else 0
        return end + len(self._separator)

    def _without_usage(self, events: bytes) -> bytes:
        kept: list[bytes] = []
        *whole, rest = events.split(self._separator)
        for event in whole:
            answer = _decode(event.removeprefix(b"data:")) if b'"usage":' in event else None
            if answer is None or answer.usage is None:
                self.output_tokens += self.usage is None
                kept.append(event)
                continue
            self.usage = answer.usage
            self.output_tokens = answer.usage.completion_tokens
            # With choices it is an ordinary event that also carries a count.
            if answer.choices or self._shows_usage:
                kept.append(event)
        return b"".join([event + self._separator for event in kept]) + rest


def _decode(document: bytes) -> _Answer | None:
    try:
        return _ANSWER.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
