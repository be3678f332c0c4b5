"""HTTP/1.1 requests as bytes (RFC 9112), read one at a time and strictly.

Sans-IO: bytes are fed in, whole requests come out; sockets, time and what a request means are
somebody else's. httptools checks the grammar of the header fields, in C; what it would let through
and another parser could read differently is refused here (the list is in `docs/sidecar.md`).
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import cast

import httptools

from tierfleet.sidecar.chunked import Body, ChunkedBody, SizedBody
from tierfleet.sidecar.errors import ProtocolError

Fields = list[tuple[bytes, bytes]]
"""Header fields in order; names in lower case, values without white space around them."""

# httptools takes any run of spaces, other protocols (RTSP, ICE) and versions for a request line.
_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) ([!\"$-~]+) HTTP/1\.([01])\r\n")
_OTHER_VERSION = re.compile(rb"[A-Z]+ [!-~]+ HTTP/(?!1\.[01]\r)[0-9](?:\.[0-9])?\r\n")
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:%\[\]-]+")
# Two of these would let two readers of one request pick different ones.
_SINGULAR = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"authorization", b"x-api-key", b"expect"}
)


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How much of one request is read before it is refused, in bytes and fields.

    32 KiB of head is four times nginx's default and fits any real client; 32 MiB of body is a
    million tokens as text with room for images.
    """

    head: int = 32 * 1024
    fields: int = 100
    target: int = 8 * 1024
    body: int = 32 * 1024 * 1024


