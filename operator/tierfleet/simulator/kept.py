"""Was it kept what a tier and a reservation are promised? What got no seat counts as late.

Waits of those that got a seat flatter whoever is shed, so here the others count too. It must not
know how it is shown.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import inf

from tierfleet.admission.types import ShedReason
from tierfleet.plan import MICRO
from tierfleet.simulator.figures import ObjectiveRow, Row
from tierfleet.simulator.log import NEVER, REASONS, End
from tierfleet.simulator.service import Price
from tierfleet.simulator.simulation import Result
from tierfleet.simulator.trace import SECOND

_MILLISECOND = 1_000_000
_OURS = (
    ShedReason.QUEUE_FULL,
    ShedReason.EXPIRED,
    ShedReason.INFEASIBLE,
    ShedReason.ENGINE_STALLED,
)
"""Reasons of shedding that are not the caller's own doing."""


def objectives(
    result: Result, row: Row, positions: Sequence[int], price: Price
) -> Iterator[ObjectiveRow]:
    """What the tier of a row promises, and what came of it.

    Args:
        result: of `simulate`.
        row: the tier's figures.
        positions: of its requests.
        price: of a request.
    """
    setup, log = result.setup, result.log
    tier = next((tier for tier in setup.plan.tiers if tier.name == row.name), None)
    if tier is None:
        return
    for what, limit, column in (
        ("queue p99 ms", tier.objectives.queue_p99_milliseconds, log.wait),
        ("ttft p99 ms", tier.objectives.ttft_p99_milliseconds, log.ttft),
    ):
        if limit is not None:
            times = sorted(_times(result, positions, column, limit * _MILLISECOND))
            p99 = times[-(-99 * len(times) // 100) - 1] / _MILLISECOND if times else None
            measured = None if p99 == inf else p99
            kept = None if p99 is None else p99 <= limit
            yield ObjectiveRow(row.name, what, float(limit), measured, kept)
    rate = setup.plan.group(setup.group).service_tokens_per_second * setup.replicas
    if tier.minimum_percent and rate:
        # Of the rate in the plan, whatever the engine can really do.
        percent = 100 * row.served / rate
        asked = sum(price.of(result.trace[p]) for p in positions if _asked(result, p))
        all_served = _begun(result, positions, price) >= 0.99 * asked
        kept = percent >= tier.minimum_percent or all_served
        yield ObjectiveRow(row.name, "floor %", float(tier.minimum_percent), percent, kept)


def paid_served(
    result: Result, positions: Sequence[int], price: Price, rate: int | Fraction
) -> float:
    """Part of what was paid for that was served, 0 to 1; 1 if nothing was asked for.

    Paid for is what a server of just the guaranteed rate would have begun for these requests alone:
    the service curve of a rate, the least of A(s) + r (t - s) over the times s before the end t,
    with A(s) what was asked for until s. Served is what got a seat until then and kept it, so what
    is under way at the end counts.

    Args:
        result: of `simulate`.
        positions: of the tenants' requests.
        price: of a request.
        rate: guaranteed on the simulated replicas, service tokens per second.
    """
    per_second = int(rate * MICRO)
    paid, asked = per_second * result.horizon // SECOND, 0
    for position in sorted(positions):
        if _asked(result, position):
            request = result.trace[position]
            paid = min(paid, asked + per_second * (result.horizon - request.arrival) // SECOND)
            asked += price.of(request)
    due = min(asked, paid)
    return min(1.0, _begun(result, positions, price) / due) if due else 1.0


def _asked(result: Result, position: int) -> bool:
    """Whether a request came in the measured time, and is one that the engine can hold."""
    in_time = result.trace[position].arrival <= result.horizon
    return in_time and result.log.end[position] != End.REFUSED


def _begun(result: Result, positions: Iterable[int], price: Price) -> int:
    """Micro service tokens of what got a seat in the measured time and was not put out of it."""
    log, trace = result.log, result.trace
    return sum(
        price.of(trace[p])
        for p in positions
        if log.wait[p] != NEVER
        and log.end[p] != End.EVICTED
        and trace[p].arrival + log.wait[p] <= result.horizon
    )


def _times(
    result: Result, positions: Iterable[int], column: Sequence[int], limit: int
) -> Iterator[float]:
    """Nanoseconds of each request that counts, infinite for who had none within the limit."""
    log = result.log
    for position in positions:
        end = log.end[position]
        if column[position] != NEVER:
            yield column[position]
        elif end == End.SHED:
            if REASONS[log.reason[position]] in _OURS:
                yield inf
        elif end != End.REFUSED and log.ended[position] - result.trace[position].arrival > limit:
            yield inf
