"""Request lines, hosts, fields, and what belongs to one connection."""

from tests.conformance.case import BODY, KEY, Case, bad, chunked, chunks, ok, post

MODELS = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n" + KEY + b"\r\n"


def models(line: bytes, rest: bytes = b"Host: a\r\n" + KEY + b"\r\n") -> bytes:
    return line + rest


def seen(name: str, section: str, *sent: bytes, **rest: object) -> Case:
    """Answered by the sidecar itself, so the engine sees nothing."""
    return Case(name, section, sent, reached=0, **rest)  # type: ignore[arg-type]


LINES = [
    seen("a GET", "9112 3", MODELS),
    seen("a HEAD has no body", "9110 9.3.2", models(b"HEAD /v1/models HTTP/1.1\r\n")),
    seen("a query", "3986 3.4", models(b"GET /v1/models?limit=1&after=a%20b HTTP/1.1\r\n")),
    seen("the absolute form", "9112 3.2.2", models(b"GET http://a/v1/models HTTP/1.1\r\n")),
    seen("the absolute form, scheme in upper case", "3986 3.1", models(b"GET HTTP://a/v1/models HTTP/1.1\r\n")),
    seen("the absolute form without a path", "9112 3.2.2", models(b"GET http://a HTTP/1.1\r\n"), answers=(404,)),
    seen("an empty line before the request", "9112 2.2", b"\r\n" + MODELS),
    seen("a method that nobody knows", "9110 9.1", models(b"BREW /v1/models HTTP/1.1\r\n"), answers=(405,)),
    seen("a method that is not served", "9110 9.3.5", models(b"DELETE /v1/models HTTP/1.1\r\n"), answers=(405,)),
    seen("a path that is not served", "9110 15.5.5", models(b"GET /nothing HTTP/1.1\r\n"), answers=(404,)),
    seen("TRACE", "9110 9.3.8", models(b"TRACE /v1/models HTTP/1.1\r\n"), answers=(405,)),
    seen("OPTIONS of all", "9112 3.2.4", models(b"OPTIONS * HTTP/1.1\r\n"), answers=(404,)),
    seen("dots in the path are kept", "3986 5.2.4", models(b"GET /v1/x/../models HTTP/1.1\r\n"), answers=(404,)),
    bad("CONNECT", "9110 9.3.6", models(b"CONNECT a:443 HTTP/1.1\r\n")),
    bad("a method in lower case", "9110 9.1", models(b"get /v1/models HTTP/1.1\r\n")),
    bad("a method with a hyphen", "9110 9.1", models(b"M-SEARCH /v1/models HTTP/1.1\r\n")),
    bad("an endless method", "9110 9.1", models(b"G" * 60 + b" /v1/models HTTP/1.1\r\n")),
    bad("no version", "9112 3", models(b"GET /v1/models\r\n")),
    bad("no target", "9112 3", models(b"GET HTTP/1.1\r\n")),
    bad("an empty request line", "9112 3", b"\r\n\r\n \r\n\r\n"),
    bad("a version in lower case", "9112 2.3", models(b"GET /v1/models http/1.1\r\n")),
    bad("version 1.2", "9112 2.3", models(b"GET /v1/models HTTP/1.2\r\n"), status=505),
    bad("version 2.0", "9112 2.3", models(b"GET /v1/models HTTP/2.0\r\n"), status=505),
    bad("version 0.9 by name", "9112 2.3", models(b"GET /v1/models HTTP/0.9\r\n"), status=505),
    bad("version 1.01", "9112 2.3", models(b"GET /v1/models HTTP/1.01\r\n")),
    bad("another protocol", "9112 2.3", models(b"GET /v1/models RTSP/1.0\r\n")),
    bad("HTTP/2's preface", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status=505),
    bad("a TLS hello", "9112 2.2", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    bad("two spaces after the method", "9112 3", models(b"GET  /v1/models HTTP/1.1\r\n")),
    bad("two spaces before the version", "9112 3", models(b"GET /v1/models  HTTP/1.1\r\n")),
    bad("a tab for a space", "9112 3", models(b"GET\t/v1/models HTTP/1.1\r\n")),
    bad("a space before the method", "9112 3", models(b" GET /v1/models HTTP/1.1\r\n")),
    bad("a space after the version", "9112 3", models(b"GET /v1/models HTTP/1.1 \r\n")),
    bad("a space in the target", "9112 3.2", models(b"GET /v1/mo dels HTTP/1.1\r\n")),
    bad("a fragment in the target", "9112 3.2", models(b"GET /v1/models#x HTTP/1.1\r\n")),
    bad("a NUL in the target", "9112 3.2", models(b"GET /v1/\x00models HTTP/1.1\r\n")),
    bad("a control character in the target", "9112 3.2", models(b"GET /v1/\x01models HTTP/1.1\r\n")),
    bad("bytes beyond ASCII in the target", "3986 2", models("GET /v1/mödels HTTP/1.1\r\n".encode())),
    bad("a target without a slash", "9112 3.2.1", models(b"GET v1/models HTTP/1.1\r\n")),
    bad("another scheme", "9112 3.2.2", models(b"GET ftp://a/v1/models HTTP/1.1\r\n")),
    bad("a bare LF after the request line", "9112 2.2", models(b"GET /v1/models HTTP/1.1\n")),
    bad("a bare CR after the request line", "9112 2.2", models(b"GET /v1/models HTTP/1.1\r")),
    bad("bare LFs throughout", "9112 2.2", MODELS.replace(b"\r\n", b"\n")),
    bad("a bare LF before the request", "9112 2.2", b"\n" + MODELS),
    bad("a gap before the first field", "9112 2.2", models(b"GET /v1/models HTTP/1.1\r\n", b" X: 1\r\nHost: a\r\n" + KEY + b"\r\n")),
]  # fmt: skip

HOSTS = [
    seen("a port", "9110 7.2", MODELS.replace(b"Host: a", b"Host: a:8080")),
    seen("an IPv6 address", "3986 3.2.2", MODELS.replace(b"Host: a", b"Host: [::1]:8080")),
    seen("a name in another spelling", "9110 5.1", MODELS.replace(b"Host: a", b"hOsT: a")),
    seen("none in HTTP/1.0", "9112 3.2", models(b"GET /v1/models HTTP/1.0\r\n", KEY + b"\r\n"), closed=True),
    bad("none", "9112 3.2", models(b"GET /v1/models HTTP/1.1\r\n", KEY + b"\r\n")),
    bad("none with the absolute form", "9112 3.2.2", models(b"GET http://a/v1/models HTTP/1.1\r\n", KEY + b"\r\n")),
    bad("an empty one", "9110 7.2", MODELS.replace(b"Host: a", b"Host:")),
    bad("twice the same", "9112 3.2", MODELS.replace(b"Host: a", b"Host: a\r\nHost: a")),
    bad("two", "9112 3.2", MODELS.replace(b"Host: a", b"Host: a\r\nHost: b")),
    bad("with a path", "9110 7.2", MODELS.replace(b"Host: a", b"Host: a/b")),
    bad("with a user", "9110 7.2", MODELS.replace(b"Host: a", b"Host: user@a")),
    bad("with a gap", "9110 7.2", MODELS.replace(b"Host: a", b"Host: a b")),
    bad("with a scheme", "9110 7.2", MODELS.replace(b"Host: a", b"Host: http://a")),
    bad("beyond ASCII", "3986 3.2.2", MODELS.replace(b"Host: a", "Host: ä".encode())),
    bad("with a gap before the colon", "9112 5.1", MODELS.replace(b"Host: a", b"Host : a")),
]  # fmt: skip

FIELDS = [
    ok("an empty value", "9110 5.5", post(b"X-Empty:\r\n")),
    ok("white space around a value", "9110 5.5", post(b"X-Space: \t a \t \r\n")),
    ok("a value beyond ASCII", "9110 5.5", post("X-Name: zoë\r\n".encode())),
    ok("a value of Latin-1", "9110 5.5", post(b"X-Name: zo\xeb\r\n")),
    ok("a tab in a value", "9110 5.5", post(b"X-Tab: a\tb\r\n")),
    ok("a name of every allowed character", "9110 5.6.2", post(b"!#$%&'*+-.^_`|~09azAZ: 1\r\n")),
    ok("the same field twice", "9110 5.3", post(b"X-Twice: 1\r\nX-Twice: 2\r\n")),
    ok("a colon in a value", "9110 5.5", post(b"X-Colon: a:b\r\n")),
    bad("an empty name", "9110 5.1", post(b": 1\r\n")),
    bad("no colon", "9112 5", post(b"X-None\r\n")),
    bad("a space before the colon", "9112 5.1", post(b"X-Space : 1\r\n")),
    bad("a tab before the colon", "9112 5.1", post(b"X-Tab\t: 1\r\n")),
    bad("a space in a name", "9110 5.1", post(b"X Space: 1\r\n")),
    bad("a name beyond ASCII", "9110 5.1", post("X-Ä: 1\r\n".encode())),
    bad("a name in brackets", "9110 5.6.2", post(b"X(1): 1\r\n")),
    bad("a folded line", "9112 5.2", post(b"X-Fold: a\r\n b\r\n")),
    bad("a line folded by a tab", "9112 5.2", post(b"X-Fold: a\r\n\tb\r\n")),
    bad("a NUL in a value", "9110 5.5", post(b"X-Nul: a\x00b\r\n")),
    bad("a control character in a value", "9110 5.5", post(b"X-Bell: a\x07b\r\n")),
    bad("DEL in a value", "9110 5.5", post(b"X-Del: a\x7fb\r\n")),
    bad("a bare CR in a value", "9110 5.5", post(b"X-Cr: a\rb\r\n")),
    bad("a bare LF in a value", "9112 2.2", post(b"X-Lf: a\nX-Next: b\r\n")),
    bad("a bare LF at the end of the head", "9112 2.2", post(b"X: 1\r\n\n", b"", length=False)),
    bad("two keys", "9110 5.3", post(b"Authorization: Bearer sk-acme\r\n")),
    bad("two keys in the other field", "9110 5.3", post(b"X-Api-Key: a\r\nX-Api-Key: b\r\n")),
    bad("101 fields", "9110 5.4", post(b"X: 1\r\n" * 101), status=431),
    bad("a head of 40 KB", "9110 5.4", post(b"X: %b\r\n" % (b"a" * 40_000)), status=431),
    bad("a head that does not end", "9110 5.4", b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000, status=431),
    bad("a target of 9 KB", "9110 4.1", models(b"GET /%b HTTP/1.1\r\n" % (b"a" * 9000)), status=414),
    bad("a body beyond the limit", "9110 15.5.14", post(b"Content-Length: 99999999\r\n", b"", length=False), status=413),
    bad("a chunk beyond the limit", "9110 15.5.14", chunked(b"5f5e0ff\r\n"), status=413),
]  # fmt: skip

CONNECTIONS = [
    ok("is kept", "9112 9.3", post()),
    ok("is closed when asked", "9112 9.6", post(b"Connection: close\r\n"), closed=True),
    ok("is closed when asked in a list", "9110 7.6.1", post(b"Connection: x, Close\r\n"), closed=True),
    ok("is closed after HTTP/1.0", "9112 9.3", post(line=b"POST /v1/completions HTTP/1.0\r\n"), closed=True),
    ok("is kept in HTTP/1.0 when asked", "9112 C.2.2", post(b"Connection: keep-alive\r\n", line=b"POST /v1/completions HTTP/1.0\r\n")),
    Case("carries three requests at once", "9112 9.3.2", (post() * 3,), (200,) * 3, 3),
    Case("carries requests of several kinds at once", "9112 9.3.2", (post() + chunked(chunks(BODY)) + post(),), (200,) * 3, 3),
    Case("carries nothing behind one that asked to close", "9112 9.6", (post(b"Connection: close\r\n") + post(),), (200,), 1, closed=True),
    Case("carries nothing behind one that is broken", "9112 2.2", (post(b"X : 1\r\n") + post(),), (400,), 0, closed=True),
    ok("has options whose fields are not passed on", "9110 7.6.1", post(b"Connection: x-hop\r\nX-Hop: 1\r\n")),
    ok("is not upgraded", "9110 7.8", post(b"Connection: upgrade\r\nUpgrade: websocket\r\n")),
    ok("is not upgraded to HTTP/2", "9113 3.2", post(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n")),
    ok("may begin with empty lines", "9112 2.2", b"\r\n\r\n" + post()),
    Case("has empty lines between requests", "9112 2.2", (post() + b"\r\n" + post(),), (200, 200), 2),
    ok("expects 100-continue", "9110 10.1.1", post(b"Expect: 100-continue\r\n")[: -len(BODY)], BODY),
    ok("expects 100-Continue", "9110 10.1.1", post(b"Expect: 100-Continue\r\n")[: -len(BODY)], BODY),
    ok("expects 100-continue and does not wait", "9110 10.1.1", post(b"Expect: 100-continue\r\n")),
    ok("expects 100-continue in HTTP/1.0", "9110 10.1.1", post(b"Expect: 100-continue\r\n", line=b"POST /v1/completions HTTP/1.0\r\n"), closed=True),
    bad("expects something else", "9110 10.1.1", post(b"Expect: a-miracle\r\n"), status=417),
    bad("expects twice", "9110 10.1.1", post(b"Expect: 100-continue\r\nExpect: 100-continue\r\n")),
    ok("has TE", "9110 10.1.4", post(b"TE: trailers\r\nConnection: TE\r\n")),
    Case("has a body in gzip", "9110 8.4", (post(b"Content-Encoding: gzip\r\n"),), (415,), 0),
    ok("has a body in identity", "9110 8.4", post(b"Content-Encoding: identity\r\n")),
]  # fmt: skip

CASES = [*LINES, *HOSTS, *FIELDS, *CONNECTIONS]
