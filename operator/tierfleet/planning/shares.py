"""Shrink before grow: no replica is added, and no share grows, before the others' are smaller.

A replica enforces its share of every rate: its part of what all the replicas can do that its plan
counts. So the fleet admits no more than was promised as long as every plan that is run counts all
replicas that there are: then the shares in force add up to 1 at most. Two rules see to that:

    counted   a plan counts whoever is there or is to come, those that are leaving too;
    allowed   replicas are added as far as every plan counts them that another one may still run.

Where that is approximate stands in `docs/planning.md` (Shares). It must not know how replicas are
asked, nor where they are placed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from tierfleet.planning.published import NOTHING_RECORDED, Recorded, edges, may_run
from tierfleet.planning.snapshot import Pod, PoolKey, Snapshot


@dataclass(slots=True)
class _Replicas:
    """The pods on one accelerator."""

    ready: list[Pod] = field(default_factory=list)
    starting: list[Pod] = field(default_factory=list)
    leaving: list[Pod] = field(default_factory=list)

    @property
    def at_once(self) -> int:
        """How many serve at a time: a successor begins when its predecessor has ended."""
        return len(self.ready) + max(len(self.starting), len(self.leaving))


def counted(
    desired: Mapping[str, int], deployed: Mapping[str, int], pods: Iterable[Pod], now: datetime
) -> Mapping[str, int]:
    """Between how many replicas of each accelerator a plan divides the rates.

    Args:
        desired: as placed, by accelerator.
        deployed: as the Deployments ask for now.
        pods: of the pool.
        now: of the snapshot.
    """
    there = _there(pods, now)
    return {
        name: max(count, deployed.get(name, 0), there[name].at_once)
        for name, count in desired.items()
    }


def allowed(snapshot: Snapshot, key: PoolKey, desired: Mapping[str, int]) -> Mapping[str, int]:
    """How many replicas the Deployments of a pool may ask for now: no more than desired.

    Fewer at once, more as far as every plan that somebody may still run counts them: not as far as
    the sum of shares leaves room, because a plan that counts fewer may follow at any time. To be
    asked when the plan that counts the desired ones is in force. All of them are allowed after
    `PATIENCE`. Where one leaves another one may come, and who is there stays: also while nobody
    knows what a Deployment asks for.
    """
    published, deployed = snapshot.published.get(key, ()), snapshot.replicas.get(key, {})
    latest = published[-1].plan if published else NOTHING_RECORDED
    shares = {name: latest.share(name) for name in desired}
    there = _there(snapshot.pods_of(key), snapshot.now)
    at_least = {name: max(deployed.get(name, 0), there[name].at_once) for name in desired}
    room = _smallest(snapshot, key, there)
    room -= sum((count * (shares[name] or 0) for name, count in at_least.items()), Fraction())
    granted = {}
    for name, count in desired.items():
        share = shares[name]
        more = max(0, min(count - at_least[name], room // share)) if share else 0
        room -= more * (share or 0)
        granted[name] = min(count, at_least[name] + more)
    return granted


def next_change(snapshot: Snapshot, key: PoolKey) -> datetime | None:
    """When `counted` or `allowed` changes by time alone."""
    leaving = (pod.gone_by for pod in snapshot.pods_of(key) if pod.terminating)
    times = [*edges(snapshot.published.get(key, ())), *(time for time in leaving if time)]
    return min((time for time in times if time > snapshot.now), default=None)


def _there(pods: Iterable[Pod], now: datetime) -> defaultdict[str, _Replicas]:
    found: defaultdict[str, _Replicas] = defaultdict(_Replicas)
    for pod in pods:
        if pod.finished or pod.accelerator is None:
            continue
        own = found[pod.accelerator]
        if not pod.terminating:
            (own.ready if pod.ready else own.starting).append(pod)
        elif pod.gone_by is None or now < pod.gone_by:
            # One that is there after its grace period is on a node that is lost.
            own.leaving.append(pod)
    return found


def _smallest(snapshot: Snapshot, key: PoolKey, there: Mapping[str, _Replicas]) -> Fraction:
    """What the plans count that somebody may run, at the least, as a part of what the latest does.

    0 if somebody may run one that is not known.
    """
    published = snapshot.published.get(key, ())
    smallest = Fraction(1)
    for name, pods in there.items():
        now = published[-1].plan.share(name) if published else None
        for pod in (*pods.ready, *pods.starting, *pods.leaving):
            for plan in _may_run(snapshot, key, pod):
                if plan is None:
                    return Fraction()
                then = plan.share(name)
                if now and then:
                    smallest = min(smallest, now / then)
    return smallest


def _may_run(snapshot: Snapshot, key: PoolKey, pod: Pod) -> Sequence[Recorded | None]:
    published, report = snapshot.published.get(key, ()), snapshot.reports.get(pod.uid)
    if pod.node is None and not pod.terminating:
        # It reads the plan when it starts. Once bound its kubelet may have mounted one already.
        return [one.plan for one in published[-1:]]
    known = report if report is not None and report.starts == pod.starts else None
    return may_run(known, published, snapshot.now)
