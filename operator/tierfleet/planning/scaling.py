"""How many replicas a pool wants: as its spec says, or with mode Automatic by load and promises.

Recommendations are made and stabilised as the HorizontalPodAutoscaler does (Kubernetes' page
"Horizontal Pod Autoscaling": algorithm details, tolerance, stabilization window, default behavior).
Facts in, numbers out; it must not know where replicas are placed. Rules: `docs/planning.md`.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final, NamedTuple

from tierfleet import plan
from tierfleet.api import InferencePool
from tierfleet.api.inferencepool import ScalingMode
from tierfleet.planning import ahead
from tierfleet.planning.measured import HIGHEST, Rate, Sample
from tierfleet.planning.placement import Scale
from tierfleet.planning.snapshot import Snapshot

TARGET_PERCENT: Final = 80
TOLERANCE: Final = 0.1
"""Around the target, within which nothing is changed."""
STABLE: Final = timedelta(minutes=5)
"""Replicas are taken away only by the highest recommendation of that time."""
_AT_TIMES_FULL: Final = 0.05
"""Of a sub-window; what waits at a replica that has room waits for a bound of its own."""
_MOST_FOLD: Final = 2
_MOST_ADDED: Final = 4
"""At a time: twice as many, or four more, whichever is more."""


class Load(NamedTuple):
    """What a pool did in one sub-window.

    Attributes:
        served: service tokens per second.
        seen: replicas that this is about, by accelerator.
        waits: p99 of queueing by tier, seconds: the median of the replicas that were full at times.
    """

    served: float
    seen: Mapping[str, int]
    waits: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many replicas to place.

    Attributes:
        replicas: over all accelerators.
        most: as many more as the promises need, up to that.
        floor: service tokens/s that must be sellable, if `most` allows it.
        scale: why it is not what the load asks for; None with modes other than Automatic.
    """

    replicas: int
    most: int
    floor: int = 0
    scale: Scale | None = None


def load(samples: Iterable[tuple[str, Sample]]) -> Load:
    """The load in one sub-window, of samples with the accelerator that each is of."""
    served, seen = 0.0, Counter[str]()
    waits: dict[str, list[float]] = defaultdict(list)
    for accelerator, sample in samples:
        if not 0 <= sample.served <= HIGHEST:
            continue
        served += sample.served
        seen[accelerator] += 1
        if sample.full >= _AT_TIMES_FULL:
            for tier, seconds in sample.queue_p99.items():
                if math.isfinite(seconds):
                    waits[tier].append(seconds)
    return Load(served, seen, {tier: median(found) for tier, found in waits.items()})


def recommend(
    pool: InferencePool,
    replicas: Mapping[str, int],
    rates: Mapping[str, Rate],
    tiers: Collection[plan.Tier],
    found: Load,
) -> int | None:
    """How many replicas the load asks for, where there are so many by accelerator; None: unknown.

    Replicas that are not seen are starting, or lost to Prometheus: they count as idle where more
    would be added and as busy as they should be where some would be taken away.
    """
    current = sum(replicas.values())
    each = {
        name: rates[name].service_tokens_per_second for name, count in replicas.items() if count
    }
    able = sum(replicas[name] * rate for name, rate in each.items())
    seen = sum(min(replicas[name], found.seen.get(name, 0)) * rate for name, rate in each.items())
    if not seen or not all(each.values()):
        return None
    target = (pool.spec.scaling.target_utilization_percent or TARGET_PERCENT) / 100
    most = max(_MOST_FOLD * current, current + _MOST_ADDED)
    wishes = [_by_utilisation(current, found.served, target * seen, target * able)]
    alive = sum(min(replicas[name], found.seen.get(name, 0)) for name in each)
    for tier in tiers:
        objective = tier.objectives.queue_p99_milliseconds
        if objective is not None and tier.name in found.waits:
            late = found.waits[tier.name] * 1000 / objective
            wishes.append(_by_wait(current, alive, late))
    return min(max(wishes), most)


def stabilised(current: int, recommendations: Sequence[tuple[datetime, int]], now: datetime) -> int:
    """The recommendation to follow: up at once, down by the highest of the last minutes."""
    _, newest = recommendations[-1]
    if newest >= current:
        return newest
    return min(current, max(wish for at, wish in recommendations if now - at <= STABLE))


def wanted(snapshot: Snapshot, pool: InferencePool) -> Wanted:
    """How many replicas the pool wants; what has no metrics keeps what it has."""
    spec = pool.spec
    if spec.scaling.mode is not ScalingMode.AUTOMATIC or spec.scaling.max_replicas is None:
        return Wanted(spec.replicas, spec.replicas)
    current = sum(snapshot.replicas.get(pool.key, {}).values())
    asked = snapshot.measured_of(pool.key).replicas
    least, most = spec.scaling.min_replicas or 1, spec.scaling.max_replicas
    replicas = min(max(current if asked is None else asked, least), most)
    if asked is None:
        scale = Scale.NO_METRICS
    elif asked > most:
        scale = Scale.MAX_REPLICAS
    else:
        scale = Scale.MIN_REPLICAS if asked < least else Scale.AT_TARGET
    # Percents ask for no replicas: they grow with the pool.
    return Wanted(replicas, most, ahead.promised(snapshot, pool, total=0), scale)


def _by_utilisation(current: int, served: float, at_target: float, all_at_target: float) -> int:
    if served > at_target:
        ratio = served / all_at_target
        if ratio <= 1 + TOLERANCE:
            return current
    else:
        ratio = (served + all_at_target - at_target) / all_at_target
        if ratio >= 1 - TOLERANCE:
            return current
    # What is whole but for the arithmetic is whole.
    return math.ceil(current * ratio - 1e-9)


def _by_wait(current: int, alive: int, late: float) -> int:
    """`late` is the wait by its objective.

    As many again as serve at most, because the wait does not say how many are missing; those that
    are starting are among them. From half of the objective on none is taken away.
    """
    if late > 1 + TOLERANCE:
        return max(current, math.ceil(alive * min(late, _MOST_FOLD) - 1e-9))
    return current if late > 0.5 else 0
