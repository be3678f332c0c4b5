"""Requests as bytes: what is read, what is refused, and in which order."""

import pytest

from tierfleet.sidecar.errors import ProtocolError
from tierfleet.sidecar.http1 import Phase, ReadLimits, Request, RequestReader

LIMITS = ReadLimits(head=1024, fields=10, target=128, body=100)


def read(data: bytes) -> Request:
    reader = RequestReader(LIMITS)
    reader.feed(data)
    request = reader.next()
    assert request is not None
    return request


def post(fields: bytes, body: bytes = b"") -> bytes:
    return b"POST /v1/completions HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


def test_a_request_is_read_with_its_fields_and_body() -> None:
    request = read(
        b"POST /v1/completions?x=1 HTTP/1.1\r\nHost: a:80\r\nX-One:  1 \t\r\nContent-Length: 2\r\n"
        b"\r\nhi"
    )
    assert request.method == b"POST"
    assert request.path == b"/v1/completions"
    assert request.query == b"?x=1"
    assert request.field(b"x-one") == b"1"
    assert request.body == b"hi"
    assert request.http11
    assert request.keep_alive


def test_a_chunked_body_is_read_without_its_framing() -> None:
    body = b"3\r\nabc\r\n0A;ext=1\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n"
    assert read(chunked(body)).body == b"abc0123456789"


