"""A pool that is scaled, step by step: who runs which plan, and what the operator knows of it.

The steps may come in any order. Kubernetes is taken at its word in two things: a kubelet brings a
plan within `PATIENCE` of the next one, and a pod is gone when its grace period is over. And where a
pod leaves while another one starts, as in a rollout, the second is not ready before the first has
ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from tests.unit.planning.world import NAMESPACE, NOW
from tierfleet import plan
from tierfleet.planning import shares
from tierfleet.planning.published import PATIENCE, Published, Recorded, Report, taken_in
from tierfleet.planning.snapshot import Pod, Snapshot

KEY = (NAMESPACE, "pool")
GRACE = timedelta(seconds=330)


@dataclass
class Replica:
    """A pod.

    Attributes:
        runs: which of the plans (`Scaling.plans`), None before it has started.
        serves: it is ready, or leaves and was. One that leaves goes on for a while.
        lost: its node is gone, so nobody takes it away.
    """

    pod: Pod
    runs: int | None = None
    serves: bool = False
    lost: bool = False


class Scaling:
    """Accelerators by their rate; the operator's memory is `published` and `reports`."""

    def __init__(self, rates: Mapping[str, int]) -> None:
        self.rates = rates
        self.now: datetime = NOW
        self.desired = dict.fromkeys(rates, 0)
        self.deployed = dict.fromkeys(rates, 0)
        self.replicas: dict[str, Replica] = {}
        self.plans: list[tuple[Recorded, datetime]] = []
        self.published: tuple[Published, ...] = ()
        self.reports: dict[str, Report] = {}
        self._made = 0
        self._limits = 0

    # What the operator does

    def snapshot(self) -> Snapshot:
        return Snapshot(
            now=self.now,
            pods=tuple(one.pod for one in self.replicas.values()),
            replicas={KEY: dict(self.deployed)},
            published={KEY: self.published},
            reports=self.reports,
        )

    def reconcile(self) -> None:
        """Write the plan, then the Deployments."""
        self.publish()
        self.deploy()

    def publish(self) -> None:
        known = self.snapshot()
        counted = shares.counted(self.desired, self.deployed, known.pods_of(KEY), self.now)
        groups = tuple(
            plan.Group(name=name, accelerator=name, desired=n, service_tokens_per_second=rate)
            for (name, rate), n in zip(self.rates.items(), counted.values(), strict=True)
        )
        version = f"{self._limits}: {counted}"
        if not self.plans or self.plans[-1][0].version != version:
            recorded = Recorded(version, groups=groups)
            self.plans.append((recorded, self.now))
            self.published = taken_in(self.published, recorded, len(self.plans), self.now)

    def deploy(self) -> None:
        self.deployed = dict(shares.allowed(self.snapshot(), KEY, self.desired))

    def restart(self) -> None:
        """The operator forgets everything but what is in the cluster."""
        self.reports = {}
        self.published = ()
        if self.plans:
            self.published = taken_in((), self.plans[-1][0], len(self.plans), self.now)

    def ask(self, name: str) -> None:
        one = self.replicas[name]
        if one.runs is not None and self.published and not one.pod.terminating:
            version = self.plans[one.runs][0].version
            number = self.published[-1].number
            self.reports[name] = Report(number, one.pod.starts, self.now, version)

    # What people do

    def scale(self, name: str, count: int) -> None:
        self.desired[name] = count

    def limit(self) -> None:
        """A plan that divides the rates as before, and says something else."""
        self._limits += 1

    # What Kubernetes does

    def sync(self, surplus: str = "") -> None:
        """Make and delete pods as the Deployments ask, those that are not ready first."""
        for name, wanted in self.deployed.items():
            live = [one for one in self._on(name) if not one.pod.terminating]
            live.sort(key=lambda one: (one.pod.ready, one.pod.name != surplus))
            for one in live[: max(0, len(live) - wanted)]:
                self.leave(one.pod.name)
            for _ in range(wanted - len(live)):
                self._add(name)

    def evict(self, name: str) -> None:
        """A drain takes a pod; the Deployment makes another one."""
        if not self.replicas[name].pod.terminating:
            self.leave(name)
            self.sync()

    def lose(self, name: str) -> None:
        """Its node is gone for good, and it is deleted for that."""
        self.evict(name)
        self.replicas[name].lost = True
        self.replicas[name].serves = False

    def leave(self, name: str) -> None:
        one = self.replicas[name]
        # It drains, so it is not ready any more.
        gone_by = self.now + GRACE
        one.pod = replace(one.pod, ready=False, terminating=True, gone_by=gone_by)

    def start(self, name: str) -> None:
        one = self.replicas[name]
        if one.runs is None and self.plans and not one.pod.terminating:
            # What is mounted is read at some time after that, when it has an address.
            one.runs = len(self.plans) - 1
            one.pod = replace(one.pod, node="gpu-0")

    def become_ready(self, name: str) -> None:
        one = self.replicas[name]
        others = [other.pod for other in self._on(one.pod.accelerator)]
        leaving = sum(pod.gone_by is not None and self.now < pod.gone_by for pod in others)
        starting = sum(not pod.terminating and not pod.ready for pod in others)
        if one.runs is not None and not one.pod.terminating and starting > leaving:
            one.pod = replace(one.pod, address="10.0.0.1", ready=True)
            one.serves = True

    def crash(self, name: str) -> None:
        """The sidecar is started again, with what is on its disk."""
        one = self.replicas[name]
        one.pod = replace(one.pod, ready=False, starts=one.pod.starts + 1)
        one.serves = False

    def read(self, name: str) -> None:
        """The kubelet brings the plan in force."""
        if self.replicas[name].runs is not None:
            self.replicas[name].runs = len(self.plans) - 1

    def end(self, name: str) -> None:
        one = self.replicas[name]
        if one.pod.terminating and not one.lost:
            del self.replicas[name]

    def wait(self, seconds: int) -> None:
        """Time passes: the kubelets have brought what is due, and grace periods end."""
        self.now += timedelta(seconds=seconds)
        for name, one in list(self.replicas.items()):
            if one.pod.gone_by is not None and one.pod.gone_by <= self.now:
                self.end(name)
            elif one.runs is not None and one.runs + 1 < len(self.plans):
                superseded = self.plans[one.runs + 1][1]
                if superseded + PATIENCE <= self.now:
                    self.read(name)

    # What is looked at

    def in_force(self) -> Fraction:
        """The sum of the shares of all that serve."""
        total = Fraction()
        for one in self.replicas.values():
            if one.runs is not None and one.serves:
                share = self.plans[one.runs][0].share(one.pod.accelerator or "")
                assert share is not None
                total += share
        return total

    def settled(self) -> bool:
        (recorded, _) = self.plans[-1]
        counted = {group.name: group.desired for group in recorded.groups}
        return self.deployed == self.desired == counted

    def _on(self, accelerator: str | None) -> list[Replica]:
        return [one for one in self.replicas.values() if one.pod.accelerator == accelerator]

    def _add(self, accelerator: str) -> None:
        self._made += 1
        name = f"{accelerator}-{self._made}"
        pod = Pod(NAMESPACE, name, name, pool=KEY, accelerator=accelerator)
        self.replicas[name] = Replica(pod)
