"""One client's connection: requests in, answers out, in order, at the client's pace.

One request at a time: what a client pipelines behind it stays unread. Knows how bytes are framed
and when to give up on a peer; what a request means is the business of its `Service`.
"""

import asyncio
import socket
import struct
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import Final, Protocol, cast

from tierfleet.sidecar.answers import Answer, broken_request
from tierfleet.sidecar.errors import ProtocolError
from tierfleet.sidecar.http1 import Phase, ReadLimits, Request, RequestReader
from tierfleet.sidecar.outbox import Outbox

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
} | {
    # Anthropic's, for what is 503 to everybody else.
    529: b"HTTP/1.1 529 Overloaded\r\n",
}
# Bytes that a client may send ahead of its answer. Beyond that its socket is not read, and that it
# has gone is noticed only when an answer is written.
_READ_AHEAD: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a client gets for each thing it may dawdle over.

    Attributes:
        idle: between requests; longer than the 60 s of common load balancers, so that they close.
        head: from the first byte of a head to its last.
        body: between two pieces of a body.
        write: until it reads something, once what is buffered for it has filled up.
        linger: to close, once the last answer is sent, before the connection is closed under it.
    """

    idle: float = 75.0
    head: float = 15.0
    body: float = 30.0
    write: float = 60.0
    linger: float = 2.0


_FOREVER: Final = float("inf")


@lru_cache(maxsize=1024)
def _size(length: int) -> bytes:
    """As a chunk begins with it (RFC 9112 7.1); events of a stream have about the same few."""
    return b"%x" % length


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


_NO_LINGERING: Final = struct.pack("ii", 1, 0)


class Job(Protocol):
    """A request that is being served, told what happens to its client."""

    def gone(self) -> None:
        """The client is gone: nothing can be sent any more."""
        ...

    def stop(self) -> None:
        """The process ends: answer with an error, or break off."""
        ...

    def pause(self) -> None:
        """The client reads slower than it is sent to: stop for a while."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...


class Service(Protocol):
    """What serves requests; shared by all connections."""

    read_limits: ReadLimits
    patience: Patience
    connections: set["ClientConnection"]
    outbox: Outbox

    def handle(self, request: Request, client: "ClientConnection") -> Job | None:
        """Serve a request: answer it, now or later, by the client's methods.

        Returns:
            What to tell of the client meanwhile; None if it was answered already.
        """
        ...

    def takes(self, request: Request) -> bool:
        """False if the request is refused whatever its body, which is still to come."""
        ...

    def refused(self, answer: Answer) -> bytes:
        """Remember that bytes which are no request are answered so; header lines to add."""
        ...

    def last_answer(self) -> bool:
        """True if connections should end with the answer that is being sent."""
        ...


