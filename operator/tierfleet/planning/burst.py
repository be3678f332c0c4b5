"""Whether seats can start a burst in time (admission design note, "Hold-back").

A request that finds all seats taken waits for one to come free, and an engine frees them at its
completion rate only. A burst of n requests can start within the promised wait of w seconds if
n <= h + mu*w: h seats held back, mu completions per second. h is the least with
rho^h * e^(-(mu - lambda)*w) <= 0.001, rho being the reserved share of all dispatches and lambda the
reserved arrivals per second. Seats that could be emptied by aborting are not counted.
"""

import math
from dataclasses import dataclass

from tierfleet import plan

MEAN_PROMPT_TOKENS = 1000
MEAN_OUTPUT_TOKENS = 250
"""A chat request with some context: assumed until the mean cost is measured."""

_TAIL = 0.001
_MILLI = 1000


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a burst meets.

    Attributes:
        replicas: desired ones; each gets the same part of a burst.
        total: their throughput, service tokens per second.
        reserved: what all reservations are promised of it, the one in question too.
        mean_cost: of one request, in service tokens.
    """

    replicas: int
    total: int
    reserved: int
    mean_cost: float


def mean_cost(burndown: plan.Burndown) -> float:
    """Service tokens of the assumed request at these rates."""
    return MEAN_PROMPT_TOKENS * float(burndown.input) + MEAN_OUTPUT_TOKENS * float(burndown.output)


def requests(fleet: Fleet, rate: int, window_milliseconds: int) -> int:
    """Requests that one replica has to start at once; bursts add up with the root of replicas."""
    tokens = rate * window_milliseconds / _MILLI / math.sqrt(fleet.replicas)
    return max(1, math.ceil(tokens / fleet.mean_cost))


def startable(fleet: Fleet, wait_milliseconds: int) -> int:
    """Requests that one replica can start within the wait, at least one."""
    wait = wait_milliseconds / _MILLI
    completions = fleet.total / fleet.replicas / fleet.mean_cost
    share = min(fleet.reserved / fleet.total, 0.99)
    slack = completions * (1 - share) * wait
    held_back = max(0, math.ceil((math.log(_TAIL) + slack) / math.log(share)))
    return max(1, math.floor(held_back + completions * wait))


def largest_window_milliseconds(fleet: Fleet, rate: int, wait_milliseconds: int) -> int:
    """The largest burst window that is backed, for the message."""
    tokens = startable(fleet, wait_milliseconds) * fleet.mean_cost * math.sqrt(fleet.replicas)
    return math.floor(tokens / rate * _MILLI)