def test_pipelined_requests_come_one_at_a_time_and_in_order() -> None:
    reader = RequestReader(LIMITS)
    reader.feed(
        post(b"Content-Length: 3\r\n", b"one")
        + chunked(b"3\r\ntwo\r\n0\r\n\r\n")
        + b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    first, second, third = reader.next(), reader.next(), reader.next()
    assert first is not None
    assert first.body == b"one"
    assert second is not None
    assert second.body == b"two"
    assert third is not None
    assert third.path == b"/last"
    assert reader.next() is None
    assert reader.phase is Phase.IDLE


def test_the_reader_says_what_it_waits_for() -> None:
    reader = RequestReader(LIMITS)
    phases = [reader.phase]
    for data in (b"POST / HTTP/1.1\r\n", b"Host: a\r\nContent-Length: 2\r\n\r\nx", b"y"):
        reader.feed(data)
        reader.next()
        phases.append(reader.phase)
    assert phases == [Phase.IDLE, Phase.HEAD, Phase.BODY, Phase.IDLE]


def test_a_client_that_waits_for_a_100_is_noticed_once() -> None:
    reader = RequestReader(LIMITS)
    reader.feed(post(b"Content-Length: 2\r\nExpect: 100-continue\r\n"))
    assert reader.next() is None
    assert reader.wants_continue()
    assert not reader.wants_continue()


def test_a_client_that_did_not_wait_for_the_100_gets_none() -> None:
    reader = RequestReader(LIMITS)
    reader.feed(post(b"Content-Length: 2\r\nExpect: 100-continue\r\n", b"x"))
    assert reader.next() is None
    assert not reader.wants_continue()


@pytest.mark.parametrize(
    ("line", "keep_alive"),
    [
        (b"HTTP/1.1\r\nHost: a\r\n", True),
        (b"HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", False),
        (b"HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n", False),
        (b"HTTP/1.0\r\n", False),
        (b"HTTP/1.0\r\nConnection: Keep-Alive\r\n", True),
    ],
)
def test_the_client_says_whether_the_connection_is_kept(line: bytes, keep_alive: bool) -> None:
    assert read(b"GET / " + line + b"\r\n").keep_alive is keep_alive


def test_an_upgrade_that_is_offered_is_not_taken_up() -> None:
    head = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
    assert read(post(head + b"Content-Length: 2\r\n", b"hi")).body == b"hi"


@pytest.mark.parametrize("target", [b"http://a/x?y=1", b"HTTPS://a:8/x?y=1"])
def test_an_absolute_target_is_read_as_its_path(target: bytes) -> None:
    request = read(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (request.path, request.query) == (b"/x", b"?y=1")


def test_empty_lines_before_a_request_are_ignored() -> None:
    assert read(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").path == b"/"


GET = b"GET / HTTP/1.1\r\n"
AMBIGUOUS = {
    # RFC 9112 6.3, 6.1: how long is the body?
    "both lengths": post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "both lengths, other order": post(
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"
    ),
    "two lengths": post(b"Content-Length: 1\r\nContent-Length: 2\r\n", b"ab"),
    "two equal lengths": post(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"ab"),
    "a list of lengths": post(b"Content-Length: 2, 2\r\n", b"ab"),
    "a signed length": post(b"Content-Length: +2\r\n", b"ab"),
    "a negative length": post(b"Content-Length: -2\r\n", b"ab"),
    "a length in hex": post(b"Content-Length: 0x2\r\n", b"ab"),
    "a length with a gap": post(b"Content-Length: 1 1\r\n", b"ab"),
    "an empty length": post(b"Content-Length:\r\n", b"ab"),
    "a length beyond 64 bits": post(b"Content-Length: 99999999999999999999\r\n", b"ab"),
    "another coding": post(b"Transfer-Encoding: gzip\r\n", b"0\r\n\r\n"),
    "two codings": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "chunked not last": post(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
    "chunked in two fields": post(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"
    ),
    "nearly chunked": post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "quoted chunked": post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
    "an empty coding": post(b"Transfer-Encoding:\r\n", b"0\r\n\r\n"),
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    # RFC 9112 2.2, 5.1, 5.2: where does a line end, where does a name end?
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF after a field": GET + b"Host: a\nX: 1\r\n\r\n",
    "bare LF throughout": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF before the request": b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare LF at the end of the head": GET + b"Host: a\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare CR in a value": GET + b"Host: a\r\nX: 1\rY: 2\r\n\r\n",
    "bare CR at the end of a line": GET + b"Host: a\rX: 1\r\n\r\n",
    "obs-fold": GET + b"Host: a\r\nX: 1\r\n 2\r\n\r\n",
    "obs-fold with a tab": GET + b"Host: a\r\nX: 1\r\n\t2\r\n\r\n",
    "white space before the colon": GET + b"Host : a\r\n\r\n",
    "white space before the first field": GET + b" Host: a\r\n\r\n",
    "a field without a colon": GET + b"Host: a\r\nX\r\n\r\n",
    "a field without a name": GET + b"Host: a\r\n: 1\r\n\r\n",
    "NUL in a value": GET + b"Host: a\r\nX: \0\r\n\r\n",
    "a control character in a value": GET + b"Host: a\r\nX: \x01\r\n\r\n",
    "a name that is not a token": GET + b"Host: a\r\nX(1): 1\r\n\r\n",
    # RFC 9112 3: what is asked for?
    "two spaces before the target": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces after the target": b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tab in the request line": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space after the version": b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "a space before the method": b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a lower-case method": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\nHost: a\r\n\r\n",
    "another protocol": b"GET / RTSP/1.0\r\nHost: a\r\n\r\n",
    "a fragment in the target": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a control character in the target": b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes beyond ASCII in the target": b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a relative target": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    # RFC 9112 3.2: who is asked?
    "no Host": GET + b"X: 1\r\n\r\n",
    "two Hosts": GET + b"Host: a\r\nHost: a\r\n\r\n",
    "an empty Host": GET + b"Host:\r\n\r\n",
    "a Host with a path": GET + b"Host: a/b\r\n\r\n",
    "a Host with a space": GET + b"Host: a b\r\n\r\n",
    # Who asks?
    "two Authorizations": GET + b"Host: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
    "two keys": GET + b"Host: a\r\nx-api-key: a\r\nX-Api-Key: b\r\n\r\n",
    # RFC 9112 7.1
    "a chunk size with a sign": chunked(b"+1\r\na\r\n0\r\n\r\n"),
    "a chunk size with 0x": chunked(b"0x1\r\na\r\n0\r\n\r\n"),
    "a chunk size with a space": chunked(b"1 \r\na\r\n0\r\n\r\n"),
    "a chunk size with an underscore": chunked(b"1_0\r\na\r\n0\r\n\r\n"),
    "an empty chunk size": chunked(b"\r\na\r\n0\r\n\r\n"),
    "a chunk size of 16 digits": chunked(b"0000000000000001\r\na\r\n0\r\n\r\n"),
    "a chunk longer than its size": chunked(b"1\r\nab\r\n0\r\n\r\n"),
    "a chunk without its CRLF": chunked(b"1\r\na0\r\n\r\n"),
    "a chunk that ends with LF": chunked(b"1\r\na\n0\r\n\r\n"),
    "a chunk size that ends with LF": chunked(b"1\na\r\n0\r\n\r\n"),
    "an extension that ends with LF": chunked(b"1;a\na\r\n0\r\n\r\n"),
    "an extension with CR in it": chunked(b"1;a\rb\r\na\r\n0\r\n\r\n"),
    "an endless extension": chunked(b"1;" + b"a" * 300),
    "a trailer without a colon": chunked(b"0\r\nX\r\n\r\n"),
    "a trailer that ends with LF": chunked(b"0\r\nX: 1\n\r\n"),
    "endless trailers": chunked(b"0\r\n" + b"X: 1\r\n" * 1000),
}


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_could_be_read_in_two_ways_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        read(data)
    assert refused.value.status == 400


TOO_MUCH = {
    413: post(b"Content-Length: 101\r\n"),
    414: b"GET /" + b"a" * 128 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    417: post(b"Content-Length: 1\r\nExpect: tea\r\n"),
    431: GET + b"Host: a\r\nX: " + b"a" * 1024 + b"\r\n\r\n",
    505: b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("status", TOO_MUCH)
def test_what_is_too_much_or_not_spoken_is_refused(status: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        read(TOO_MUCH[status])
    assert refused.value.status == status


def test_a_chunked_body_that_grows_too_large_is_refused() -> None:
    with pytest.raises(ProtocolError) as refused:
        read(chunked(b"60\r\n" + b"a" * 0x60 + b"\r\n5\r\n"))
    assert refused.value.status == 413


def test_too_many_fields_are_refused() -> None:
    with pytest.raises(ProtocolError) as refused:
        read(GET + b"Host: a\r\n" + b"X: 1\r\n" * 10 + b"\r\n")
    assert refused.value.status == 431


def test_a_head_that_never_ends_is_refused() -> None:
    reader = RequestReader(LIMITS)
    reader.feed(GET + b"X: " + b"a" * 1100)
    with pytest.raises(ProtocolError) as refused:
        reader.next()
    assert refused.value.status == 431
