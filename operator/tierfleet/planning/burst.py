"""Whether seats can start a burst in time.

A request that finds all seats taken waits for one to come free, and an engine frees them at its
completion rate only. For a burst of n requests admission holds n seats back, and a few more for the
steady flow, but a quarter of all W at most (`admission/holdback.py`; the cap is shared with it). Of
the promised wait w half is for finding a seat, and reserved requests go on arriving meanwhile, so a
burst is backed if n <= W/4 + (mu - lambda)*w/2: mu completions, lambda reserved arrivals a second.
Seats that could be emptied by aborting are not counted.
"""

import math
from dataclasses import dataclass

from tierfleet import plan

MEAN_PROMPT_TOKENS = 1000
MEAN_OUTPUT_TOKENS = 250
"""A chat request with some context: assumed until the mean cost is measured."""

_MILLI = 1000


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a burst meets.

    Attributes:
        replicas: desired ones; each gets the same part of a burst.
        seats: W, of the engine of one replica, of that with the fewest.
        total: their throughput, service tokens per second.
        reserved: what all reservations are promised of it, the one in question too.
        mean_cost: of one request, in service tokens.
    """

    replicas: int
    seats: int
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
    half = wait_milliseconds / _MILLI / 2
    unpromised = max(0, fleet.total - fleet.reserved) / fleet.replicas / fleet.mean_cost
    return max(1, math.floor(plan.most_held_back(fleet.seats) + unpromised * half))


def largest_window_milliseconds(fleet: Fleet, rate: int, wait_milliseconds: int) -> int:
    """The largest burst window that is backed, for the message."""
    most = startable(fleet, wait_milliseconds)
    tokens = most * fleet.mean_cost * math.sqrt(fleet.replicas)
    window = math.floor(tokens / rate * _MILLI)
    # Floating point may be off where it should be a whole millisecond.
    near = (window + 1, window, window - 1)
    return next((each for each in near if requests(fleet, rate, each) <= most), window)
