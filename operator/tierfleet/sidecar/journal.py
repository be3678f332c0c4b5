"""The access log: one line of JSON per request on standard output, written in batches.

A request only appends to a list; encoding and writing happen a few times a second, the writing in a
thread, because a pipe whose reader sleeps must not stop the data plane. It knows nothing of what
the fields of a record mean.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from tierfleet.sidecar.record import Record

_PERIOD = 0.1
# About 20 MB of lines: beyond it the reader is gone for good, and memory is worth more.
_MAX_WAITING = 50_000


class Journal:
    """Collects records and writes them.

    Attributes:
        dropped: records that were lost because nobody read them.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.dropped = 0
        self._write = write
        self._waiting: list[tuple[float, Record]] = []
        self._encoder = msgspec.json.Encoder()
        self._writing: asyncio.Future[None] | None = None

    def note(self, ended: float, record: Record) -> None:
        """Remember a request that ended at this time (seconds since the epoch)."""
        if len(self._waiting) < _MAX_WAITING:
            self._waiting.append((ended, record))
        else:
            self.dropped += 1

    async def run(self) -> None:
        """Write until cancelled; `close` writes what is left then."""
        while True:
            await asyncio.sleep(_PERIOD)
            await self.flush()

    async def flush(self) -> None:
        """Write what has been noted; whole batches, one after the other, even when cancelled."""
        while self._writing is not None or self._waiting:
            if self._writing is None:
                batch, self._waiting = self._waiting, []
                self._writing = asyncio.ensure_future(asyncio.to_thread(self._write_batch, batch))
                self._writing.add_done_callback(self._written)
            await asyncio.shield(self._writing)

    def _written(self, _: object) -> None:
        self._writing = None

    def _write_batch(self, batch: list[tuple[float, Record]]) -> None:
        for ended, record in batch:
            stamp = datetime.fromtimestamp(ended, UTC).isoformat(timespec="milliseconds")
            record.time = stamp.replace("+00:00", "Z")
        try:
            self._write(self._encoder.encode_lines([record for _, record in batch]))
        except OSError:
            self.dropped += len(batch)
