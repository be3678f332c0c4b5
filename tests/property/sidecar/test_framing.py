"""Framing: how bytes are cut into pieces on their way must not change what is read."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tierfleet.sidecar.errors import ProtocolError
from tierfleet.sidecar.http1 import ReadLimits, RequestReader
from tierfleet.sidecar.response import ResponseError, ResponseReader

LIMITS = ReadLimits(head=2048, fields=20, target=256, body=4096)
TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=12)
VALUE = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20
).filter(lambda value: not any("\x7f" <= c <= "\x9f" for c in value))
BODY = st.binary(max_size=200)


@dataclass
class Sent:
    """A request as bytes, and what must be read of it."""

    data: bytes
    path: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes


def in_chunks(body: bytes, sizes: list[int]) -> bytes:
    framed = b""
    for size in sizes:
        piece, body = body[:size], body[size:]
        if piece:
            framed += b"%X;ext=1\r\n%b\r\n" % (len(piece), piece)
    if body:
        framed += b"%x\r\n%b\r\n" % (len(body), body)
    return framed + b"0\r\nX-Trailer: 1\r\n\r\n"


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    path = b"/" + draw(TOKEN).encode()
    names = draw(st.lists(TOKEN.map("x-".__add__), max_size=5))
    fields = [(name.encode(), draw(VALUE).encode("latin-1")) for name in names]
    body = draw(BODY)
    if draw(st.booleans()):
        framing = b"Transfer-Encoding: chunked\r\n"
        framed = in_chunks(body, draw(st.lists(st.integers(1, 50), max_size=5)))
    else:
        framing = b"Content-Length: %d\r\n" % len(body)
        framed = body
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    head = b"POST %b HTTP/1.1\r\nHost: a\r\n%b%b\r\n" % (path, lines, framing)
    return Sent(head + framed, path, [(n, v.strip(b" \t")) for n, v in fields], body)


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The bytes in pieces of any size."""
    at = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=20)))
    return [data[i:j] for i, j in zip([0, *at], [*at, len(data)], strict=True) if i < j]


def read_all(pieces: list[bytes]) -> tuple[list[tuple[bytes, bytes, object]], int]:
    """What a connection reads: requests, and the status of a refusal or 0."""
    reader = RequestReader(LIMITS)
    found: list[tuple[bytes, bytes, object]] = []
    for piece in pieces:
        reader.feed(piece)
        try:
            while (request := reader.next()) is not None:
                found.append((request.path, request.body, request.fields))
        except ProtocolError as problem:
            return found, problem.status
    return found, 0


@given(st.data(), st.lists(requests(), min_size=1, max_size=4))
def test_requests_are_read_the_same_however_they_arrive(
    data: st.DataObject, sent: list[Sent]
) -> None:
    stream = b"".join(request.data for request in sent)
    found, refused = read_all(data.draw(cut(stream)))
    assert not refused
    assert [(path, body) for path, body, _ in found] == [(r.path, r.body) for r in sent]
    for (_, _, fields), request in zip(found, sent, strict=True):
        assert isinstance(fields, list)
        assert [field for field in fields if field[0].startswith(b"x-")] == request.fields


# Pieces of HTTP in any order: far more likely to be nearly right than random bytes.
FRAGMENTS = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"Host: a\r\n", b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"\r\n", b"\n", b"\r", b"abc",
        b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\n", b" ", b"\t", b":", b"X: y\r\n", b"\0", b"3;a\r\n",
        b"Expect: 100-continue\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    ]
)  # fmt: skip
NEARLY_HTTP = st.lists(FRAGMENTS | st.binary(max_size=4), max_size=25).map(b"".join)


@given(st.data(), NEARLY_HTTP)
def test_any_bytes_are_read_the_same_however_they_arrive(data: st.DataObject, raw: bytes) -> None:
    whole, refused_whole = read_all([raw])
    pieces, refused_pieces = read_all(data.draw(cut(raw)) if raw else [])
    # A refusal may come earlier when bytes trickle in, but never after more, or other, requests.
    assert pieces == whole[: len(pieces)]
    if not refused_whole and not refused_pieces:
        assert pieces == whole


@given(requests(), NEARLY_HTTP)
def test_one_request_never_becomes_two(sent: Sent, after: bytes) -> None:
    reader = RequestReader(LIMITS)
    reader.feed(sent.data + after)
    request = reader.next()
    assert request is not None
    assert request.body == sent.body
    assert reader.buffered == len(after)


@given(st.data(), BODY, st.booleans(), st.booleans())
def test_responses_are_read_the_same_however_they_arrive(
    data: st.DataObject, body: bytes, chunked: bool, informed: bool
) -> None:
    framing = (
        b"Transfer-Encoding: chunked\r\n\r\n" + in_chunks(body, [7, 20])
        if chunked
        else b"Content-Length: %d\r\n\r\n" % len(body) + body
    )
    prelude = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" if informed else b""
    reader = ResponseReader()
    found = b""
    for piece in data.draw(cut(prelude + b"HTTP/1.1 200 OK\r\nX-One: 1\r\n" + framing)):
        assert not reader.complete
        found += reader.feed(piece)
    assert reader.complete
    assert reader.status == 200
    assert (b"x-one", b"1") in reader.fields
    assert (b"link", b"a") not in reader.fields
    assert (b"x-trailer", b"1") not in reader.fields
    assert found == body


@given(st.data(), NEARLY_HTTP)
def test_a_broken_response_is_an_error_and_never_two_responses(
    data: st.DataObject, raw: bytes
) -> None:
    reader = ResponseReader()
    try:
        for piece in data.draw(cut(raw)) if raw else []:
            reader.feed(piece)
    except ResponseError:
        return
    assert not reader.complete or reader.status >= 200
