"""What is counted of requests, as plain numbers until somebody scrapes. Pure.

prometheus-client's own counters take a lock and look up labels at each step, which is more than all
else that is done per request.
"""

from bisect import bisect_left
from typing import Final

from tierfleet.sidecar.record import Record, RequestOutcome

MOST_TENANTS: Final = 1000
"""That have numbers of their own; those who come later share one name, so that a policy with fifty
thousand tenants does not make as many series."""
OTHER: Final = "other"
BOUNDS: Final = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
]  # fmt: skip
"""Seconds; fine around 100 ms, which is what is promised of queues, up to a minute of waiting."""
_REFUSED: Final = RequestOutcome.REFUSED


class Histogram:
    """One distribution of seconds.

    Attributes:
        counts: by `BOUNDS`, and beyond the last of them.
        total: sum of all.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Tally:
    """Of one tenant in one tier.

    Attributes:
        requests: that are over, by outcome.
        refused: those that the engine never saw, by reason.
        prompt, cached, output: tokens of requests that are over.
        cost, billed: service tokens of them.
    """

    __slots__ = ("billed", "cached", "cost", "output", "prompt", "refused", "requests")

    def __init__(self) -> None:
        self.requests: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.prompt = self.cached = self.output = 0
        self.cost = self.billed = 0.0


class Tallies:
    """All numbers that requests change.

    Attributes:
        tenants: by tier and tenant; an anonymous caller's tenant is empty.
        waits: from the whole request to its seat, by tier and partition.
        first_bytes: from the whole request to the first byte of the answer's body, likewise.
        late, early: seconds by which repeated requests got their seats later or sooner than told.
        retries: requests sent once more because a pooled connection turned out to be dead.
    """

    __slots__ = ("_known", "early", "first_bytes", "late", "retries", "tenants", "waits")

    def __init__(self) -> None:
        self.tenants: dict[tuple[str, str], Tally] = {}
        self.waits: dict[tuple[str, str], Histogram] = {}
        self.first_bytes: dict[tuple[str, str], Histogram] = {}
        self.late = Histogram()
        self.early = Histogram()
        self.retries = 0
        self._known: set[str] = set()

    def dispatched(self, tier: str, partition: str, waited: float) -> None:
        """A request left the queue after so many seconds."""
        key = (tier, partition)
        histogram = self.waits.get(key)
        if histogram is None:
            histogram = self.waits[key] = Histogram()
        histogram.observe(waited)

    def first_byte(self, tier: str, partition: str, seconds: float) -> None:
        """The first byte of an answer came so many seconds after the whole request."""
        key = (tier, partition)
        histogram = self.first_bytes.get(key)
        if histogram is None:
            histogram = self.first_bytes[key] = Histogram()
        histogram.observe(seconds)

    def came_back(self, late: float) -> None:
        """A request that had been refused got its seat so much later than it was told; seconds."""
        if late >= 0:
            self.late.observe(late)
        else:
            self.early.observe(-late)

    def ended(self, record: Record) -> None:
        """A request is over."""
        key = (record.tier, record.tenant or "")
        tally = self.tenants.get(key) or self._new(key)
        outcome = record.outcome
        tally.requests[outcome] = tally.requests.get(outcome, 0) + 1
        if outcome is _REFUSED:
            tally.refused[record.reason] = tally.refused.get(record.reason, 0) + 1
        tally.prompt += record.prompt_tokens
        tally.cached += record.cached_tokens
        tally.output += record.output_tokens
        tally.cost += record.cost
        tally.billed += record.billed

    def _new(self, key: tuple[str, str]) -> Tally:
        tier, tenant = key
        if tenant not in self._known and len(self._known) >= MOST_TENANTS:
            key = (tier, OTHER)
        else:
            self._known.add(tenant)
        tally = self.tenants.get(key)
        if tally is None:
            tally = self.tenants[key] = Tally()
        return tally
