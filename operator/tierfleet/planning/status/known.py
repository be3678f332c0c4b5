"""The sentences about capacity: what it is, where the number comes from, what measuring lacks."""

from tierfleet.api.conditions import Judgement, Status
from tierfleet.api.poolstatus import (
    AcceleratorCapacity,
    CapacitySource,
    MeanCostSource,
    MeanCostStatus,
    PoolReason,
)
from tierfleet.planning.measured import MeanCost, Rate, Sight
from tierfleet.planning.pool import PoolPlan

_REASONS = {
    Sight.UNSCRAPED: PoolReason.NOT_SCRAPED,
    Sight.UNAVAILABLE: PoolReason.PROMETHEUS_UNAVAILABLE,
    Sight.WRONG: PoolReason.PROMETHEUS_INVALID,
}
_LACKING = {
    Sight.UNSCRAPED: "Prometheus knows none of its ready replicas: have it scrape their admin "
    "port, with the labels namespace and pod (in the chart, podMonitor.pools).",
    Sight.UNAVAILABLE: "Prometheus does not answer: see that it runs, and that the operator "
    "reaches its --prometheus-url.",
    Sight.WRONG: "What answers at the operator's --prometheus-url refuses it or is no "
    "Prometheus: correct the URL, or the bearer token; the operator's log has the answer.",
}


def capacity_known(pool_plan: PoolPlan, sight: Sight) -> Judgement:
    """The condition `CapacityKnown`: the numbers and where they come from, or what is missing."""
    capacity, floors = pool_plan.capacity, pool_plan.floors
    if capacity.unknown:
        parts = ", ".join(pool_plan.suspended)
        suspended = f", and a part of a rate is not in force: {parts}" if parts else ""
        lacking = f" {_LACKING[sight]}" if sight in _LACKING else ""
        return Judgement(
            Status.FALSE,
            PoolReason.NOT_DECLARED,
            f"The capacity of {', '.join(capacity.unknown)} is not known, so those replicas count "
            f"nothing towards promises{suspended}. Declare capacity.serviceTokensPerSecond of the "
            f"accelerator{_or_wait(sight)}.{lacking}",
        )
    told = (
        f"{capacity.total} service tokens/s {_as(pool_plan)}, of which {capacity.sellable} can be "
        "sold."
    )
    if floors > capacity.sellable:
        told += (
            f" Floors take {floors}, so nothing is left to reserve: lower minimumPercent of the "
            "tiers, or add replicas."
        )
    elif floors:
        told += f" Floors (minimumPercent) take {floors} of that."
    if sight in _REASONS:
        told += f" That stays, since nothing newer is measured. {_LACKING[sight]}"
        return Judgement(Status.TRUE, _REASONS[sight], told)
    measured = capacity.source is CapacitySource.MEASURED
    return Judgement(Status.TRUE, PoolReason.MEASURED if measured else PoolReason.DECLARED, told)


def of_replica(rate: Rate) -> AcceleratorCapacity | None:
    """What one replica does, and where that number comes from; None while it is not known."""
    if not rate.service_tokens_per_second:
        return None
    return AcceleratorCapacity(
        source=CapacitySource.DECLARED if rate.since is None else CapacitySource.MEASURED,
        since=rate.since,
        service_tokens_per_second=rate.service_tokens_per_second,
    )


def of_request(mean: MeanCost) -> MeanCostStatus:
    """What a request costs, and where that number comes from."""
    return MeanCostStatus(
        source=MeanCostSource.ASSUMED if mean.since is None else MeanCostSource.MEASURED,
        since=mean.since,
        service_tokens=round(mean.service_tokens),
    )


def _as(pool_plan: PoolPlan) -> str:
    if pool_plan.capacity.source is CapacitySource.MEASURED:
        return "as measured"
    used = [name for name, count in pool_plan.placement.desired.items() if count]
    measured = [name for name in used if pool_plan.rates[name].since is not None]
    if not measured:
        return "as declared"
    return f"as declared (as measured: {', '.join(measured)})"


def _or_wait(sight: Sight) -> str:
    if sight in {Sight.OFF, Sight.ELSEWHERE}:
        return ""
    return ", or wait until it has been measured under full load"
