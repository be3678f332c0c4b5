"""The paper's measures, from what became of each request: when its first and last token came.

The service of a request, weighted prompt and output tokens, counts as received evenly from its
first token to its last. What schedulers have in their own books plays no part. Measured begins
after a warm-up, when all who send too much are backlogged.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.reproduce.workloads import INPUT, OUTPUT
from tierfleet.simulator.log import End
from tierfleet.simulator.simulation import Result
from tierfleet.simulator.trace import SECOND

WARM_UP, WINDOW = 30.0, 60.0
"""Seconds that are left out at the beginning; seconds over which service rates are taken."""
_POINTS = 20


class Span(NamedTuple):
    """One answered request; times in seconds.

    Attributes:
        tenant: who asked.
        arrival: when it came.
        first, last: when the first and the last token came.
        service: weighted tokens.
        tokens: prompt and output.
    """

    tenant: str | None
    arrival: float
    first: float
    last: float
    service: float
    tokens: int


def spans(result: Result) -> list[Span]:
    """All requests.

    Raises:
        ValueError: one was not answered in full, so that these measures mean nothing.
    """
    log = result.log
    for position, end in enumerate(log.end):
        if end != End.COMPLETED:
            raise ValueError(f"Request {position + 1} was not answered: {End(end).name.lower()}.")
    return [
        Span(
            request.tenant,
            request.arrival / SECOND,
            (request.arrival + log.ttft[position]) / SECOND,
            log.ended[position] / SECOND,
            INPUT * request.prompt_tokens + OUTPUT * log.output[position],
            request.prompt_tokens + log.output[position],
        )
        for position, request in enumerate(result.trace)
    ]


def instants(seconds: float) -> list[float]:
    """When the paper takes its measures in a run of that length: 19 times, after the warm-up."""
    step = (seconds - WARM_UP) / _POINTS
    return [WARM_UP + step * number for number in range(1, _POINTS)]


def gap(served: Sequence[Span], at: float, since: float = WARM_UP) -> float:
    """The most service that anybody got from one time to another over the least."""
    received = _received(served, since, at)
    return max(received.values()) - min(received.values())


def difference(served: Sequence[Span], at: float) -> float:
    """The paper's service difference around a time, in service a second.

    Each client lacks what the best served one got more, but at most what it asked for and did not
    get (or got and did not ask for: it was backlogged); summed over clients.
    """
    begin, end = at - WINDOW / 2, at + WINDOW / 2
    received = _received(served, begin, end)
    asked: dict[str | None, float] = defaultdict(float)
    for one in served:
        if begin <= one.arrival <= end:
            asked[one.tenant] += one.service
    best = max(received.values())
    lacks = (min(best - got, abs(asked[who] - got)) for who, got in received.items())
    return sum(lacks) / WINDOW


def waits(served: Sequence[Span], tenant: str) -> Iterator[tuple[float, float]]:
    """Arrival and time to first token of each request of a client, in seconds."""
    return ((one.arrival, one.first - one.arrival) for one in served if one.tenant == tenant)


def throughput(served: Sequence[Span]) -> float:
    """Tokens a second, prompt and output, until the last request is answered."""
    return sum(one.tokens for one in served) / max(one.last for one in served)


def _received(served: Sequence[Span], begin: float, end: float) -> dict[str | None, float]:
    received = dict.fromkeys((one.tenant for one in served), 0.0)
    for one in served:
        overlap = min(end, one.last) - max(begin, one.first)
        if overlap > 0:
            received[one.tenant] += one.service * overlap / (one.last - one.first)
    return received
