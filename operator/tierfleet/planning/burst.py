"""Whether seats can start a burst in time.

A request that finds all seats taken waits for one to come free, and an engine frees them at its
completion rate only. For a burst of n requests admission holds n seats back, and a few more for the
steady flow, but a quarter of all W at most (`admission/holdback.py`; the cap is shared with it). Of
the promised wait w half is for finding a seat, and reserved requests go on arriving meanwhile, so a
burst is backed if n <= W/4 + (mu - lambda)*w/2: mu completions, lambda reserved arrivals a second.
Seats that could be emptied by aborting are not counted. What of a burst one replica has to start is
what admission saves there (`plan.burst_window`): the root of its share.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tierfleet import plan

_MILLI = 1000


class Part(NamedTuple):
    """What one replica of an accelerator is of a pool.

    Attributes:
        share: of every rate (`plan.share`), in (0, 1].
        seats: W, of its engine.
    """

    share: Fraction
    seats: int


@dataclass(frozen=True, slots=True)
class Replica:
    """What a burst meets where a part of it comes to.

    Attributes:
        part: this replica's.
        total: throughput of all desired replicas, service tokens per second.
        reserved: what all reservations are promised of it, the one in question too.
        mean_cost: of one request, in service tokens (`traffic.mean_cost`).
    """

    part: Part
    total: int
    reserved: int
    mean_cost: float


def requests(at: Replica, rate: int, window_milliseconds: int) -> int:
    """Requests that the replica has to start at once."""
    tokens = rate * window_milliseconds / _MILLI * math.sqrt(at.part.share)
    return max(1, math.ceil(tokens / at.mean_cost))


def startable(at: Replica, wait_milliseconds: int) -> int:
    """Requests that the replica can start within the wait, at least one."""
    half = wait_milliseconds / _MILLI / 2
    unpromised = max(0, at.total - at.reserved) * float(at.part.share) / at.mean_cost
    return max(1, math.floor(plan.most_held_back(at.part.seats) + unpromised * half))


def largest_window_milliseconds(at: Replica, rate: int, wait_milliseconds: int) -> int:
    """The largest burst window that is backed there."""
    most = startable(at, wait_milliseconds)
    tokens = most * at.mean_cost / math.sqrt(at.part.share)
    window = math.floor(tokens / rate * _MILLI)
    # Floating point may be off where it should be a whole millisecond.
    near = (window + 1, window, window - 1)
    return next((each for each in near if requests(at, rate, each) <= most), window)
