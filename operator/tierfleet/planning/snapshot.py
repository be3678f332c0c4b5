"""What planning knows about the world at one moment: typed, immutable, only the fields it uses.

A snapshot may hold the whole cluster or a part of it, as long as every group of pools that share
products (`devices.device_groups`) is whole, with its nodes and the pods on them. It must not know
where the facts come from: decoding objects is the shell's work.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeVar

from tierfleet.api import CapacityReservation, InferencePool, Key, TierPolicy
from tierfleet.planning.measured import AS_REMEMBERED, Measurement
from tierfleet.planning.published import NOTHING_RECORDED, Published, Recorded, Report
from tierfleet.planning.tenancy import Tenancy, TenantSecret

PoolKey = Key
"""Namespace and name of an InferencePool."""

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of a node; `effect` as in core/v1."""

    key: str
    effect: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A node that may carry accelerators.

    Attributes:
        ready: condition Ready is True.
        schedulable: not cordoned (`spec.unschedulable`).
        allocatable: devices by extended resource name; CPU and memory are left out.
    """

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    ready: bool = True
    schedulable: bool = True
    allocatable: Mapping[str, int] = field(default_factory=dict)


class Fault(StrEnum):
    """What keeps a container from running."""

    IMAGE = "Image"
    CONFIGURATION = "Configuration"
    CRASH = "Crash"


class Trouble(NamedTuple):
    """Why a container does not run, as the kubelet says.

    Attributes:
        container: its name.
        detail: the image, what is missing, or the exit status.
    """

    fault: Fault
    container: str
    detail: str


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of ours, or any other that uses devices.

    Attributes:
        node: where it is bound, None while it is not.
        pool: the pool whose replica it is (label `tierfleet.dev/pool`), None if it is not ours. A
            replica of several nodes is its leader.
        worker_of: the pool that it works for on one of the other nodes of a replica (label
            `tierfleet.dev/worker-of`). It serves nobody and is no replica, but it holds devices.
        accelerator: the accelerator in that pool (label `tierfleet.dev/accelerator`).
        requests: devices by extended resource name, as the scheduler counts them.
        terminating: it has a deletion timestamp; it holds its devices until it is gone.
        trouble: why one of its containers does not run; None if nothing is wrong.
        gone_by: that timestamp: when its grace period ends.
        deletion_cost: what Kubernetes goes by when a Deployment shrinks; 0 if nobody has set it.
        finished: phase Succeeded or Failed; it holds no devices.
        unschedulable: the scheduler found no node for it (PodScheduled False, Unschedulable).
        message: what the scheduler said about that.
        address: its IP address, empty until it has one.
        admin_port: of its sidecar.
        starts: how often its sidecar has been started again.
    """

    namespace: str
    name: str
    uid: str
    node: str | None = None
    pool: PoolKey | None = None
    accelerator: str | None = None
    requests: Mapping[str, int] = field(default_factory=dict)
    ready: bool = False
    terminating: bool = False
    finished: bool = False
    unschedulable: bool = False
    message: str = ""
    address: str = ""
    admin_port: int = 0
    starts: int = 0
    trouble: Trouble | None = None
    gone_by: datetime | None = None
    deletion_cost: int = 0
    worker_of: PoolKey | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The facts at `now` (a time with a zone).

    Attributes:
        tenancies: of policies whose Secrets have been put together before (`tenants.of`).
        tenants: the Secrets of other policies.
        leader_worker_sets: whether the cluster knows what replicas of several nodes are made of.
        replicas: wanted replicas of the pool's Deployments as they are, by accelerator.
        published: the plans that replicas of the pool may run, the one in force last.
        reports: what each replica said last, by the pod's uid.
        measured: what measuring says of each pool; left out, what the plan remembers is in force.
    """

    now: datetime
    pools: Mapping[PoolKey, InferencePool] = field(default_factory=dict)
    policies: Mapping[Key, TierPolicy] = field(default_factory=dict)
    reservations: Mapping[Key, CapacityReservation] = field(default_factory=dict)
    tenancies: Mapping[Key, Tenancy] = field(default_factory=dict)
    tenants: tuple[TenantSecret, ...] = ()
    nodes: Mapping[str, Node] = field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    recorded: Mapping[PoolKey, Recorded] = field(default_factory=dict)
    replicas: Mapping[PoolKey, Mapping[str, int]] = field(default_factory=dict)
    published: Mapping[PoolKey, tuple[Published, ...]] = field(default_factory=dict)
    reports: Mapping[str, Report] = field(default_factory=dict)
    measured: Mapping[PoolKey, Measurement] = field(default_factory=dict)
    leader_worker_sets: bool = False

    _pods_by_node: Mapping[str, list[Pod]] = field(init=False, repr=False, compare=False)
    _pods_by_pool: Mapping[PoolKey, list[Pod]] = field(init=False, repr=False, compare=False)
    _workers_by_pool: Mapping[PoolKey, list[Pod]] = field(init=False, repr=False, compare=False)
    _pools_by_policy: Mapping[Key, list[InferencePool]] = field(
        init=False, repr=False, compare=False
    )
    _reservations_by_pool: Mapping[PoolKey, list[CapacityReservation]] = field(
        init=False, repr=False, compare=False
    )
    _tenants_by_policy: Mapping[Key, list[TenantSecret]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        indexes = {
            "_pods_by_node": _grouped(self.pods, lambda pod: pod.node),
            "_pods_by_pool": _grouped(self.pods, lambda pod: pod.pool),
            "_workers_by_pool": _grouped(self.pods, lambda pod: pod.worker_of),
            "_pools_by_policy": _grouped(
                self.pools.values(), lambda pool: (pool.key[0], pool.spec.policy_ref.name)
            ),
            "_reservations_by_pool": _grouped(
                self.reservations.values(), lambda r: (r.key[0], r.spec.pool_ref.name)
            ),
            "_tenants_by_policy": _grouped(self.tenants, lambda s: (s.namespace, s.policy)),
        }
        for name, index in indexes.items():
            object.__setattr__(self, name, index)

    def pods_on(self, node: str) -> Iterable[Pod]:
        """Pods bound to the node, finished ones too."""
        return self._pods_by_node.get(node, ())

    def pods_of(self, pool: PoolKey) -> Iterable[Pod]:
        """Pods that are replicas of the pool, finished ones too."""
        return self._pods_by_pool.get(pool, ())

    def workers_of(self, pool: PoolKey) -> Iterable[Pod]:
        """Pods of replicas of several nodes that are not their leaders, finished ones too."""
        return self._workers_by_pool.get(pool, ())

    def pools_of(self, policy: Key) -> Iterable[InferencePool]:
        """Pools that name the policy, in no order."""
        return self._pools_by_policy.get(policy, ())

    def reservations_of(self, pool: PoolKey) -> Iterable[CapacityReservation]:
        """Reservations that name the pool, in no order."""
        return self._reservations_by_pool.get(pool, ())

    def tenants_of(self, policy: Key) -> Iterable[TenantSecret]:
        """Secrets that name the policy, in no order."""
        return self._tenants_by_policy.get(policy, ())

    def recorded_of(self, pool: PoolKey) -> Recorded:
        """What the pool's plan in force says; nothing if it has none."""
        return self.recorded.get(pool, NOTHING_RECORDED)

    def measured_of(self, pool: PoolKey) -> Measurement:
        """What measuring says of the pool."""
        return self.measured.get(pool, AS_REMEMBERED)


def _grouped(items: Iterable[_V], key: Callable[[_V], _K | None]) -> Mapping[_K, list[_V]]:
    groups: dict[_K, list[_V]] = defaultdict(list)
    for item in items:
        name = key(item)
        if name is not None:
            groups[name].append(item)
    return dict(groups)
