"""Connections to the engine, kept for the next request.

Knows how a request is sent and a response comes back, and that the engine closes idle connections
under us. What is in the messages, and who gets which seat, is somebody else's business.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

from tierfleet.sidecar.config import Upstream
from tierfleet.sidecar.http1 import Fields
from tierfleet.sidecar.outbox import Outbox
from tierfleet.sidecar.response import ResponseError, ResponseReader

# uvicorn, in front of vLLM and SGLang, closes connections that were idle for 5 s; one that it is
# closing just now looks alive to us.
_IDLE_SECONDS: Final = 4.0
_CONNECT_SECONDS: Final = 5.0


class Receiver(Protocol):
    """Who a response is for. After one of the last four nothing more is called."""

    def on_head(self, status: int, fields: Fields, length: int | None) -> None:
        """The head is there; the length is of the body, None if it does not say."""
        ...

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        ...

    def on_end(self) -> None:
        """The response is complete."""
        ...

    def on_refused(self, error: Exception) -> None:
        """No connection to the engine could be made."""
        ...

    def on_stale(self) -> None:
        """A connection from the pool broke before any byte of the response came.

        Most likely it was closed just when the request was sent: `Pool.send_afresh` does better.
        """
        ...

    def on_lost(self, reason: str) -> None:
        """The connection broke, or what came over it is not a response."""
        ...


class UpstreamConnection:
    """One connection; carries one request at a time."""

    __slots__ = (
        "_head_told", "_heard", "_paused", "_payload", "_pool", "_quiet_since", "_reader",
        "_receiver", "_reused", "_transport", "idle_since",
    )  # fmt: skip

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._reader = ResponseReader()
        self._receiver: Receiver | None = None
        self._payload = b""
        self._head_told = False
        self._reused = False
        self._paused = False
        self._heard = True
        self._quiet_since = 0.0
        self.idle_since = 0.0

    def send(self, payload: bytes, receiver: Receiver) -> None:
        """Send a request, now or once the connection is made."""
        self._receiver = receiver
        self._payload = payload
        self._head_told = False
        self._heard = True
        self._pool.busy.add(self)
        self._reader.begin()
        if self._transport is not None:
            self._reused = True
            self._payload = b""
            self._pool.outbox.write(self._transport, payload)

    def cancel(self) -> None:
        """Nobody wants the response any more: close at once, so that the engine frees the seat."""
        self._receiver = None
        self._pool.busy.discard(self)
        if self._transport is not None:
            self._transport.abort()

    def listen(self, now: float, patience: float) -> None:
        """Give up if nothing has come for too long; to be called now and then.

        Times in seconds. A flag and not the time of each piece: pieces are many.
        """
        if self._heard or self._paused:
            self._heard = False
            self._quiet_since = now
        elif now - self._quiet_since >= patience:
            receiver = self._receiver
            self.cancel()
            if receiver is not None:
                receiver.on_lost(f"silent for {patience:g} s")

    def pause(self) -> None:
        """Read no more for a while."""
        self._paused = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Close an idle connection."""
        if self._transport is not None:
            self._transport.close()

    @property
    def closing(self) -> bool:
        """True if no request can be sent any more."""
        return self._transport is None or self._transport.is_closing()

    def refused(self, error: Exception) -> None:
        """No connection could be made."""
        self._pool.busy.discard(self)
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.on_refused(error)

    # From the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        if self._receiver is None:
            self._transport.abort()
        else:
            self._pool.outbox.write(self._transport, self._payload)
            self._payload = b""

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        receiver, reader = self._receiver, self._reader
        self._heard = True
        if receiver is None:
            # Nothing was asked for.
            self.cancel()
            return
        try:
            body = reader.feed(data)
        except ResponseError as error:
            self.cancel()
            receiver.on_lost(f"not an HTTP response: {error}")
            return
        if not self._head_told and reader.status:
            self._head_told = True
            receiver.on_head(reader.status, reader.fields, reader.length)
        if body and self._receiver is not None:
            receiver.on_body(body)
        if reader.complete and self._receiver is not None:
            self._ended(receiver)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._pool.forget(self)
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            return
        if self._reused and not self._reader.started:
            receiver.on_stale()
        elif exc is None and self._reader.ends_at_eof():
            receiver.on_end()
        else:
            receiver.on_lost("reset" if exc is not None else "closed before the end")

    def _ended(self, receiver: Receiver) -> None:
        self._receiver = None
        self._pool.busy.discard(self)
        if self._reader.reusable:
            # The client may have paused it in this very piece, and nobody else will resume it.
            self.resume()
            self._pool.keep(self)
        else:
            self.close()
        # Last: the seat that this frees may go to a request that takes this very connection.
        receiver.on_end()


class Pool:
    """All connections to one engine.

    Attributes:
        outbox: through which all are written to.
        busy: those that carry a request.
    """

    def __init__(
        self,
        upstream: Upstream,
        loop: asyncio.AbstractEventLoop,
        outbox: Outbox,
        silence: float,
    ) -> None:
        self.outbox = outbox
        self.busy: set[UpstreamConnection] = set()
        self._silence = silence
        self._upstream = upstream
        self._loop = loop
        self._idle: list[UpstreamConnection] = []
        self._connecting: set[asyncio.Task[None]] = set()

    def send(self, payload: bytes, receiver: Receiver) -> UpstreamConnection:
        """Send a request over a connection that is at hand, or over a new one."""
        oldest = self._loop.time() - _IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if not connection.closing and connection.idle_since >= oldest:
                connection.send(payload, receiver)
                return connection
            connection.close()
        return self.send_afresh(payload, receiver)

    def send_afresh(self, payload: bytes, receiver: Receiver) -> UpstreamConnection:
        """Send a request over a new connection."""
        connection = UpstreamConnection(self)
        connection.send(payload, receiver)
        task = self._loop.create_task(self._connect(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return connection

    def keep(self, connection: UpstreamConnection) -> None:
        """A connection that can carry another request."""
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection that is closed."""
        self.busy.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def sweep(self) -> None:
        """Close what has been idle or silent for too long; call it every second or so."""
        now = self._loop.time()
        for connection in list(self.busy):
            connection.listen(now, self._silence)
        oldest = now - _IDLE_SECONDS
        for connection in [idle for idle in self._idle if idle.idle_since < oldest]:
            connection.close()

    def close(self) -> None:
        """Close what is idle, and give up on connections that are being made."""
        for connection in self._idle:
            connection.close()
        for task in self._connecting:
            task.cancel()

    async def _connect(self, connection: UpstreamConnection) -> None:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                # Not an `asyncio.Protocol` by name: compiled classes inherit from nothing else.
                protocol = cast("asyncio.Protocol", connection)
                await self._open(lambda: protocol)
        except (OSError, TimeoutError) as error:
            connection.refused(error)

    async def _open(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        upstream = self._upstream
        if upstream.socket:
            await self._loop.create_unix_connection(protocol, upstream.socket)
        else:
            await self._loop.create_connection(protocol, upstream.host, upstream.port)