class ClientConnection:
    """See above. A request is answered by `answer`, or by `start`, `send` and `finish` or `cut`.

    Attributes:
        deadline: when to give up on the client, by the loop's clock.
    """

    __slots__ = (
        "_advancing", "_busy", "_chunked", "_close_after", "_done", "_expects", "_head", "_http11",
        "_job", "_loop", "_outbox", "_reader", "_reading", "_sends_body", "_service", "_stuck",
        "_transport", "deadline",
    )  # fmt: skip

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._outbox = service.outbox
        self._loop = loop
        self._reader = RequestReader(service.read_limits)
        # The request that is being served, and how its answer goes out.
        self._busy = False
        self._job: Job | None = None
        self._http11 = True
        self._sends_body = True
        self._chunked = False
        # Goes out together with the first piece of the body.
        self._head = b""
        self._close_after = False
        # What the bytes that come next belong to.
        self._expects: Phase | None = Phase.HEAD
        self._advancing = False
        self._reading = True
        self._stuck = False
        self._done = False

    # From the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        self._service.connections.add(self)
        self._give(self._service.patience.head)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self._done:
            return
        self._reader.feed(data)
        if not self._busy and not self._stuck:
            self._advance()
        elif self._reader.buffered > _READ_AHEAD and self._reading:
            self._reading = False
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """The client sends no more. It is taken as gone, as nginx does: no SDK half-closes."""
        self._gone()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        del exc
        self._service.connections.discard(self)
        self._gone()

    def pause_writing(self) -> None:
        """See asyncio."""
        self._stuck = True
        self._give(self._service.patience.write)
        if self._job is not None:
            self._job.pause()

    def resume_writing(self) -> None:
        """See asyncio."""
        self._stuck = False
        if self._done:
            self._give(self._service.patience.linger)
        elif self._busy:
            self._give(_FOREVER)
            if self._job is not None:
                self._job.resume()
        else:
            self._expects = None
            self._advance()

    def expire(self) -> None:
        """The deadline has passed."""
        if self._busy or self._stuck or self._done or self._reader.phase is Phase.IDLE:
            self._transport.abort()
        else:
            part = self._reader.phase.value
            self._refuse(ProtocolError(408, f"The {part} of the request took too long."))

    # From whoever serves the request

    def answer(self, answer: Answer, fields: bytes = b"") -> None:
        """Send a whole response, with further lines of header fields."""
        self._chunked = False
        self._outbox.write(
            self._transport,
            b"%bdate: %b\r\n%b%bcontent-length: %d\r\n%b\r\n%b"
            % (
                _STATUS_LINES[answer.status],
                _date(int(time())),
                fields,
                answer.fields,
                len(answer.body),
                self._connection_field(),
                answer.body if self._sends_body else b"",
            ),
        )
        self._finished()

    def start(self, status: int, fields: bytes, length: int | None) -> None:
        """Begin a response whose body follows by `send`; its head goes out with it.

        Args:
            status: a final one.
            fields: lines, each with its CRLF.
            length: of the body, None if it is not known yet.
        """
        bodiless = status in {204, 304}
        self._chunked = length is None and self._http11 and not bodiless
        if bodiless:
            framing = b""
        elif length is not None:
            framing = b"content-length: %d\r\n" % length
        elif self._chunked:
            framing = b"transfer-encoding: chunked\r\n"
        else:
            self._close_after = True
            framing = b""
        line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
        self._head = b"".join((line, fields, framing, self._connection_field(), b"\r\n"))

    def send(self, data: bytes) -> None:
        """Send a piece of the body, not empty."""
        head = self._head
        if head:
            self._head = b""
        if self._chunked:
            data = b"".join((head, _size(len(data)), b"\r\n", data, b"\r\n"))
        elif head:
            data = head + data
        self._outbox.write(self._transport, data)

    def finish(self) -> None:
        """The body is complete."""
        end = self._head
        if end:
            self._head = b""
        if self._chunked:
            end += b"0\r\n\r\n"
        if end:
            self._outbox.write(self._transport, end)
        self._finished()

    def cut(self) -> None:
        """Break off: the client must see that the response is not complete."""
        self._job = None
        self._done = True
        if not self._http11:
            # The end of the connection is all that ends the body (RFC 9112 6.3), so it has to be
            # an error: without lingering a close is a reset.
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        self._transport.abort()

    def stop(self) -> None:
        """The process ends: end the request that is on it, and close."""
        if self._job is not None:
            self._job.stop()
        if not self._done:
            self._close()

    def close_if_idle(self) -> None:
        """Close the connection unless a request is on it, or it is being closed already."""
        if not (self._busy or self._done) and self._reader.phase is Phase.IDLE:
            self._close()

    # Inside

    def _advance(self) -> None:
        """Serve what has been read, one request after the other."""
        self._advancing = True
        try:
            while not (self._busy or self._stuck or self._done):
                request = self._reader.next()
                if request is None:
                    request = self._reader.pending
                    if request is None or self._expects is Phase.BODY or self._takes(request):
                        self._await_more()
                        break
                self._serve(request)
        except ProtocolError as problem:
            self._refuse(problem)
        finally:
            self._advancing = False

    def _takes(self, request: Request) -> bool:
        if self._service.takes(request):
            return True
        # Its body is not read, so where the next request begins will never be known.
        request.keep_alive = False
        return False

    def _serve(self, request: Request) -> None:
        self._busy = True
        self._http11 = request.http11
        self._sends_body = request.method != b"HEAD"
        self._close_after = not request.keep_alive
        self._expects = None
        self._give(_FOREVER)
        job = self._service.handle(request, self)
        if self._busy and not self._done:
            self._job = job

    def _await_more(self) -> None:
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()
        if self._reader.wants_continue():
            self._outbox.write(self._transport, _CONTINUE)
        phase = self._reader.phase
        patience = self._service.patience
        if phase is Phase.BODY:
            self._give(patience.body)
        elif phase is not self._expects:
            self._give(patience.head if phase is Phase.HEAD else patience.idle)
        self._expects = phase

    def _connection_field(self) -> bytes:
        if self._close_after or self._service.last_answer():
            self._close_after = True
            return b"connection: close\r\n"
        return b"" if self._http11 else b"connection: keep-alive\r\n"

    def _finished(self) -> None:
        self._busy = False
        self._job = None
        if self._close_after:
            self._close()
        elif not self._advancing and not self._stuck:
            self._advance()

    def _refuse(self, problem: ProtocolError) -> None:
        """Answer bytes that are no request. What follows them cannot be told apart any more."""
        self._busy = True
        self._sends_body = True
        self._close_after = True
        answer = broken_request(problem)
        self.answer(answer, self._service.refused(answer))

    def _close(self) -> None:
        """Close after what is buffered; what the client still sends is read and thrown away.

        Closing while bytes of the client are unread resets the connection, and the client may
        never see the answer (RFC 9112 9.6).
        """
        self._outbox.flush()
        self._done = True
        self._give(self._service.patience.write if self._stuck else self._service.patience.linger)
        if self._transport.can_write_eof():
            # From here on it is stuck until all is sent, and lingers after that.
            self._transport.set_write_buffer_limits(0)
            self._transport.write_eof()
        else:
            self._transport.close()

    def _gone(self) -> None:
        self._done = True
        job, self._job = self._job, None
        if job is not None:
            job.gone()

    def _give(self, seconds: float) -> None:
        self.deadline = self._loop.time() + seconds
