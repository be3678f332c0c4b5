"""Writes of one turn of the event loop, sent together at its end.

A write to a socket whose reader sleeps wakes it up, which takes longer than all else that is done
for a request. Sent in one go, the first of them wakes a reader and the others find it awake
(docs/performance.md has the figures). It knows nothing of what is written.
"""

import asyncio
from collections import deque


class Outbox:
    """What is still to be written by this event loop, in order."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[asyncio.Transport, bytes]] = deque()

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write when this turn ends; in the order of the calls."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append((transport, data))

    def flush(self) -> None:
        """Write now; call it before a transport is closed that still has something to say.

        Writing may call back, and whoever is called may write and flush: what waits is taken from
        one queue, so the order holds.
        """
        waiting = self._waiting
        while waiting:
            transport, data = waiting.popleft()
            if not transport.is_closing():
                transport.write(data)
