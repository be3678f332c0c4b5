"""What a run of one replica is given of time, and what it gives back of the engine. Pure data."""

from dataclasses import dataclass
from datetime import datetime

from tierfleet.simulator.trace import SECOND


@dataclass(frozen=True, slots=True)
class Pace:
    """How often what is reported, and how long is measured; times in nanoseconds.

    Attributes:
        start: time of day at which the trace begins, with a zone.
        horizon: end of what is measured: utilisation counts up to here.
        drain: whether what waits or runs at the horizon is still served.
        progress: between two reports of tokens.
        reading: between two readings of the engine's metrics.
    """

    start: datetime
    horizon: int
    drain: bool = True
    progress: int = SECOND // 5
    reading: int = SECOND


@dataclass(slots=True)
class Usage:
    """What the engine did up to the horizon; `seats` and `kv_permille` are sums over samples."""

    steps: int = 0
    tokens: int = 0
    busy: int = 0
    preemptions: int = 0
    samples: int = 0
    seats: int = 0
    kv_permille: int = 0
