"""Which header fields pass, in either direction."""

import pytest

from tierfleet.sidecar.headers import field_value, to_client, to_engine, trace_id
from tierfleet.sidecar.http1 import Fields, Request


def lines(*fields: tuple[bytes, bytes]) -> list[bytes]:
    request = Request(b"POST", b"/v1/completions", b"?a=1", True, True, list(fields))
    return to_engine(request, b"127.0.0.1:8000", b"req-1").split(b"\r\n")


def test_the_engine_is_asked_in_our_name() -> None:
    assert lines((b"host", b"api.example.com"), (b"x-request-id", b"theirs")) == [
        b"POST /v1/completions?a=1 HTTP/1.1",
        b"host: 127.0.0.1:8000",
        b"via: 1.1 tierfleet",
        b"x-request-id: req-1",
        b"",
    ]


def test_what_the_client_says_of_the_request_passes() -> None:
    assert b"traceparent: 00-1" in lines((b"traceparent", b"00-1"))
    assert b"content-type: application/json" in lines((b"content-type", b"application/json"))


def test_secrets_and_claims_of_identity_do_not_reach_the_engine() -> None:
    withheld: Fields = [
        (b"authorization", b"Bearer k"),
        (b"x-api-key", b"k"),
        (b"cookie", b"k"),
        (b"x-llm-d-inference-fairness-id", b"k"),
        (b"x-gateway-inference-objective", b"k"),
        (b"x-tierfleet-tier", b"k"),
    ]
    assert not [line for line in lines(*withheld) if line.endswith(b"k")]


def test_fields_of_one_connection_end_there() -> None:
    hop_by_hop: Fields = [
        (b"connection", b"keep-alive, X-Private"),
        (b"x-private", b"gone"),
        (b"keep-alive", b"gone"),
        (b"te", b"gone"),
        (b"upgrade", b"gone"),
        (b"proxy-authorization", b"gone"),
        (b"transfer-encoding", b"gone"),
        (b"accept-encoding", b"gone"),
    ]
    assert not [line for line in lines(*hop_by_hop) if b"gone" in line or b"private" in line]
    response: Fields = [*hop_by_hop, (b"content-type", b"text/plain")]
    assert to_client(response) == b"accept-encoding: gone\r\ncontent-type: text/plain\r\n"


def test_the_engine_does_not_speak_for_us() -> None:
    assert to_client([(b"x-ratelimit-limit-requests", b"1"), (b"x-tierfleet-tier", b"x")]) == b""


def test_a_name_cannot_break_out_of_its_line() -> None:
    assert field_value("a b/c@d") == b"a b/c@d"
    assert field_value("a\r\nb: c\u00e4") == b"a%0D%0Ab: c%C3%A4"


TRACE = b"0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("given", "trace"),
    [
        (b"00-" + TRACE + b"-b7ad6b7169203331-01", TRACE.decode()),
        (b"01-" + TRACE + b"-b7ad6b7169203331-01-later", TRACE.decode()),
        (b"ff-" + TRACE + b"-b7ad6b7169203331-01", ""),
        (b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01", ""),
        (b"00-" + TRACE + b"-" + b"0" * 16 + b"-01", ""),
        (b"00-" + TRACE.upper() + b"-b7ad6b7169203331-01", ""),
        (b"rubbish", ""),
    ],
)
def test_a_callers_trace_is_known_and_passed_on(given: bytes, trace: str) -> None:
    fields = [(b"traceparent", given), (b"tracestate", b"a=1")]
    request = Request(b"POST", b"/", b"", True, True, fields)
    assert trace_id(request) == trace
    assert b"traceparent: " + given in to_engine(request, b"engine", b"id")
    assert b"tracestate: a=1" in to_engine(request, b"engine", b"id")
