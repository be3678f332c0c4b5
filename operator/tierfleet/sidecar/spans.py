"""What tracing is told of a request; `tracing.py` makes spans of it. Pure.

Of its own, so that the path of a request needs no tracing library.
"""

from typing import Final, Protocol

from tierfleet.sidecar.http1 import Request
from tierfleet.sidecar.record import Record

CONTEXT: Final = frozenset({b"traceparent", b"tracestate"})
"""Fields of W3C Trace Context: the engine gets ours in their place."""


class Spans(Protocol):
    """Of one request."""

    def sent(self) -> bytes:
        """It leaves the queue for the engine, now.

        Returns:
            header lines for the engine, which say whose child its spans are.
        """
        ...

    def returned(self) -> None:
        """The engine is done with it, or it was taken out of it."""
        ...

    def over(self, record: Record) -> None:
        """It has ended like this. Puts the id of the trace into the record."""
        ...


class Tracer(Protocol):
    """Begins them."""

    def begin(self, request: Request) -> Spans:
        """A request has been read, just now."""
        ...
