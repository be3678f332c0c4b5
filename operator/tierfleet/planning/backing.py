"""What the replicas that are ready can keep of what is promised now.

Acceptance and grants count desired replicas, so that a restart changes nothing. Whoever was
promised something has to know all the same while fewer are there than it takes: `spareReplicas`
may be away before anybody is short. It must not decide anything: who is short is told, no more.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from tierfleet.planning import contracts
from tierfleet.planning.pool import PoolPlan
from tierfleet.planning.snapshot import Snapshot


class Backing(NamedTuple):
    """What stands behind a pool's promises.

    Attributes:
        ready: replicas that are, and do not leave.
        desired: replicas that are planned.
        kept: by uid of each contract whose term holds: how much of its grant these can serve,
            service tokens/s.
    """

    ready: int
    desired: int
    kept: Mapping[str, int]


def of(snapshot: Snapshot, plan: PoolPlan) -> Backing | None:
    """What the pool's ready replicas can keep, also while it is held; None if a rate is not known.

    What is missing is missing in the order in which capacity that is lost is taken
    (`contracts.precedence`).
    """
    if plan.capacity.unknown:
        return None
    agreed = [v.contract for v in plan.reservations.values() if v.contract is not None]
    live = (pod for pod in snapshot.pods_of(plan.key) if pod.ready and not pod.terminating)
    ready = Counter(pod.accelerator for pod in live)
    able = sum(ready[name] * rate.service_tokens_per_second for name, rate in plan.rates.items())
    partitioning = snapshot.pools[plan.key].spec.partitioning
    room = max(0, able * partitioning.sellable_percent // 100 - plan.floors)
    kept = {}
    for contract in sorted(agreed, key=contracts.precedence):
        if contract.term.holds_at(snapshot.now):
            kept[contract.uid] = min(contract.granted, room)
            room -= kept[contract.uid]
    return Backing(ready.total(), plan.placement.total, kept)
