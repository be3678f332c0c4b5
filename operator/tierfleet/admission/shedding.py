"""Turning away what waits: too long, in too full a queue, or for more seats than there are.

By backlog over weight and not by who came last, so that a flood pushes out its own requests; what
conforms to a reservation is never pushed out.
"""

from tierfleet.admission.arrivals import Arrivals
from tierfleet.admission.pulse import Pulse
from tierfleet.admission.requests import ENDED, QUEUED, Request
from tierfleet.admission.seats import Seats
from tierfleet.admission.settlement import Settlement
from tierfleet.admission.shares import TierQueue
from tierfleet.admission.types import Decision, Shed, ShedReason
from tierfleet.admission.waiting import Waiting


class Shedding:
    """Decides who is turned away; each method adds its decisions to `out`."""

    __slots__ = ("_arrivals", "_pulse", "_requests", "_seats", "_settlement", "_waiting")

    def __init__(
        self,
        requests: dict[int, Request],
        waiting: Waiting,
        settlement: Settlement,
        arrivals: Arrivals,
        seats: Seats,
        pulse: Pulse,
    ) -> None:
        self._requests = requests
        self._waiting = waiting
        self._settlement = settlement
        self._arrivals = arrivals
        self._seats = seats
        self._pulse = pulse

    def expire(self, now: int, out: list[Decision]) -> None:
        """What has waited as long as its tier or its deadline allows."""
        record = self._waiting.expired(now)
        if record is None:
            return
        reason = ShedReason.EXPIRED
        message = "The request waited for a seat as long as its tier or its deadline allows."
        if self._pulse.stalled:
            reason = ShedReason.ENGINE_STALLED
            message = "The engine behind this address does not answer."
        while record is not None:
            retry = self._arrivals.retry(self._arrivals.ahead(record.share.tier))
            self._shed(now, record, reason, retry, message, out)
            record = self._waiting.expired(now)

    def push_out(self, now: int, tier: TierQueue, out: list[Decision]) -> None:
        """The queue is fuller than it may be: the tenant with the largest backlog loses first."""
        message = f"The queue of tier {tier.plan.name} is full: the fleet has no capacity left."
        while tier.is_too_full():
            newest = tier.heaviest()
            if newest is None:
                return
            retry = self._arrivals.retry(self._arrivals.ahead(tier))
            self._shed(now, newest, ShedReason.QUEUE_FULL, retry, message, out)

    def too_large(self, now: int, out: list[Decision]) -> None:
        """The engine has fewer seats than it had."""
        for record in list(self._requests.values()):
            if record.state == QUEUED and record.seats > self._seats.total:
                message = self.explain(record.seats)
                self._shed(now, record, ShedReason.TOO_MANY_SEATS, None, message, out)

    def explain(self, sequences: int) -> str:
        """Why so many sequences cannot run, for the caller."""
        return (
            f"The request asks for {sequences} sequences at once, "
            f"the engine runs at most {self._seats.total}: ask for fewer."
        )

    def end(self, now: int, record: Request) -> None:
        """What waits goes without having been served: it costs nothing."""
        self._settlement.forgive(now, record)
        record.state = ENDED
        del self._requests[record.id]

    def _shed(
        self,
        now: int,
        record: Request,
        reason: ShedReason,
        retry: int | None,
        message: str,
        out: list[Decision],
    ) -> None:
        self._waiting.leave(now, record)
        self.end(now, record)
        waited = now - record.arrived
        out.append(Shed(record.id, reason, retry, message, waited, record.conforming))
