"""The bodies of HTTP/1.1 requests: of a known size, and chunked, read strictly.

Sans-IO: bytes in, bytes out; it knows nothing of sockets, requests or limits of time.
"""

import re
from typing import Final, Protocol

from tierfleet.sidecar.errors import ProtocolError

# A chunk extension means nothing to us and must be ignored (RFC 9112 7.1.1), but it may not hold
# anything that another parser could take for the end of a line.
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~]*)?\r\n")
_TRAILER_LINE: Final = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*)?\r\n")
# Nobody has a reason to send more framing than this around one chunk, or after the last one.
_MAX_SIZE_LINE: Final = 256
_MAX_TRAILERS: Final = 4096


class Body(Protocol):
    """A body that is being read."""

    def feed(self, data: bytes) -> bytes | None:
        """Take more bytes; what follows the body once it is whole, None while it is not.

        Raises:
            ProtocolError: the framing is broken or ambiguous, or the body is too large.
        """
        ...

    def content(self) -> bytes:
        """The whole body, without its framing."""
        ...


class SizedBody:
    """A body with a Content-Length."""

    __slots__ = ("_missing", "_pieces")

    def __init__(self, size: int) -> None:
        self._missing = size
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> bytes | None:
        """See `Body`."""
        missing = self._missing
        if len(data) < missing:
            self._pieces.append(data)
            self._missing = missing - len(data)
            return None
        self._pieces.append(data[:missing])
        self._missing = 0
        return data[missing:]

    def content(self) -> bytes:
        """See `Body`."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


class ChunkedBody:
    """A chunked body (RFC 9112 7.1). Trailers are checked and thrown away.

    httptools decodes chunked bodies too, but it does not say where in the bytes a body ended, so
    the next pipelined request could not be left unread; and it bounds neither the lines of sizes
    nor the trailers.
    """

    __slots__ = ("_buffer", "_content", "_limit", "_missing", "_trailers")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = b""
        # One growing buffer, not a list: chunks of one byte would cost fifty in objects.
        self._content = bytearray()
        # Bytes of the current chunk with the CRLF that ends it; 0 between chunks.
        self._missing = 0
        # Bytes of trailers so far, with the CRLF of the last chunk's line; 0 before that.
        self._trailers = 0

    def feed(self, data: bytes) -> bytes | None:
        """See `Body`."""
        buffer = self._buffer + data if self._buffer else data
        at = 0
        while True:
            if self._missing:
                at = self._data(buffer, at)
                if self._missing:
                    break
            elif self._trailers:
                line = _line(_TRAILER_LINE, buffer, at, _MAX_TRAILERS - self._trailers)
                if line is None:
                    break
                at = line.end()
                if line[0] == b"\r\n":
                    return buffer[at:]
                self._trailers += len(line[0])
            else:
                line = _line(_SIZE_LINE, buffer, at, _MAX_SIZE_LINE)
                if line is None:
                    break
                at = line.end()
                self._begin_chunk(int(line[1], 16))
        self._buffer = buffer[at:]
        return None

    def content(self) -> bytes:
        """See `Body`."""
        return bytes(self._content)

    def _begin_chunk(self, size: int) -> None:
        if len(self._content) + size > self._limit:
            raise ProtocolError(413, f"The body must not be larger than {self._limit} bytes.")
        if size:
            self._missing = size + 2
        else:
            self._trailers = 2

    def _data(self, buffer: bytes, at: int) -> int:
        """Take what is here of the current chunk; where it ends in the buffer."""
        if self._missing > 2:
            piece = buffer[at : at + self._missing - 2]
            self._content += piece
            self._missing -= len(piece)
            at += len(piece)
        if self._missing == 2 and at < len(buffer):
            end = buffer[at : at + 2]
            if not b"\r\n".startswith(end):
                raise ProtocolError(400, "The data of a chunk must end with CRLF after its size.")
            if len(end) == 2:
                self._missing = 0
                at += 2
        return at


def _line(pattern: re.Pattern[bytes], buffer: bytes, at: int, bound: int) -> re.Match[bytes] | None:
    """The line at that place, None while its end is missing."""
    line = pattern.match(buffer, at, at + bound)
    if line is None and (len(buffer) - at >= bound or buffer.find(b"\n", at) >= 0):
        raise ProtocolError(400, "The framing of the chunked body is broken or too long.")
    return line
