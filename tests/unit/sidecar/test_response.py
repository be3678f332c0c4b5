"""The engine's responses as bytes."""

import pytest

from tierfleet.sidecar.response import ResponseError, ResponseReader

OK = b"HTTP/1.1 200 OK\r\n"


def test_a_response_with_a_length_ends_there_and_the_connection_can_be_used_again() -> None:
    reader = ResponseReader()
    assert reader.feed(OK + b"Content-Length: 2\r\nX: 1 \r\n\r\nhi") == b"hi"
    assert (reader.status, reader.length, reader.complete, reader.reusable) == (200, 2, True, True)
    assert reader.fields == [(b"content-length", b"2"), (b"x", b"1")]


def test_the_next_response_on_the_connection_starts_from_nothing() -> None:
    reader = ResponseReader()
    reader.feed(OK + b"Content-Length: 2\r\n\r\nhi")
    reader.begin()
    assert (reader.status, reader.started, reader.complete) == (0, False, False)
    body = b"Transfer-Encoding: chunked\r\n\r\n2\r\nyo\r\n0\r\nX-Trailer: 1\r\n\r\n"
    assert reader.feed(b"HTTP/1.1 404 Not Found\r\n" + body) == b"yo"
    assert (reader.status, reader.length, reader.complete) == (404, None, True)
    assert reader.fields == [(b"transfer-encoding", b"chunked")]


def test_a_response_without_a_length_ends_with_its_connection() -> None:
    reader = ResponseReader()
    assert reader.feed(OK + b"\r\nhi") == b"hi"
    assert not reader.complete
    assert reader.ends_at_eof()


@pytest.mark.parametrize("framing", [b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_response_with_a_length_does_not_end_with_its_connection(framing: bytes) -> None:
    reader = ResponseReader()
    reader.feed(OK + framing + b"\r\n")
    assert not reader.ends_at_eof()


def test_a_connection_that_the_engine_closes_is_not_used_again() -> None:
    reader = ResponseReader()
    reader.feed(OK + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
    assert reader.complete
    assert not reader.reusable


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        OK + b"Content-Length: 2\r\n\r\nhi" + OK + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ],
)
def test_what_is_not_one_response_is_an_error(data: bytes) -> None:
    with pytest.raises(ResponseError):
        ResponseReader().feed(data)
