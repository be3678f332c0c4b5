"""The operator without a shell: caches, controllers, and what connects them.

Knows nothing of kopf, signals or the command line, so it runs against any `Cluster`.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from tierfleet.api import CapacityReservation, InferencePool, Key, TierPolicy
from tierfleet.api.common import Resource
from tierfleet.api.inferencepool import GatewayMode
from tierfleet.controllers import metrics
from tierfleet.controllers.apply import Applier
from tierfleet.controllers.child import Child
from tierfleet.controllers.deletion_costs import DeletionCosts
from tierfleet.controllers.devices import MOVE_AFTER, Devices
from tierfleet.controllers.events import Events
from tierfleet.controllers.measuring import Measuring
from tierfleet.controllers.own import Own
from tierfleet.controllers.policy import Policies
from tierfleet.controllers.pool import Pools
from tierfleet.controllers.prometheus import Prometheus, Settings
from tierfleet.controllers.replicas import Asks
from tierfleet.controllers.reports import Reports
from tierfleet.controllers.reservation import Reservations
from tierfleet.controllers.status import StatusWriter
from tierfleet.controllers.store import Store
from tierfleet.controllers.tokens import TokenKeeper
from tierfleet.controllers.worker import Controller
from tierfleet.kube.cluster import Cluster
from tierfleet.kube.resources import (
    GATEWAY_POOLS,
    LEADER_WORKER_SETS,
    REPLICAS,
    SECRETS,
    ResourceType,
)
from tierfleet.plan.parts import INDEX
from tierfleet.planning.devices import Product, products
from tierfleet.planning.snapshot import Node, Pod
from tierfleet.planning.tenancy import TenantSecret

RESYNC_SECONDS = 600.0
"""Everything is looked at again this often, in case an edge is missing. It costs no request."""

_WORKERS = 4
"""Of each controller but devices. They wait for the API server most of their time."""

_ASKING = 16
"""Pools whose replicas are asked at a time: one that does not answer takes seconds."""

T = TypeVar("T", bound=Resource)
P = ParamSpec("P")


def _edge(
    told: Callable[Concatenate["Operator", P], None],
) -> Callable[Concatenate["Operator", P], None]:
    """Only one that leads has to know whom a change concerns: it begins by looking at all."""

    @wraps(told)
    def tell(self: "Operator", /, *args: P.args, **kwargs: P.kwargs) -> None:
        metrics.noticed()
        if self.leads:
            told(self, *args, **kwargs)

    return tell


class Operator:
    """All controllers over one store. Its methods named after a kind are the store's edges.

    Which change concerns which key is decided here and nowhere else:

        policy         its own status, the pools that name it, and their devices
        tenant Secret  its policy's status, the pools that name the policy
        reservation    its own status, its pool's plan, its pool's devices (precedence)
        pool           itself, its devices, its policy's status, its reservations
        optional kind  the pools that have a child of it; devices too, if it makes replicas
        child          its pool; devices too, if it makes replicas or is the plan's record
        node, pod      the devices of the groups that may use the node; its own pool
        pool, child,
        pod            what the pool's replicas report
        measurement    its pool, and the pool's devices (precedence)

    A key too many costs a pass without a request; a key too few is a fault.

    Attributes:
        leads: it acts; until then the caches are kept, and nobody is told of changes.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespaces: Collection[str] | None,
        instance: str,
        asks: Asks,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        move_after: timedelta = MOVE_AFTER,
        prometheus: Settings | None = None,
    ) -> None:
        """`namespaces` None serves all of them; `instance` tells this process from others.

        `asks` is who asks the replicas. `move_after` is how long there must be room where
        replicas are preferred before they move. Without `prometheus` nothing is measured.
        """
        self.leads = False
        self._groups = Controller[Key]("devices")
        self._pools = Controller[Key]("inferencepool")
        self._policies = Controller[Key]("tierpolicy")
        self._reservations = Controller[Key]("capacityreservation")
        self._reports = Controller[Key]("reports")
        self.store = Store(cluster, self, namespaces, clock)
        self._measuring = self._measured_by(prometheus) if prometheus is not None else None
        events = Events(cluster, instance)
        self._statuses = StatusWriter(cluster, self.store, events)
        self._applier = Applier(cluster, self.store, events)
        self._devices = Devices(self.store, self._pools.add, move_after)
        tokens = TokenKeeper(cluster, self.store)
        self._reconciles_reports = Reports(self.store, tokens, asks, wake=self._pools.add)
        self._reconciles_pools = Pools(
            self.store,
            self._devices,
            tokens,
            self._applier,
            DeletionCosts(cluster, self.store, tokens, asks),
            self._statuses,
            wake_reservation=self._reservations.add,
        )

    async def follow(self) -> None:
        """Keep the caches equal to the cluster, for ever. Writes nothing."""
        await self.store.run()

    async def lead(self) -> None:
        """Make the cluster as it should be, for ever; once the caches are complete."""
        self.leads = True
        self.store.forget_gone()
        pools = self._reconciles_pools
        policies = Policies(self.store, self._statuses)
        reservations = Reservations(self.store, pools, self._statuses)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._groups.run(self._devices.reconcile))
            tasks.create_task(self._pools.run(pools.reconcile, _WORKERS))
            tasks.create_task(self._policies.run(policies.reconcile, _WORKERS))
            tasks.create_task(self._reservations.run(reservations.reconcile, _WORKERS))
            tasks.create_task(self._reports.run(self._reconciles_reports.reconcile, _ASKING))
            tasks.create_task(self._resync())
            if self._measuring is not None:
                tasks.create_task(self._measuring.run())

    def _measured_by(self, prometheus: Settings) -> Measuring:
        source = Prometheus(prometheus)
        measuring = Measuring(self.store, source, prometheus.interval, self._measured)
        self.store.measured = measuring.of
        return measuring

    def _measured(self, pool: Key) -> None:
        """Something new was measured: what it can promise, and whose turn it is, may change."""
        self._pools.add(pool)
        self._grant({self._devices.group(pool)})

    async def _resync(self) -> None:
        self._add_all(0.0)
        while True:
            self._add_all(RESYNC_SECONDS)
            await asyncio.sleep(RESYNC_SECONDS)

    def _add_all(self, within: float) -> None:
        """Have everything looked at, at a random time within that many seconds."""
        store = self.store
        pools = {key for key, _ in store.pools.items()}
        for controller, keys in (
            (self._groups, {min(self._devices.members(key)) for key in pools}),
            (self._pools, pools),
            (self._reports, pools),
            (self._policies, {key for key, _ in store.policies.items()}),
            (self._reservations, {key for key, _ in store.reservations.items()}),
        ):
            for key in keys:
                delay = random.uniform(0, within)  # noqa: S311 - a jitter
                controller.add_after(key, delay)

    @_edge
    def pool(
        self, key: Key, old: Own[InferencePool] | None, new: Own[InferencePool] | None
    ) -> None:
        """A pool has changed."""
        self._pools.add(key)
        self._reports.add(key)
        if _same_spec(old, new):
            return
        touched = self._devices.members(key) | {key}
        if _uid(old) != _uid(new):
            self._devices.forget(key)
        if _products(old) != _products(new):
            self._devices.regroup()
        self._grant({self._devices.group(pool) for pool in touched})
        for own in (old, new):
            if own is not None:
                self._policies.add((key[0], own.object.spec.policy_ref.name))
        for reservation in self.store.reservations.where(("pool", key)):
            self._reservations.add(reservation.object.key)

    @_edge
    def policy(self, key: Key, old: Own[TierPolicy] | None, new: Own[TierPolicy] | None) -> None:
        """A policy has changed."""
        self._policies.add(key)
        if not _same_spec(old, new):
            for own in self.store.pools.where(("policy", key)):
                self._pools.add(own.object.key)
                self._grant({self._devices.group(own.object.key)})

    @_edge
    def reservation(
        self,
        key: Key,
        old: Own[CapacityReservation] | None,
        new: Own[CapacityReservation] | None,
    ) -> None:
        """A reservation has changed."""
        self._reservations.add(key)
        if _same_spec(old, new):
            return
        for own in (old, new):
            if own is not None:
                pool = (key[0], own.object.spec.pool_ref.name)
                self._pools.add(pool)
                self._grant({self._devices.group(pool)})

    @_edge
    def tenant(self, key: Key, old: TenantSecret | None, new: TenantSecret | None) -> None:
        """A tenant's Secret has changed."""
        for secret in (old, new):
            if secret is not None:
                policy = (key[0], secret.policy)
                self._policies.add(policy)
                for own in self.store.pools.where(("policy", policy)):
                    self._pools.add(own.object.key)

    @_edge
    def child(self, key: Key, old: Child | None, new: Child | None) -> None:  # noqa: ARG002
        """An object that we made has changed."""
        if old is not None and new is None:
            self._applier.lost(old)
        for found in (old, new):
            if found is not None:
                self._pools.add(found.pool)
                self._reports.add(found.pool)
        if _of_devices(old) != _of_devices(new):
            told = [found for found in (old, new) if found is not None]
            touched = {found.pool for found in told}
            if any(self._devices.strays(found) for found in told):
                touched = touched.union(*(self._devices.members(pool) for pool in touched))
                self._devices.regroup()
            self._grant({self._devices.group(pool) for pool in touched})

    @_edge
    def served(self, type_: ResourceType) -> None:
        """A kind that the cluster need not know has come or gone."""
        for key, own in self.store.pools.items():
            if (
                type_ == GATEWAY_POOLS
                and own.object.spec.gateway.inference_pool is GatewayMode.EMIT
            ):
                self._pools.add(key)
            if type_ == LEADER_WORKER_SETS and own.object.spec.on_several_nodes:
                self._pools.add(key)
                self._grant({self._devices.group(key)})

    @_edge
    def node(self, key: Key, old: Node | None, new: Node | None) -> None:  # noqa: ARG002
        """A node has changed."""
        for node in (old, new):
            if node is not None:
                self._grant(self._devices.groups_on(node))

    @_edge
    def pod(self, key: Key, old: Pod | None, new: Pod | None) -> None:  # noqa: ARG002
        """A replica of ours has changed, or a pod that uses devices."""
        for pod in (old, new):
            if pod is None:
                continue
            pool = pod.pool or pod.worker_of
            if pool is not None:
                self._pools.add(pool)
                self._reports.add(pool)
                self._grant({self._devices.group(pool)})
            node = self.store.nodes.get(("", pod.node)) if pod.node is not None else None
            if node is not None:
                self._grant(self._devices.groups_on(node))

    def _grant(self, groups: Iterable[Key | None]) -> None:
        for group in groups:
            if group is not None:
                self._groups.add(group)


def _same_spec(old: Own[Any] | None, new: Own[Any] | None) -> bool:
    """True if only the status, or what is written about the status, differs."""
    if old is None or new is None:
        return False
    before, after = old.object.metadata, new.object.metadata
    return (before.uid, before.generation, before.deletion_timestamp) == (
        after.uid,
        after.generation,
        after.deletion_timestamp,
    )


def _uid(own: Own[Any] | None) -> str | None:
    """Which object of its name it is."""
    return None if own is None else own.object.metadata.uid


def _products(own: Own[InferencePool] | None) -> set[Product]:
    """What a pool may run on, which tells its group."""
    return set() if own is None else products(own.object)


def _of_devices(found: Child | None) -> tuple[object, ...]:
    """What of a child the device grant goes by: replicas, and the record of promises."""
    if found is None or found.type not in {*REPLICAS, SECRETS}:
        return ()
    asked = found.claim if found.replicas else None
    return tuple(part for part in (asked, found.data.get(INDEX)) if part)