class Phase(Enum):
    """What a reader is waiting for; each has its own timeout."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"


@dataclass(slots=True)
class Request:
    """One whole request.

    Attributes:
        method: upper case.
        path: of the target, without its query.
        query: with its question mark; empty without one.
        http11: False for HTTP/1.0, where a body must not be answered in chunks.
        keep_alive: the client lets the connection be used again.
        fields: see `Fields`.
        body: without framing.
    """

    method: bytes
    path: bytes
    query: bytes
    http11: bool
    keep_alive: bool
    fields: Fields
    body: bytes = b""

    def field(self, name: bytes) -> bytes | None:
        """Value of the first field of that lower-case name."""
        for field, value in self.fields:
            if field == name:
                return value
        return None


class _FieldList(list[tuple[bytes, bytes]]):
    """What httptools calls while it parses a head."""

    __slots__ = ()

    def on_header(self, name: bytes, value: bytes) -> None:
        # llhttp leaves white space at the end of a value.
        self.append((name.lower(), value.rstrip(b" \t")))


class RequestReader:
    """Reads requests out of a stream of bytes; never more than one at a time.

    Bytes of a pipelined request stay unread until `next` is called again, so the caller sets the
    pace. After a `ProtocolError` the reader must not be used again.
    """

    __slots__ = ("_body", "_buffer", "_limits", "_pending", "_scanned", "_wants_continue")

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._buffer = b""
        self._scanned = 0
        self._pending: Request | None = None
        self._body: Body | None = None
        self._wants_continue = False

    @property
    def buffered(self) -> int:
        """Bytes that are waiting to be read."""
        return len(self._buffer)

    @property
    def phase(self) -> Phase:
        """What the next bytes would be part of."""
        if self._body is not None:
            return Phase.BODY
        return Phase.HEAD if self._buffer else Phase.IDLE

    def feed(self, data: bytes) -> None:
        """Take bytes from the connection."""
        self._buffer = self._buffer + data if self._buffer else data

    def next(self) -> Request | None:
        """The next whole request, or None while bytes of it are missing.

        Raises:
            ProtocolError: see there.
        """
        if self._pending is None:
            self._pending = self._read_head()
        request, body = self._pending, self._body
        if request is None:
            return None
        if body is not None:
            if not self._buffer:
                return None
            self._wants_continue = False
            rest = body.feed(self._buffer)
            self._buffer = rest or b""
            if rest is None:
                return None
            request.body = body.content()
        self._pending = self._body = None
        return request

    def wants_continue(self) -> bool:
        """True once per request that waits for a 100 before it sends its body (RFC 9110 10.1.1)."""
        wanted, self._wants_continue = self._wants_continue, False
        return wanted

    def _read_head(self) -> Request | None:
        if self._buffer.startswith(b"\r\n"):
            self._buffer = self._buffer[
                cast("re.Match[bytes]", _EMPTY_LINES.match(self._buffer)).end() :
            ]
        end = self._buffer.find(b"\r\n\r\n", self._scanned)
        if end < 0:
            if len(self._buffer) > self._limits.head:
                raise ProtocolError(431, self._too_large())
            if b"\n\n" in self._buffer[self._scanned :]:
                raise ProtocolError(400, "Lines must end with CRLF.")
            # Three bytes of the separator may be here already.
            self._scanned = max(0, len(self._buffer) - 3)
            return None
        end += 4
        if end > self._limits.head:
            raise ProtocolError(431, self._too_large())
        self._scanned = 0
        head, self._buffer = self._buffer[:end], self._buffer[end:]
        return self._parse_head(head)

    def _parse_head(self, head: bytes) -> Request:
        line = _REQUEST_LINE.match(head)
        if line is None:
            if _OTHER_VERSION.match(head):
                raise ProtocolError(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
            raise ProtocolError(400, "The request line must be: method, target, HTTP/1.1.")
        method, target, minor = line.groups()
        if len(target) > self._limits.target:
            raise ProtocolError(
                414, f"The target must not be longer than {self._limits.target} bytes."
            )
        fields = _FieldList()
        try:
            httptools.HttpRequestParser(fields).feed_data(head)
        except httptools.HttpParserUpgrade:
            # Not taken up: the request is served as if it had not been offered (RFC 9110 7.8).
            pass
        except httptools.HttpParserError as error:
            raise ProtocolError(400, f"The request is not valid HTTP: {error}.") from error
        if len(fields) > self._limits.fields:
            raise ProtocolError(
                431, f"A request must not have more than {self._limits.fields} header fields."
            )
        path, mark, query = _origin_form(target).partition(b"?")
        http11 = minor == b"1"
        self._frame(fields, http11)
        return Request(method, path, mark + query, http11, _keep_alive(fields, http11), fields)

    def _frame(self, fields: Fields, http11: bool) -> None:
        """Find out how the body is framed; exactly one reading must be possible."""
        single = _singular(fields)
        host = single.get(b"host")
        if host is None and http11:
            raise ProtocolError(400, "A request must have a Host.")
        if host is not None and _HOST.fullmatch(host) is None:
            raise ProtocolError(400, "The Host must be a host name, with a port if needed.")
        coding = single.get(b"transfer-encoding")
        length = single.get(b"content-length")
        if coding is not None:
            if coding.lower() != b"chunked" or not http11 or length is not None:
                raise ProtocolError(
                    400, "A Transfer-Encoding must be exactly: chunked, in HTTP/1.1, alone."
                )
            self._body = ChunkedBody(self._limits.body)
        elif length is not None and (size := int(length)) > 0:
            if size > self._limits.body:
                raise ProtocolError(
                    413, f"The body must not be larger than {self._limits.body} bytes."
                )
            self._body = SizedBody(size)
        expected = single.get(b"expect")
        if expected is not None and http11:
            if expected.lower() != b"100-continue":
                raise ProtocolError(417, "The only expectation that is met is: 100-continue.")
            self._wants_continue = self._body is not None and not self._buffer

    def _too_large(self) -> str:
        return f"The request line and header fields must fit into {self._limits.head} bytes."


def _singular(fields: Fields) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in _SINGULAR:
            if name in found:
                raise ProtocolError(400, f"{name.decode().title()} must not be given twice.")
            found[name] = value
    return found


def _keep_alive(fields: Fields, http11: bool) -> bool:
    """Whether the client lets the connection be used again (RFC 9112 9.3)."""
    options = connection_options(fields)
    return b"close" not in options and (http11 or b"keep-alive" in options)


def connection_options(fields: Fields) -> list[bytes]:
    """What the Connection fields list, in lower case (RFC 9110 7.6.1)."""
    return [
        option.strip(b" \t").lower()
        for name, value in fields
        if name == b"connection"
        for option in value.split(b",")
    ]


def _origin_form(target: bytes) -> bytes:
    """The path and query of a target that may be absolute (RFC 9112 3.2.2) or an asterisk."""
    if target.startswith(b"/") or target == b"*":
        return target
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in {b"http", b"https"}:
        raise ProtocolError(400, "The target must be a path such as /v1/chat/completions.")
    _, slash, path = rest.partition(b"/")
    return slash + path or b"/"
