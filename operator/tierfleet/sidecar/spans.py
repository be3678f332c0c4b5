"""What tracing is told of a request; `tracing.py` makes spans of it. Pure.

Of its own, so that the path of a request needs no tracing library.
"""

from typing import Final, Protocol

from tierfleet.sidecar.http1 import Request
from tierfleet.sidecar.record import Record
from tierfleet.sidecar.surfaces.surface import Inference

CONTEXT: Final = frozenset({b"traceparent", b"tracestate"})
"""Fields of W3C Trace Context: while there is tracing, the engine gets ours in their place."""


class TracingError(Exception):
    """The `OTEL_*` variables ask for what cannot be done; the message is a sentence."""


class Spans(Protocol):
    """Of one request."""

    def sent(self) -> None:
        """It leaves the queue for the engine, now."""
        ...

    def context(self) -> bytes:
        """Header lines for the engine, which say whose children its spans are."""
        ...

    def evicted(self, *, requeued: bool) -> None:
        """It was taken out of the engine, now; requeued it waits again."""
        ...

    def over(self, record: Record) -> None:
        """It has ended, now and like this. Puts the id of the trace into the record."""
        ...


class Tracer(Protocol):
    """Begins them."""

    @property
    def dropped(self) -> int:
        """Spans that were made and will reach nobody."""
        ...

    def begin(
        self, request: Request, arrived: int, asked: Inference | None = None, engine: str = ""
    ) -> Spans:
        """A request is there.

        Args:
            request: itself.
            arrived: when the whole of it was there, monotonic nanoseconds.
            asked: what it wants of the engine, for which it now waits; None if it will not wait.
            engine: which kind of engine that is.
        """
        ...

    async def close(self) -> None:
        """Send what is not sent yet, for as long as the end of a process may take."""
        ...
