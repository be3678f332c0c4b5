"""What a request costs at the mean: of all that the pool's replicas served, whatever room they had.

It says how soon seats come free (`burst`): a replica completes its rate / the mean cost a second.
Facts in, one number out; the rules and their reasons are in `docs/planning.md`, Mean cost.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from tierfleet import plan
from tierfleet.planning.measured import (
    FEWEST_SUB_WINDOWS,
    HIGHEST,
    MeanCost,
    Measurement,
    Sample,
    Sight,
    differs,
)

MEAN_PROMPT_TOKENS = 1000
MEAN_OUTPUT_TOKENS = 250
"""A chat request with some context: assumed until the mean cost is measured."""
FEWEST = 400
"""Requests, without which there is no mean: of costs that vary as much as they measure, which is
what an exponential does, that of so many is off by 5 % (one standard error), as the hysteresis."""


class Served(NamedTuple):
    """What replicas served in one sub-window: service tokens, of so many requests."""

    service_tokens: float
    requests: float


def of(sample: Sample, seconds: int) -> Served | None:
    """What a replica served in a sub-window of so many seconds; None: it does not say what can be.

    One in which no request ended says something too: tokens are counted while they are generated,
    and a request when it ends.
    """
    if sample.requests is None:
        return None
    if not all(0 <= rate <= HIGHEST for rate in (sample.served, sample.requests)):
        return None
    return Served(sample.served * seconds, sample.requests * seconds)


def total(parts: Iterable[Served]) -> Served:
    """What replicas served together."""
    tokens, requests = zip(*parts, strict=True)
    return Served(math.fsum(tokens), math.fsum(requests))


def estimate(served: Mapping[datetime, Served]) -> MeanCost | None:
    """Tokens by requests over all sub-windows, by their end; None: they are too few.

    The mean of the sub-windows' means would make much of one that had few requests.
    """
    busy = {end: one for end, one in served.items() if one.service_tokens > 0}
    if len(busy) < FEWEST_SUB_WINDOWS:
        return None
    tokens, requests = total(busy.values())
    if requests < FEWEST or tokens > HIGHEST * requests:
        return None
    return MeanCost(round(tokens / requests) or 1, max(busy))


def settled(before: MeanCost | None, found: MeanCost | None) -> MeanCost | None:
    """The value in force from now on, as of a rate (`measured.settled`)."""
    if before is None or found is None:
        return before or found
    return found if differs(before.service_tokens, found.service_tokens) else before


def mean_cost(
    burndown: plan.Burndown, recorded: MeanCost | None, measurement: Measurement
) -> MeanCost:
    """Of one request: measured now or before, else that of an assumed one at these rates."""
    remembered = None if measurement.sight is Sight.OFF else recorded
    return measurement.mean_cost or remembered or MeanCost(assumed(burndown))


def assumed(burndown: plan.Burndown) -> float:
    """Service tokens of the assumed request at these rates."""
    return MEAN_PROMPT_TOKENS * float(burndown.input) + MEAN_OUTPUT_TOKENS * float(burndown.output)


def recorded(mean: plan.MeanCost | None) -> MeanCost | None:
    """What a plan remembers as measured."""
    return None if mean is None else MeanCost(mean.service_tokens, mean.measured_since)


def to_record(mean: MeanCost) -> plan.MeanCost | None:
    """What the plan is to remember; None of what is assumed."""
    if mean.since is None:
        return None
    return plan.MeanCost(service_tokens=round(mean.service_tokens), measured_since=mean.since)
