"""What became of every request of a trace, in columns: a million of them are 40 MB.

It must not know why: decisions are the core's.
"""

from array import array
from enum import IntEnum

from tierfleet.admission.types import ShedReason

NEVER = -1
"""In a column of times: it did not happen."""
REASONS = tuple(ShedReason)
"""What the numbers in `Log.reason` stand for."""


class End(IntEnum):
    """How a request of the trace ended."""

    PENDING = 0
    COMPLETED = 1
    SHED = 2
    EVICTED = 3
    """Aborted by the core after its first byte."""
    HUNG_UP = 4
    REFUSED = 5
    """The engine cannot hold its context."""
    UNSERVED = 6
    """Still waiting or running when the run was over."""


class Label(IntEnum):
    """What the core called a request at arrival; it says so when the request's wait ends."""

    UNTOLD = 0
    """It waited to the end of the run, or until its caller hung up."""
    BEYOND = 1
    """Of no reservation, or more than was owed."""
    CONFORMING = 2


class Log:
    """One row per request, at its position in the trace.

    Attributes:
        end: `End`.
        reason: why it was shed, an index of `REASONS`.
        wait: nanoseconds from arrival to the seat it was answered from; `NEVER` without one.
        ttft: nanoseconds from arrival to the first token; `NEVER` without one.
        ended: when it ended, nanoseconds since the trace began.
        output: tokens that the caller got, over all sequences.
        reserved: 1 if its last seat was charged to a reservation.
        label: `Label`.
        aborts: how often the core took its seat away.
    """

    def __init__(self, requests: int) -> None:
        self.end = bytearray(requests)
        self.reason = bytearray(requests)
        self.wait = array("q", [NEVER]) * requests
        self.ttft = array("q", [NEVER]) * requests
        self.ended = array("q", [NEVER]) * requests
        self.output = array("q", [0]) * requests
        self.reserved = bytearray(requests)
        self.label = bytearray(requests)
        self.aborts = array("H", [0]) * requests

    def labelled(self, position: int, *, conforming: bool) -> None:
        """Note what the core called it, of what was dispatched or shed."""
        self.label[position] = Label.CONFORMING if conforming else Label.BEYOND

    def close(self, position: int, now: int, end: End) -> None:
        """Note the one end of a request.

        Raises:
            RuntimeError: it has ended before, which is a mistake of the simulator.
        """
        if self.end[position]:
            raise RuntimeError(f"Request {position} ends twice.")
        self.end[position] = end
        self.ended[position] = now
