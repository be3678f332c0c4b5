"""What replicas can serve, what of it survives a loss, and how much of that may be promised.

All in service tokens per second, over desired replicas: a restart changes nothing. It must not
know what was promised.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tierfleet.api import InferencePool
from tierfleet.api.poolstatus import CapacitySource


@dataclass(frozen=True, slots=True)
class Capacity:
    """A pool's throughput in service tokens per second.

    Attributes:
        source: where the rates of its replicas come from.
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


def of(
    pool: InferencePool, desired: Mapping[str, int], counted: Mapping[str, int] | None = None
) -> Capacity:
    """The capacity of that many replicas on each accelerator.

    `counted` are those with the ones that are leaving, which serve nothing that may be promised,
    but while they are there their rate should be known as well.
    """
    rates = declared(pool)
    replicas = sorted(
        (rates[name] for name, count in desired.items() for _ in range(count)), reverse=True
    )
    partitioning = pool.spec.partitioning
    spare = min(partitioning.spare_replicas, max(0, len(replicas) - 1))
    survivable = sum(replicas[spare:])
    return Capacity(
        source=CapacitySource.DECLARED,
        total=sum(replicas),
        survivable=survivable,
        sellable=survivable * partitioning.sellable_percent // 100,
        unknown=tuple(
            name for name, count in (counted or desired).items() if count and not rates[name]
        ),
    )


def declared(pool: InferencePool) -> Mapping[str, int]:
    """The rate of one replica by accelerator, 0 where none is declared."""
    return {
        a.name: a.capacity.service_tokens_per_second if a.capacity else 0
        for a in pool.spec.accelerators
    }


def preferred(pool: InferencePool) -> Mapping[str, int]:
    """Replicas by accelerator, if there were devices for all of them."""
    left = pool.spec.replicas
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
