"""The figures of a run: per tier, per tenant, per promise. Pure data.

Times are milliseconds, rates service tokens per second over the measured time (up to the horizon).
"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution in milliseconds; None where there was nothing to measure.

    Attributes:
        count: of what was measured.
        mean: and the percentiles, by the nearest rank.
    """

    count: int
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One tier or one tenant.

    Attributes:
        name: of the tier or the tenant.
        tier: of the tenant; of a tier its own name.
        requests: in the trace; each is counted in exactly one of the next six.
        shed: by reason.
        requeued: seats taken away before the first byte, each to be given again.
        reserved: answered from a seat that a reservation paid for.
        wait: from arrival to the seat.
        ttft: from arrival to the first token.
        offered: service tokens per second that arrived, shed or not.
        served: service tokens per second.
        share: of all that was served, 0 to 1.
        output_tokens: that callers got.
    """

    name: str
    tier: str
    requests: int
    completed: int
    shed: dict[str, int]
    evicted: int
    hung_up: int
    refused: int
    unserved: int
    requeued: int
    reserved: int
    wait: Spread
    ttft: Spread
    offered: float
    served: float
    share: float
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Attainment:
    """How many of the requests that conform to a reservation got their seat in time.

    Attributes:
        conforming: number of them; without those whose caller hung up, or that the end of the run
            cut off, before the longest wait was over.
        in_time: those that got a seat within it; what was shed or still waits got none.
        attained: `in_time` of `conforming`; 1 when there were none.
        wait: of those that got a seat.
    """

    conforming: int
    in_time: int
    attained: float
    wait: Spread


@dataclass(frozen=True, slots=True)
class ReservationRow:
    """What one reservation promised, and what its tenants got.

    Attributes:
        name: of the reservation.
        guaranteed: its rate on the simulated replicas.
        offered: rate that its tenants sent.
        served: rate that its tenants got, reserved or not.
        paid_served: of what a server of the guaranteed rate would have begun for its tenants alone,
            the part that got a seat in the measured time, at most 1.
        max_wait: promised, milliseconds.
        by_true_cost: what the contract promises: of the requests that conform by what they cost.
        by_label: what the core took for conforming, from its estimates at arrival; None if it
            called nothing so.
    """

    name: str
    guaranteed: float
    offered: float
    served: float
    paid_served: float
    max_wait: float
    by_true_cost: Attainment
    by_label: Attainment | None


@dataclass(frozen=True, slots=True)
class ObjectiveRow:
    """What a tier promises: a percentile of its waits or first tokens, or a floor.

    A floor is in percent of the rate that the plan has for the replicas.

    Attributes:
        tier: its name.
        what: `queue p99 ms`, `ttft p99 ms` or `floor %`.
        promised: in that unit.
        measured: in that unit; None without a request, and where what was shed, or gave up after
            more than was promised, is so much that the percentile is of them.
        kept: whether the promise was; a floor also when the tier got all it asked for. None without
            a request to judge by.
    """

    tier: str
    what: str
    promised: float
    measured: float | None
    kept: bool | None


@dataclass(frozen=True, slots=True)
class Utilisation:
    """Of all engines, 0 to 1: seats and KV cache by their metrics, and time at work."""

    seats: float
    kv: float
    busy: float
    computed_tokens: int
    steps: int
    preemptions: int


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one run.

    Attributes:
        seconds: measured.
        finished: seconds until the last request had ended.
        replicas: simulated.
        seats: of one replica.
        served: service tokens per second of all.
        timeline: service tokens per second of each tier, in steps of `timeline_seconds`.
        waits: for each tier the 0th, 1st, … 100th percentile of its waits, milliseconds.
    """

    seconds: float
    finished: float
    replicas: int
    seats: int
    requests: int
    served: float
    utilisation: Utilisation
    tiers: tuple[Row, ...]
    tenants: tuple[Row, ...]
    reservations: tuple[ReservationRow, ...]
    objectives: tuple[ObjectiveRow, ...]
    timeline_seconds: float
    timeline: dict[str, list[float]]
    waits: dict[str, list[float]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
