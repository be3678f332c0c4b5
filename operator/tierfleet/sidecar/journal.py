"""The access log: one line of JSON per request on standard output, written in batches.

A request's line is made when it ends, so that no batch of them ever holds the event loop; writing
happens a few times a second, in a thread, because a pipe whose reader sleeps must not stop the data
plane. It knows nothing of what the fields of a record mean.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from tierfleet.sidecar.record import Record

_PERIOD: Final = 0.1
# Some 50,000 lines: beyond it the reader is gone for good, and memory is worth more.
_MAX_WAITING: Final = 20 * 1024 * 1024


class Journal:
    """Collects records and writes them.

    Attributes:
        dropped: records that were lost because nobody read them.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.dropped = 0
        self._write = write
        self._waiting = bytearray()
        self._lines = 0
        self._encoder = msgspec.json.Encoder()
        self._second = 0
        self._stamp = ""
        self._writing: asyncio.Future[None] | None = None

    def note(self, ended: float, record: Record) -> None:
        """Remember a request that ended at this time (seconds since the epoch)."""
        if len(self._waiting) >= _MAX_WAITING:
            self.dropped += 1
            return
        second = int(ended)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        milliseconds = str(int((ended - second) * 1000) + 1000)[1:]
        record.time = f"{self._stamp}{milliseconds}Z"
        self._encoder.encode_into(record, self._waiting, len(self._waiting))
        self._waiting += b"\n"
        self._lines += 1

    async def run(self) -> None:
        """Write until cancelled; `flush` writes what is left then."""
        while True:
            await asyncio.sleep(_PERIOD)
            await self.flush()

    async def flush(self) -> None:
        """Write what has been noted; whole batches, one after the other, even when cancelled."""
        while self._writing is not None or self._waiting:
            if self._writing is None:
                batch, self._waiting = self._waiting, bytearray()
                lines, self._lines = self._lines, 0
                loop = asyncio.get_running_loop()
                self._writing = loop.create_future()
                # A daemon: one that is stuck must not keep the process from ending.
                threading.Thread(
                    target=self._write_batch, args=(bytes(batch), lines, loop), daemon=True
                ).start()
            await asyncio.shield(self._writing)

    def _written(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None and not writing.done():
            writing.set_result(None)

    def _write_batch(self, batch: bytes, lines: int, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._write(batch)
        except OSError:
            self.dropped += lines
        # The process may have stopped waiting for it.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._written)
