"""HTTP/1.1 requests as bytes (RFC 9112), read one at a time and strictly.

Sans-IO: bytes are fed in, whole requests come out; sockets, time and what a request means are
somebody else's. What two parsers could read differently is refused (the list is in
`docs/sidecar.md`).

One pass over the lines of a head. httptools would let through much of what is refused here, so all
of it would have to be looked at a second time; and calling back for each field takes longer than
splitting does (docs/performance.md).
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, cast

from tierfleet.sidecar.chunked import Body, ChunkedBody, SizedBody
from tierfleet.sidecar.errors import ProtocolError

Fields = list[tuple[bytes, bytes]]
"""Header fields in order; names in lower case, values without white space around them."""

_METHOD: Final = re.compile(rb"[A-Z]{1,20}")
_VERSION: Final = re.compile(rb"HTTP/[0-9](?:\.[0-9])?")
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)+")
# RFC 9110 5.5: what a value, and so a line, may hold.
_TEXT: Final = bytes([9, *range(32, 127), *range(128, 256)])
# RFC 3986 2, without the fragment that is never sent (RFC 9112 3.2).
_TARGET: Final = bytes(set(range(33, 127)) - {ord("#")})
# RFC 3986 3.2.2 and 3.2.3.
_HOST: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~!$&'()*+,;=:%[]-"
# Two of these would let two readers of one request pick different ones.
_SINGULAR: Final = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"authorization", b"x-api-key", b"expect"}
)


# Names as they are spelled, and in lower case: nearly all requests bring the same few.
_seen_names: dict[bytes, bytes] = {}
_MOST_NAMES: Final = 1024
# Digits of a Content-Length: every larger number is beyond any limit, or a trap for parsers.
_LONGEST_LENGTH: Final = 18
_LONGEST_NAME: Final = 64


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

    __slots__ = ("body", "fields", "http11", "keep_alive", "method", "path", "query")

    def __init__(
        self,
        method: bytes,
        path: bytes,
        query: bytes,
        http11: bool,
        keep_alive: bool,
        fields: Fields,
        body: bytes = b"",
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.http11 = http11
        self.keep_alive = keep_alive
        self.fields = fields
        self.body = body

    def field(self, name: bytes) -> bytes | None:
        """Value of the first field of that lower-case name."""
        for field, value in self.fields:
            if field == name:
                return value
        return None


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

    @property
    def pending(self) -> Request | None:
        """A request of which a part of the body is missing."""
        return self._pending if self._body is not None else None

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
        """The request without its body; the head ends with an empty line."""
        lines = head[:-4].split(b"\r\n")
        if head.translate(None, _TEXT) != b"\r\n" * (len(lines) + 1):
            raise ProtocolError(400, "Only CRLF may end a line, and no line may hold controls.")
        method, target, http11 = self._request_line(lines[0])
        if len(lines) > self._limits.fields + 1:
            raise ProtocolError(
                431, f"A request must not have more than {self._limits.fields} header fields."
            )
        fields: Fields = []
        single: dict[bytes, bytes] = {}
        for line in lines[1:]:
            colon = line.find(b":")
            spelled = line[:colon] if colon >= 0 else b""
            name = _seen_names.get(spelled) or _field_name(spelled)
            value = line[colon + 1 :].strip(b" \t")
            fields.append((name, value))
            if name in _SINGULAR:
                if name in single:
                    raise ProtocolError(400, f"{name.decode().title()} must not be given twice.")
                single[name] = value
        self._frame(single, http11)
        path, mark, query = target.partition(b"?")
        return Request(method, path, mark + query, http11, _keep_alive(fields, http11), fields)

    def _request_line(self, line: bytes) -> tuple[bytes, bytes, bool]:
        """Method, target in origin form, and whether it is HTTP/1.1."""
        parts = line.split(b" ")
        if len(parts) == 3:
            method, target, version = parts
            http11 = version == b"HTTP/1.1"
            if len(target) > self._limits.target:
                raise ProtocolError(
                    414, f"The target must not be longer than {self._limits.target} bytes."
                )
            if (
                method == b"POST" or _METHOD.fullmatch(method) is not None
            ) and not target.translate(None, _TARGET):
                if http11 or version == b"HTTP/1.0":
                    return method, _origin_form(target), http11
                if _VERSION.fullmatch(version) is not None:
                    raise ProtocolError(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        raise ProtocolError(400, "The request line must be: method, target, HTTP/1.1.")

    def _frame(self, single: dict[bytes, bytes], http11: bool) -> None:
        """Find out how the body is framed; exactly one reading must be possible."""
        host = single.get(b"host")
        if host is None and http11:
            raise ProtocolError(400, "A request must have a Host.")
        if host is not None and (not host or host.translate(None, _HOST)):
            raise ProtocolError(400, "The Host must be a host name, with a port if needed.")
        coding = single.get(b"transfer-encoding")
        length = single.get(b"content-length")
        if length is not None and not (length.isdigit() and len(length) <= _LONGEST_LENGTH):
            raise ProtocolError(400, "The Content-Length must be a number of bytes.")
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


def _field_name(spelled: bytes) -> bytes:
    """A name that has not been seen yet, in lower case."""
    if _NAME.fullmatch(spelled) is None:
        raise ProtocolError(400, "A header field must be: name, colon, value, on one line.")
    name = spelled.lower()
    # Bounded: a stranger chooses the names.
    if len(spelled) <= _LONGEST_NAME and len(_seen_names) < _MOST_NAMES:
        _seen_names[spelled] = name
    return name


def _keep_alive(fields: Fields, http11: bool) -> bool:
    """Whether the client lets the connection be used again (RFC 9112 9.3)."""
    options = connection_options(fields)
    if not options:
        return http11
    return b"close" not in options and (http11 or b"keep-alive" in options)


def connection_options(fields: Fields) -> list[bytes]:
    """What the Connection fields list, in lower case (RFC 9110 7.6.1)."""
    options: list[bytes] = []
    for name, value in fields:
        if name == b"connection":
            for option in value.split(b","):
                options.append(option.strip(b" \t").lower())  # noqa: PERF401 - compiles well
    return options


def _origin_form(target: bytes) -> bytes:
    """The path and query of a target that may be absolute (RFC 9112 3.2.2) or an asterisk."""
    if target.startswith(b"/") or target == b"*":
        return target
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in {b"http", b"https"}:
        raise ProtocolError(400, "The target must be a path such as /v1/chat/completions.")
    _, slash, path = rest.partition(b"/")
    return slash + path or b"/"
