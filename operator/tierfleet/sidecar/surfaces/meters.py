"""What an answer cost: read from the engine's `usage`, counted by events until it comes.

Sits in the stream of bytes from engine to client and changes nothing in it, except that it takes
out the usage event of a stream whose caller did not ask for one, and says which tier was charged
where the answer has a place for it.
"""

from typing import Final

import msgspec

from tierfleet.sidecar.surfaces.surface import BYTES_PER_TOKEN, Inference, Surface, Usage
from tierfleet.sidecar.surfaces.tiers import names_tier, with_tier

# An event longer than this is not held back until it is whole; a JSON answer longer than this is
# not read. Both are far beyond what engines send.
_MAX_HELD: Final = 4 * 1024 * 1024
_USAGE: Final = b'"usage":'
_DATA: Final = b"data:"


class Meter:
    """Watches the body of one answer go by.

    Attributes:
        output_tokens: counted so far; an estimate until `usage` is there.
        usage: the engine's count, once it has come.
    """

    __slots__ = ("_asked", "_surface", "_tier", "output_tokens", "usage")

    def __init__(self, surface: Surface, asked: Inference, tier: str) -> None:
        self._surface = surface
        self._asked = asked
        self._tier = tier
        self.output_tokens = 0
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> bytes:
        """Take a piece of the body; what of it, and of what was held back, goes to the client."""
        raise NotImplementedError

    def close(self) -> bytes:
        """The body has ended; what was held back."""
        raise NotImplementedError


class DocumentMeter(Meter):
    """Of an answer in one JSON document; without usage its output is estimated by size.

    Held back until it is whole: engines write it in one go, and until then it can still be lost
    without the client's seeing a part of it.
    """

    __slots__ = ("_held", "_pieces")

    def __init__(self, surface: Surface, asked: Inference, tier: str) -> None:
        super().__init__(surface, asked, tier)
        self._pieces: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> bytes:
        """See `Meter`."""
        self._held += len(data)
        if self._held <= _MAX_HELD:
            self._pieces.append(data)
            return b""
        self.output_tokens = self._held // BYTES_PER_TOKEN
        if not self._pieces:
            return data
        data = b"".join(self._pieces) + data
        self._pieces.clear()
        return data

    def close(self) -> bytes:
        """See `Meter`."""
        pieces = self._pieces
        if not pieces:
            return b""
        document = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        try:
            self.usage = usage = self._surface.usage(document)
            if usage is not None:
                self.output_tokens = usage.output_tokens
            else:
                self.output_tokens = self._surface.estimate(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return document
        if usage is not None and (self._asked.service_tier is not None or names_tier(document)):
            return with_tier(document, self._tier, self._surface.tier_after)
        return document


class StreamMeter(Meter):
    """Of an answer in server-sent events; each but the last few carries about one token.

    Only whole events are passed on, because the usage event must be known before its first byte
    is sent. Engines write an event at a time, so this delays nothing in practice.
    """

    __slots__ = ("_held", "_separator")

    def __init__(self, surface: Surface, asked: Inference, tier: str) -> None:
        super().__init__(surface, asked, tier)
        self._separator = b"\n\n"
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """See `Meter`."""
        if self._held:
            data = self._held + data
            self._held = b""
        if not data.endswith(self._separator):
            end = self._end_of_events(data)
            self._held = data[end:]
            data = data[:end]
        if data.find(_USAGE) >= 0:
            return self._read(data)
        self._count(data)
        return data

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

    def _count(self, events: bytes) -> None:
        if self.usage is None or not self.usage.complete:
            self.output_tokens += events.count(self._surface.piece or self._separator)

    def _read(self, events: bytes) -> bytes:
        """Events of which at least one speaks of usage."""
        kept: list[bytes] = []
        parts = events.split(self._separator)
        rest = parts.pop()
        for part in parts:
            event = part + self._separator
            if part.find(_USAGE) >= 0:
                kept.append(self._told(event))
            else:
                self._count(event)
                kept.append(event)
        kept.append(rest)
        return b"".join(kept)

    def _told(self, event: bytes) -> bytes:
        """What the client gets of an event that speaks of usage."""
        surface = self._surface
        document = event[event.find(_DATA) + len(_DATA) :] if _DATA in event else event
        try:
            usage = surface.usage_event(document, self.usage)
            alone = usage is not None and surface.only_usage(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            usage, alone = None, False
        if usage is None:
            self._count(event)
            return event
        self.usage = usage
        if usage.complete:
            self.output_tokens = usage.output_tokens
        if alone and not self._asked.shows_usage:
            # A blank line before it may have gone out already, with the piece that it came in.
            return event[: len(event) - len(event.lstrip(b"\r\n"))]
        if self._asked.service_tier is not None or names_tier(event):
            return with_tier(event, self._tier, surface.tier_after)
        return event
