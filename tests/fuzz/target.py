"""What is fuzzed: everything that reads bytes from strangers, without sockets.

The first byte of an input chooses a reader, the second how the rest comes in pieces. Nothing may be
raised but what a reader documents; the same bytes in other pieces are read the same; what a second,
independent parser (h11) reads too is read alike; and what is sent to the engine is one request.
"""

from collections.abc import Callable
from typing import Final

import h11

from tierfleet.sidecar.errors import ProtocolError
from tierfleet.sidecar.headers import to_engine
from tierfleet.sidecar.http1 import ReadLimits, Request, RequestReader
from tierfleet.sidecar.response import ResponseError, ResponseReader
from tierfleet.sidecar.surfaces.meters import DocumentMeter, Meter, StreamMeter
from tierfleet.sidecar.surfaces.surface import BadBodyError, for_engine
from tierfleet.sidecar.surfaces.table import SURFACES

LIMITS: Final = ReadLimits(head=4096, fields=50, target=1024, body=8192)
_SURFACES: Final = list(SURFACES.values())
_ASKED: Final = b'{"model":"a","stream":true,"service_tier":"auto"}'


def one(data: bytes) -> None:
    """Try one input.

    Raises:
        AssertionError: a property does not hold.
    """
    if len(data) > 2:
        _READERS[data[0] % len(_READERS)](data[2:], 1 + data[1] % 64)


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _requests(data: bytes, size: int) -> None:
    whole, rest, refused = _read([data])
    again, rest_again, refused_again = _read(_pieces(data, size))
    assert whole == again, "the same bytes in other pieces are other requests"
    assert refused == refused_again
    if not refused:
        assert rest == rest_again
    if whole:
        _compare(data, whole[0])
        for request in whole:
            _pass_on(request)


def _read(pieces: list[bytes]) -> tuple[list[Request], int, bool]:
    """Requests, bytes that are left over, and whether the reader refused to go on."""
    reader = RequestReader(LIMITS)
    found: list[Request] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (request := reader.next()) is not None:
                found.append(_Same(request))
                reader.wants_continue()
    except ProtocolError as problem:
        assert 400 <= problem.status < 600
        assert problem.message.endswith(".")
        return found, 0, True
    assert reader.buffered <= len(b"".join(pieces))
    return found, reader.buffered, False


class _Same(Request):
    """A request that is equal to one with the same content."""

    def __init__(self, of: Request) -> None:
        super().__init__(of.method, of.path, of.query, of.http11, of.keep_alive, of.fields, of.body)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and _content(self) == _content(other)

    def __hash__(self) -> int:
        return hash(self.path)


def _content(request: Request) -> tuple[object, ...]:
    """Its content."""
    return (
        request.method, request.path, request.query, request.http11, request.keep_alive,
        request.fields, request.body,
    )  # fmt: skip


def _compare(data: bytes, ours: Request) -> None:
    """With h11, where it reads the first request too."""
    theirs = h11.Connection(h11.SERVER, max_incomplete_event_size=LIMITS.head * 4)
    # h11 takes no empty lines before a request.
    theirs.receive_data(data.lstrip(b"\r\n"))
    body = b""
    head: h11.Request | None = None
    try:
        while True:
            event = theirs.next_event()
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return
    except h11.RemoteProtocolError:
        return
    assert head is not None
    assert bytes(head.method) == ours.method
    assert body == ours.body, "two parsers read two bodies"
    # h11 writes how a body is framed in its own way.
    fields = [(bytes(name), bytes(value)) for name, value in head.headers]
    assert _unframed(fields) == _unframed(ours.fields)


def _unframed(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    framing = {b"content-length", b"transfer-encoding"}
    return [field for field in fields if field[0] not in framing]


def _pass_on(request: Request) -> None:
    """What the engine would get is one request, with the same body."""
    head = to_engine(request, b"engine", b"id")
    sent = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(request.body), request.body)
    reader = RequestReader(ReadLimits(head=LIMITS.head * 2, fields=100, body=LIMITS.body * 2))
    reader.feed(sent)
    got = reader.next()
    assert got is not None, sent
    assert got.body == request.body
    assert reader.buffered == 0
    names = {name for name, _ in got.fields}
    assert not names & {b"authorization", b"x-api-key", b"transfer-encoding", b"connection"}


def _responses(data: bytes, size: int) -> None:
    assert _response([data]) == _response(_pieces(data, size))


def _response(pieces: list[bytes]) -> tuple[object, ...]:
    reader = ResponseReader()
    body = b""
    try:
        for piece in pieces:
            body += reader.feed(piece)
    except ResponseError:
        return ("refused",)
    return reader.status, reader.fields, body, reader.complete


def _bodies(data: bytes, size: int) -> None:
    surface = _SURFACES[size % len(_SURFACES)]
    try:
        asked = surface.read(data)
    except BadBodyError as problem:
        assert problem.message.endswith(".")
        return
    again = surface.read(for_engine(data, asked, "name", -7))
    assert again.model == "name"
    assert again.service_tier is None
    assert again.sequences >= 1


def _streams(data: bytes, size: int) -> None:
    surface = _SURFACES[size % len(_SURFACES)]
    asked = surface.read(_ASKED)
    makes: list[Callable[[], Meter]] = [
        lambda: StreamMeter(surface, asked, "gold"), lambda: DocumentMeter(surface, asked, "gold"),
    ]  # fmt: skip
    for make in makes:
        whole, parts = make(), make()
        first = whole.feed(data) + whole.close()
        second = b"".join(map(parts.feed, _pieces(data, size))) + parts.close()
        if b"\r\n\r\n" not in data:
            assert first == second, "the same answer in other pieces is another answer"
        if whole.usage is None:
            assert 0 <= whole.output_tokens <= len(data)


_READERS: Final = (_requests, _requests, _responses, _bodies, _streams)
