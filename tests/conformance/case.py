"""What a case is: bytes from a client, and what has to come of them."""

from dataclasses import dataclass

BODY = b'{"model":"default","prompt":"hi"}'
KEY = b"Authorization: Bearer sk-hobby\r\n"


@dataclass(frozen=True)
class Case:
    """One connection.

    Attributes:
        name: what it tries.
        section: of the RFC that decides it: 9110 (semantics), 9112 (messages), 3986 (URIs).
        sent: the bytes, in the pieces in which they go out.
        answers: status of each answer that comes back, interim ones left out.
        reached: requests that the origin gets; never more than were sent.
        closed: the connection is closed after the last answer.
    """

    name: str
    section: str
    sent: tuple[bytes, ...]
    answers: tuple[int, ...] = (200,)
    reached: int = 1
    closed: bool = False


def post(
    fields: bytes = b"",
    body: bytes = BODY,
    *,
    line: bytes = b"POST /v1/completions HTTP/1.1\r\n",
    host: bytes = b"Host: a\r\n",
    length: bool = True,
) -> bytes:
    """A request for text; `length` gives it a Content-Length that is true."""
    framing = b"Content-Length: %d\r\n" % len(body) if length else b""
    return (
        line
        + host
        + KEY
        + b"Content-Type: application/json\r\n"
        + framing
        + fields
        + b"\r\n"
        + body
    )


def chunked(body: bytes, fields: bytes = b"Transfer-Encoding: chunked\r\n") -> bytes:
    """A request whose body is framed by hand."""
    return post(fields, body, length=False)


def chunks(*pieces: bytes, trailer: bytes = b"") -> bytes:
    """A chunked body."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n" + trailer + b"\r\n"


def ok(name: str, section: str, *sent: bytes, **rest: object) -> Case:
    """Served."""
    return Case(name, section, sent, **rest)  # type: ignore[arg-type]


def bad(name: str, section: str, *sent: bytes, status: int = 400, **rest: object) -> Case:
    """Refused, and the connection closed, because where it ends cannot be known."""
    return Case(name, section, sent, (status,), 0, closed=True, **rest)
