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
)

MEAN_PROMPT_TOKENS = 1000
MEAN_OUTPUT_TOKENS = 250
"""A chat request with some context: assumed until the mean cost is measured."""
FEWEST = 400
"""Requests, without which there is no mean."""
HYSTERESIS = 0.25
"""Of the value in force, within which another one is the same. The standard error of `FEWEST` is
5 % for costs that vary as an exponential does, and 10 % for such as vary twice as much: chance
alone must not make new plans."""


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


def estimate(served: Mapping[datetime, Served], burndown: str) -> MeanCost | None:
    """Tokens by requests over all sub-windows, by their end; None: they are too few.

    The mean of the sub-windows' means would make much of one that had few requests. `burndown` is
    the version of the rates at which all of them were counted.
    """
    busy = {end: one for end, one in served.items() if one.service_tokens > 0}
    if len(busy) < FEWEST_SUB_WINDOWS:
        return None
    tokens, requests = total(busy.values())
    if requests < FEWEST or tokens > HIGHEST * requests:
        return None
    return MeanCost(round(tokens / requests) or 1, max(busy), burndown)


def settled(before: MeanCost | None, found: MeanCost | None) -> MeanCost | None:
    """The value in force from now on: another one only if it differs by more than `HYSTERESIS`.

    One that is counted at other rates is no value any more.
    """
    if before is None or found is None:
        return before or found
    apart = abs(found.service_tokens - before.service_tokens)
    same = before.burndown == found.burndown and apart <= HYSTERESIS * before.service_tokens
    return before if same else found


def mean_cost(
    burndown: plan.Burndown, recorded: MeanCost | None, measurement: Measurement
) -> MeanCost:
    """Of one request: measured now or before at these rates, else that of an assumed one."""
    remembered = None if measurement.sight is Sight.OFF else recorded
    for known in (measurement.mean_cost, remembered):
        if known is not None and known.burndown == burndown.version:
            return known
    return MeanCost(assumed(burndown), burndown=burndown.version)


def assumed(burndown: plan.Burndown) -> float:
    """Service tokens of the assumed request at these rates."""
    return MEAN_PROMPT_TOKENS * float(burndown.input) + MEAN_OUTPUT_TOKENS * float(burndown.output)


def recorded(mean: plan.MeanCost | None, burndown: plan.Burndown) -> MeanCost | None:
    """What a plan with these rates remembers as measured."""
    if mean is None:
        return None
    return MeanCost(mean.service_tokens, mean.measured_since, burndown.version)


def to_record(mean: MeanCost) -> plan.MeanCost | None:
    """What the plan is to remember; None of what is assumed."""
    if mean.since is None:
        return None
    return plan.MeanCost(service_tokens=round(mean.service_tokens), measured_since=mean.since)
