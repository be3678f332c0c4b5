"""What replicas can serve, what of it survives a loss, and how much of that may be promised.

All in service tokens per second, over desired replicas: a restart changes nothing. It must not
know what was promised.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tierfleet.api import InferencePool
from tierfleet.api.poolstatus import CapacitySource
from tierfleet.planning import measured
from tierfleet.planning.measured import Rate
from tierfleet.planning.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Capacity:
    """A pool's throughput in service tokens per second.

    Attributes:
        source: Measured if the rates of all its replicas are.
        since: when the newest of them was measured; None unless all are.
        total: of all desired replicas; percents are of it.
        survivable: without the largest `spareReplicas`, of which one replica at least stays.
        sellable: the `sellablePercent` of that; promises must fit into it.
        unknown: accelerators in use whose rate is not known; they count nothing.
    """

    source: CapacitySource
    total: int
    survivable: int
    sellable: int
    unknown: tuple[str, ...] = ()
    since: datetime | None = None


def of(
    pool: InferencePool,
    desired: Mapping[str, int],
    rates: Mapping[str, Rate],
    counted: Mapping[str, int] | None = None,
) -> Capacity:
    """The capacity of that many replicas on each accelerator, at these rates of one.

    `counted` are those with the ones that are leaving, which serve nothing that may be promised,
    but while they are there their rate should be known as well.
    """
    used = {name: rates[name] for name, count in desired.items() if count}
    replicas = sorted(
        (
            rate.service_tokens_per_second
            for name, rate in used.items()
            for _ in range(desired[name])
        ),
        reverse=True,
    )
    times = [rate.since for rate in used.values() if rate.since is not None]
    all_measured = bool(times) and len(times) == len(used)
    partitioning = pool.spec.partitioning
    spare = min(partitioning.spare_replicas, max(0, len(replicas) - 1))
    survivable = sum(replicas[spare:])
    return Capacity(
        source=CapacitySource.MEASURED if all_measured else CapacitySource.DECLARED,
        total=sum(replicas),
        survivable=survivable,
        sellable=survivable * partitioning.sellable_percent // 100,
        unknown=tuple(
            name
            for name, count in (counted or desired).items()
            if count and not rates[name].service_tokens_per_second
        ),
        since=max(times) if all_measured else None,
    )


def rates(snapshot: Snapshot, pool: InferencePool) -> Mapping[str, Rate]:
    """The rate of one replica on each accelerator: what is measured wins over what is declared."""
    return measured.rates(
        declared(pool), snapshot.recorded_of(pool.key).rates, snapshot.measured_of(pool.key)
    )


def declared(pool: InferencePool) -> Mapping[str, int]:
    """The rate of one replica by accelerator, 0 where none is declared."""
    return {
        a.name: a.capacity.service_tokens_per_second if a.capacity else 0
        for a in pool.spec.accelerators
    }


def preferred(pool: InferencePool) -> Mapping[str, int]:
    """Replicas by accelerator, if there were devices for as many as it may have."""
    left = pool.spec.most_replicas
    desired = dict.fromkeys((a.name for a in pool.spec.accelerators), 0)
    for accelerator in pool.spec.accelerators:
        desired[accelerator.name] = min(left, accelerator.min_replicas)
        left -= desired[accelerator.name]
    for accelerator in pool.spec.accelerators:
        most = accelerator.max_replicas
        room = left if most is None else min(left, most - desired[accelerator.name])
        desired[accelerator.name] += room
        left -= room
    return desired
