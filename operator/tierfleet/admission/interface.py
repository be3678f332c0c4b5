"""The admission interface: events in, decisions out.

One core stands in front of one engine and decides which queued request takes the next free seat.
It is pure: it reads no clock, does no I/O, starts no task and calls nobody back. The same core runs
behind the sidecar's sockets, in the simulator's virtual time and in property tests; the same
events give the same decisions.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tierfleet.admission.types import (
    Arrival,
    Decision,
    EngineLimits,
    EngineReading,
    Headroom,
    Outcome,
    Progress,
    TierLoad,
    WaitReason,
)
from tierfleet.plan import Plan


class Admission(Protocol):
    """What every admission core offers.

    Rules for all events:

    - `tick` comes first, before any arrival: it tells the time of day that terms are judged by.
    - `now` is monotonic nanoseconds. A clock that goes back is read as standing still
      (`now = max(now, last)`).
    - Each returns the decisions that it caused, to be carried out in order. A `WakeAt` among them
      is the only wake-up wanted from then on; without one the last `WakeAt` stands.
    - An id that is unknown, has ended or is there already changes nothing and raises nothing:
      networks end requests twice. Only `arrive` takes one that has ended for a new request.
    """

    def arrive(self, now: int, request: Arrival) -> Sequence[Decision]:
        """A request has been read: it is dispatched, queued (no decision on it yet) or shed."""
        ...

    def first_byte(self, now: int, request: int) -> Sequence[Decision]:
        """The engine has begun to answer: from here on an abort is seen by the caller."""
        ...

    def progress(self, now: int, batch: Sequence[Progress]) -> Sequence[Decision]:
        """Tokens since the last report; charged as they come."""
        ...

    def finish(self, now: int, request: int, outcome: Outcome) -> Sequence[Decision]:
        """The engine is done with the request; its seats are free, its cost is settled.

        Completed without a count of its output (no `progress` with any), the estimate stands.
        Report the last `progress` before it. Also the end of what the core itself aborted.
        """
        ...

    def abort(self, now: int, request: int) -> Sequence[Decision]:
        """The client is gone. Queued: forgotten, limits refunded. Running: its seats are free.

        What was produced is charged; without a count of it the estimate stands, or hanging up
        just before an unstreamed answer would be free.
        """
        ...

    def engine(self, now: int, reading: EngineReading) -> Sequence[Decision]:
        """What the engine's metrics say."""
        ...

    def replan(self, now: int, plan: Plan, limits: EngineLimits) -> Sequence[Decision]:
        """A new plan, or new limits of the engine.

        What runs stays what it is; what waits goes to where its tenant competes now, with the
        label and the place that it has, but where it had asked for a tier by name.
        """
        ...

    def tick(self, now: int, wall: datetime) -> Sequence[Decision]:
        """Time has passed. `wall` (with a zone) is used for terms and periods only."""
        ...

    def headroom(self, now: int, tenant: str | None) -> Headroom:
        """What the tenant may still send; changes nothing."""
        ...

    def load(self) -> Sequence[TierLoad]:
        """Queued and running requests by tier, in the plan's order; changes nothing."""
        ...

    def why(self, request: int) -> WaitReason | None:
        """What it waits for, as things are now; None if it does not wait. Changes nothing."""
        ...
