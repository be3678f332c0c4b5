"""Which header fields pass through, and what is added on the way to the engine. Pure.

It knows nothing of sockets or of why a request is allowed.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from tierfleet.sidecar.http1 import Fields, Request, connection_options

# RFC 9110 7.6.1, with what RFC 2616 listed and old peers still send.
_HOP_BY_HOP: Final = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
        b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
# Written anew for the engine, or none of its business: a caller's key must not reach it, and what
# it answers must not be compressed, because the usage in it is read.
_NOT_FOR_THE_ENGINE: Final = _HOP_BY_HOP | {
    b"accept-encoding", b"authorization", b"content-length", b"cookie", b"expect",
    b"host", b"http2-settings", b"via", b"x-api-key", b"x-request-id",
}  # fmt: skip
# Who a caller is, is decided here: nobody tells the engine, or the next proxy, anything else.
_IDENTITY: Final = (b"x-llm-d-", b"x-tierfleet-", b"x-gateway-")
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)
# Said by us with the truth about the request, whatever the engine says.
_OURS: Final = (b"x-ratelimit-", b"x-tierfleet-")
_NOT_FOR_THE_CLIENT: Final = _HOP_BY_HOP | {b"content-length", b"x-request-id"}


def to_engine(
    request: Request,
    host: bytes,
    request_id: bytes,
    identity: frozenset[bytes] = frozenset(),
) -> bytes:
    """Head of the request that the engine gets, up to its Content-Length.

    Args:
        request: the client's.
        host: the engine's authority.
        request_id: given on, so that the engine's log can be found.
        identity: further header fields that say who calls.
    """
    dropped = _NOT_FOR_THE_ENGINE | identity if identity else _NOT_FOR_THE_ENGINE
    fields = _end_to_end(request.fields, dropped, _IDENTITY)
    return b"POST %b%b HTTP/1.1\r\nhost: %b\r\nvia: 1.1 tierfleet\r\nx-request-id: %b\r\n%b" % (
        request.path,
        request.query,
        host,
        request_id,
        _lines(fields),
    )


def to_client(fields: Fields) -> bytes:
    """The engine's header fields that the client sees."""
    return _lines(_end_to_end(fields, _NOT_FOR_THE_CLIENT, _OURS))


def trace_id(request: Request) -> str:
    """Of the caller's trace (W3C Trace Context 3.2.2), empty without a valid `traceparent`."""
    given = request.field(b"traceparent")
    found = None if given is None else _TRACEPARENT.fullmatch(given)
    return "" if found is None else found[1].decode()


@lru_cache(maxsize=4096)
def field_value(name: str) -> bytes:
    """A name from the plan as a field's value; what could break the line is percent-encoded."""
    return quote(name, safe=" !#$&'()*+,/:;=?@[]~").encode()


def _end_to_end(
    fields: Fields, dropped: frozenset[bytes], prefixes: tuple[bytes, ...]
) -> Iterable[tuple[bytes, bytes]]:
    listed = connection_options(fields)
    if listed:
        dropped = dropped.union(listed)
    return [
        field for field in fields if field[0] not in dropped and not field[0].startswith(prefixes)
    ]


def _lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in fields])
