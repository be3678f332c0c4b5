"""How fast lent capacity comes back: the owner was idle, retail has all its seats, it returns.

Two states of the lent seats, a steady flow of ends and a flood that has just begun (all that runs
is young: the worst case), and the two ways to take them back. docs/admission.md derives the bounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log

from bench.contract.measure import run
from bench.contract.scenario import (
    OWNER,
    PERCENT,
    SEATS,
    TIMES,
    From,
    burndown,
    flood_rates,
    plan,
    trace,
)
from tierfleet.admission.core import Core
from tierfleet.admission.holdback import TAIL
from tierfleet.admission.reclaim import LOST_PERCENT, PATIENCE
from tierfleet.simulator.log import NEVER, End
from tierfleet.simulator.service import Price
from tierfleet.simulator.simulation import Result
from tierfleet.simulator.trace import SECOND, TraceRequest

RETURNS = 90
"""Seconds: later than those after which nothing is held back for who is idle."""
WATCHED = 30
"""Seconds after that."""
LENT = {"steady": 0.0, "young": RETURNS - 2.0}
"""When the flood begins, in seconds."""
RECLAIMS = ("NextSeat", "Abort")
_PROMPT, _OUTPUT = 600, 240
"""Of the owner: one size, and the cap is the length, so that what is charged is what it costs."""
_MEASURED = 20
"""Seconds before the return in which the ends of lent work are counted."""
_TIMER = SECOND // 1000


@dataclass(frozen=True, slots=True)
class Return:
    """One return.

    Attributes:
        lent, reclaim: which.
        seconds: until dispatches under the reservation run at the reserved rate.
        bound: on that, in seconds.
        first_token: of the owner's first request, seconds after its arrival.
        lost: work thrown away in a minute, of what the engine does in one.
        dispatched: when, in seconds since the return, and service tokens until then.
        rate: reserved, service tokens a second.
    """

    lent: str
    reclaim: str
    seconds: float
    bound: float
    first_token: float
    lost: float
    dispatched: tuple[tuple[float, float], ...]
    rate: float

    @property
    def kept(self) -> bool:
        """Whether the bounds on time and on lost work were."""
        return self.seconds <= self.bound and self.lost <= LOST_PERCENT / 100


def measure_return(capacity: int, mean: float, lent: str, reclaim: str) -> Return:
    """Runs one.

    Args:
        capacity: service tokens that the engine does in a second.
        mean: service tokens of a request that floods.
        lent: a key of `LENT`.
        reclaim: one of `RECLAIMS`.
    """
    price = Price(burndown())
    cost = price(_PROMPT, 0, _OUTPUT) / 10**6
    rate = capacity * PERCENT // 100
    flood = trace(RETURNS + WATCHED, flood_rates(TIMES * capacity / mean), since=LENT[lent])
    # Twice its rate, and what exceeds it competes in retail: what it gets is by the contract.
    owner = _every(cost / rate / 2)
    requests = sorted([*flood, *owner], key=lambda request: request.arrival)
    contract = plan(capacity, From.LOWER, reclaim=reclaim, preemption="Anytime", beyond="retail")
    result = run(contract, requests, Core)
    offsets = _dispatches(result)
    slack = cost + rate * contract.reservations[0].max_wait_milliseconds / 1000
    bound = _abort_bound() if reclaim == "Abort" else _next_seat_bound(result, rate / cost)
    first = next(n for n, request in enumerate(requests) if request.tenant == OWNER)
    return Return(
        lent,
        reclaim,
        at_the_rate([*offsets, WATCHED], cost, rate, slack),
        bound,
        result.log.ttft[first] / SECOND,
        _lost(result, price) / (60 * capacity * 10**6),
        tuple((at, number * cost) for number, at in enumerate(offsets, start=1)),
        rate,
    )


def at_the_rate(dispatched: Sequence[float], cost: float, rate: float, slack: float) -> float:
    """The first dispatch from which on they are never behind the rate by more than the slack.

    Counted from that one: what a backlogged reservation is promised, r·Δt - (cm + e + r·ω).

    Args:
        dispatched: times of dispatch in seconds, and last the end of what is looked at, which
            counts for a rate that is never reached.
        cost: of each.
        rate: per second.
        slack: in the unit of cost.
    """
    for number, since in enumerate(dispatched):
        later = enumerate(dispatched[number:])
        # Behind the most just before a dispatch.
        if max(rate * (at - since) - cost * done for done, at in later) <= slack:
            return since
    return dispatched[-1]


def _every(gap: float) -> list[TraceRequest]:
    return [
        TraceRequest(
            int((RETURNS + number * gap) * SECOND), OWNER, _PROMPT, _OUTPUT, max_tokens=_OUTPUT
        )
        for number in range(int(WATCHED / gap))
    ]


def _dispatches(result: Result) -> list[float]:
    """Under the reservation, in seconds since the return."""
    log = result.log
    return sorted(
        (request.arrival + log.wait[position]) / SECOND - RETURNS
        for position, request in enumerate(result.trace)
        if request.tenant == OWNER and log.reserved[position] and log.wait[position] != NEVER
    )


def _abort_bound() -> float:
    """τ, and the grain of the timer that ends it: the seat is the core's when it says so."""
    return (PATIENCE + _TIMER) / SECOND


def _next_seat_bound(result: Result, wanted: float) -> float:
    """Seconds until seats come free as fast as `wanted` a second.

    If they do at the return, the time that a request waits for one, but for 0.1 %; at the latest
    when the reserved part of the seats that were lent then have come free.
    """
    ends = sorted(
        result.log.ended[position] / SECOND - RETURNS
        for position, request in enumerate(result.trace)
        if request.tenant != OWNER and result.log.end[position] == End.COMPLETED
    )
    before = sum(-_MEASURED <= end < 0 for end in ends) / _MEASURED
    later = [end for end in ends if end >= 0]
    share = later[ceil(SEATS * PERCENT / 100) - 1]
    return min(share, log(1 / TAIL) / (before - wanted)) if before > wanted else share


def _lost(result: Result, price: Price) -> int:
    """Micro service tokens that were thrown away: all of it within one minute."""
    log = result.log
    lost = 0
    for position, request in enumerate(result.trace):
        if log.aborts[position]:
            # Who waits again had produced nothing, and what it produces later is not lost.
            seen = log.output[position] if log.end[position] == End.EVICTED else 0
            lost += price(request.prompt_tokens, 0, seen)
    return lost
