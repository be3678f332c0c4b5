"""What a replica can really do: from sub-windows in which it was full to one rate per accelerator.

Facts in, rates out. It must not know where the facts come from, nor what is done with a rate. The
rules and their reasons are in `docs/planning.md`, Measured capacity.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from statistics import median
from typing import NamedTuple

from tierfleet import plan

FULL = 0.95
"""Of a sub-window in which a replica had no room, from which on it counts as full throughout: both
ends of a counter's increase are read a moment off."""
FEWEST_SAMPLES = 10
FEWEST_SUB_WINDOWS = 5
"""Without so many there is no rate: a moment of a whole fleet sustains none, nor one replica's."""
HYSTERESIS = 0.05
"""Of the value in force, within which another one is the same."""
HIGHEST = 10**9
"""Service tokens/s of one replica, beyond which it is a fault and no measurement."""


class Sight(StrEnum):
    """What measuring sees at the moment."""

    OFF = "Off"
    """Nobody measures: what was measured before counts no more."""
    ELSEWHERE = "Elsewhere"
    """Whoever asks has no part in measuring: what the plan remembers is in force."""
    CLEAR = "Clear"
    UNSCRAPED = "Unscraped"
    """Prometheus answers, but knows none of the pool's ready replicas."""
    UNAVAILABLE = "Unavailable"
    """Prometheus does not answer."""
    WRONG = "Wrong"
    """What answers refuses, or does not answer as Prometheus does."""


class Rate(NamedTuple):
    """Service tokens per second of one replica; `since` when it is measured, None: declared."""

    service_tokens_per_second: int
    since: datetime | None = None


class MeanCost(NamedTuple):
    """Service tokens of one request at the mean; `since` when it is measured, None: assumed.

    `burndown` is the version of the rates that they are counted at.
    """

    service_tokens: float
    since: datetime | None = None
    burndown: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What measuring says of one pool.

    Attributes:
        rates: by accelerator, of those that could be measured since the operator started.
        replicas: that its load asks for (`scaling`); None while nobody knows.
        mean_cost: of a request, once it could be measured since the operator started.
    """

    sight: Sight = Sight.OFF
    rates: Mapping[str, Rate] = field(default_factory=dict)
    replicas: int | None = None
    mean_cost: MeanCost | None = None


NOT_MEASURED = Measurement()
AS_REMEMBERED = Measurement(Sight.ELSEWHERE)


class Sample(NamedTuple):
    """One replica in one sub-window.

    Attributes:
        replica: the name of its pod.
        end: of the sub-window.
        served: service tokens per second.
        full: part of the sub-window in which its engine had no room.
        queue_p99, first_token_p99: seconds by tier; a tier without requests is left out.
        requests: per second, that ended; None: nobody counted them.
    """

    replica: str
    end: datetime
    served: float
    full: float
    queue_p99: Mapping[str, float]
    first_token_p99: Mapping[str, float]
    requests: float | None = None


def counts(sample: Sample, tiers: Collection[plan.Tier]) -> bool:
    """True if the sample says what the replica can do: it was full, and kept what is promised.

    That is the objective of the highest tier that has one; no request of it was late if there was
    none.
    """
    if not (sample.full >= FULL and 0 < sample.served <= HIGHEST):
        return False
    judged = [tier for tier in tiers if any(limit is not None for limit in _limits(tier))]
    if not judged:
        return True
    highest = max(judged, key=lambda tier: tier.priority)
    found = (sample.queue_p99.get(highest.name), sample.first_token_p99.get(highest.name))
    return all(
        seconds is None or limit is None or seconds <= limit
        for seconds, limit in zip(found, _limits(highest), strict=True)
    )


def estimate(samples: Sequence[tuple[datetime, float]]) -> Rate | None:
    """The median of what samples (end, service tokens/s) that count say; None: they are too few.

    A median stays where it is while less than half of what it is taken from is wrong.
    """
    ends = {end for end, _ in samples}
    if len(samples) < FEWEST_SAMPLES or len(ends) < FEWEST_SUB_WINDOWS:
        return None
    return Rate(round(median(served for _, served in samples)) or 1, max(ends))


def settled(before: Rate | None, found: Rate | None) -> Rate | None:
    """The value in force from now on: another one only if it differs by more than `HYSTERESIS`."""
    if before is None or found is None:
        return before or found
    apart = abs(found.service_tokens_per_second - before.service_tokens_per_second)
    return before if apart <= HYSTERESIS * before.service_tokens_per_second else found


def rates(
    declared: Mapping[str, int], recorded: Mapping[str, Rate], measurement: Measurement
) -> Mapping[str, Rate]:
    """The rate of one replica by accelerator: measured now or before, else declared; 0: none."""
    if measurement.sight is Sight.OFF:
        recorded = {}
    return {
        name: measurement.rates.get(name) or recorded.get(name) or Rate(rate)
        for name, rate in declared.items()
    }


def recorded(groups: Iterable[plan.Group]) -> Mapping[str, Rate]:
    """What the groups of a plan remember as measured."""
    return {
        group.accelerator: Rate(group.service_tokens_per_second, group.measured_since)
        for group in groups
        if group.measured_since is not None and group.service_tokens_per_second
    }


def _limits(tier: plan.Tier) -> tuple[float | None, float | None]:
    """Seconds at the 99th percentile: of waiting, and to the first token."""
    objectives = tier.objectives
    return (
        _seconds(objectives.queue_p99_milliseconds),
        _seconds(objectives.ttft_p99_milliseconds),
    )


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
