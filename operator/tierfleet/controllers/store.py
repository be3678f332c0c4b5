"""All that the operator knows of the cluster, and the snapshots that planning gets of it.

Holds caches, and what replicas reported (`reports`, by pool and the pod's uid), and joins them;
whatever changes in a cache is told to the edges. It must not decide anything, nor send a request
that is not a list or a watch.
"""

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any, Protocol

from tierfleet.api import CapacityReservation, InferencePool, Key, TierPolicy
from tierfleet.api.accelerator import Accelerator
from tierfleet.api.common import POLICY_LABEL
from tierfleet.controllers import child, own
from tierfleet.controllers.child import Child
from tierfleet.controllers.own import Own
from tierfleet.kube import project
from tierfleet.kube.cache import Cache
from tierfleet.kube.cluster import Watched
from tierfleet.kube.informers import Informer
from tierfleet.kube.resources import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    GATEWAY_POOLS,
    LEADER_WORKER_SETS,
    NODES,
    OPTIONAL,
    PODS,
    POLICIES,
    POOLS,
    REPLICAS,
    RESERVATIONS,
    SECRETS,
    SERVICES,
    Raw,
    ResourceType,
)
from tierfleet.kube.served import WhileServed
from tierfleet.manifests import labels, names
from tierfleet.plan.parts import INDEX
from tierfleet.planning import record, tenants
from tierfleet.planning.devices import products
from tierfleet.planning.measured import NOT_MEASURED, Measurement
from tierfleet.planning.published import NOTHING_RECORDED, Published, Recorded, Report, taken_in
from tierfleet.planning.snapshot import Node, Pod, Snapshot
from tierfleet.planning.tenancy import Tenancy, TenantSecret

CHILD_TYPES = (SECRETS, SERVICES, DISRUPTION_BUDGETS, GATEWAY_POOLS, *REPLICAS)


class Edges(Protocol):
    """Whom a change concerns; called after the cache has changed."""

    def pool(
        self, key: Key, old: Own[InferencePool] | None, new: Own[InferencePool] | None
    ) -> None:
        """A pool."""

    def policy(self, key: Key, old: Own[TierPolicy] | None, new: Own[TierPolicy] | None) -> None:
        """A policy."""

    def reservation(
        self,
        key: Key,
        old: Own[CapacityReservation] | None,
        new: Own[CapacityReservation] | None,
    ) -> None:
        """A reservation."""

    def tenant(self, key: Key, old: TenantSecret | None, new: TenantSecret | None) -> None:
        """A tenant's Secret."""

    def child(self, key: Key, old: Child | None, new: Child | None) -> None:
        """An object that we made."""

    def served(self, type_: ResourceType) -> None:
        """The cluster has come to know a type of child that is optional, or knows it no more."""

    def node(self, key: Key, old: Node | None, new: Node | None) -> None:
        """A node."""

    def pod(self, key: Key, old: Pod | None, new: Pod | None) -> None:
        """A replica of ours, or a pod that uses devices."""


def _now() -> datetime:
    return datetime.now(UTC)


class Store:
    """The caches."""

    def __init__(
        self,
        cluster: Watched,
        edges: Edges,
        namespaces: Collection[str] | None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """`namespaces` is where our kinds are served, None everywhere; nodes are shared by all.

        `measured` says what measuring knows of a pool: nothing, until somebody who measures puts
        himself there.
        """
        self.clock = clock
        self.measured: Callable[[Key], Measurement] = lambda _: NOT_MEASURED
        self._edges = edges
        self.pools = Cache(own.projection(InferencePool), edges.pool, own.pool_terms)
        self.policies = Cache(own.projection(TierPolicy), self._policy_changed)
        self.reservations = Cache(
            own.projection(CapacityReservation), edges.reservation, own.reservation_terms
        )
        self.own: dict[ResourceType, Cache[Any]] = {
            POOLS: self.pools,
            POLICIES: self.policies,
            RESERVATIONS: self.reservations,
        }
        self.tenants = Cache(project.tenant, self._tenant_changed, _tenant_terms)
        self.nodes = Cache(project.node, edges.node, _node_terms)
        self.pods = Cache(project.pod, edges.pod, _pod_terms)
        self._children = {
            type_: Informer(
                cluster,
                type_,
                Cache(child.projection(type_), self._child_changed, _child_terms),
                namespaces=namespaces,
                labels=labels.POOL,
            )
            for type_ in CHILD_TYPES
        }
        self._optional = {
            type_: WhileServed(cluster, type_, self._children[type_], partial(edges.served, type_))
            for type_ in OPTIONAL
        }
        self._informers: list[Informer[Any] | WhileServed] = [
            *(child for type_, child in self._children.items() if type_ not in OPTIONAL),
            *self._optional.values(),
            Informer(cluster, SECRETS, self.tenants, namespaces=namespaces, labels=POLICY_LABEL),
            # Nodes are shared with whoever else runs in the cluster, so their pods count as well.
            Informer(cluster, PODS, self.pods, fields=project.NOT_FINISHED),
            Informer(cluster, NODES, self.nodes),
        ]
        self.reports: dict[Key, Mapping[str, Report]] = {}
        self._published: dict[tuple[Key, str], tuple[Published, ...]] = {}
        self._tenancies: dict[Key, Tenancy] = {}
        self._numbers = itertools.count()

    async def run(self) -> None:
        """Follow the cluster for ever."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self._informers:
                tasks.create_task(informer.run())

    async def synced(self) -> None:
        """Return once everything but our own kinds has been listed."""
        for informer in self._informers:
            await informer.synced()

    def serves(self, type_: ResourceType) -> bool:
        """Whether the cluster knows that type of child."""
        return type_ not in self._optional or self._optional[type_].served

    def child(self, type_: ResourceType, key: Key) -> Child | None:
        """The object of ours of that key."""
        return self._children[type_].cache.get(key)

    def children_of(self, pool: Key) -> Iterator[Child]:
        """All objects that carry the pool's label."""
        for informer in self._children.values():
            yield from informer.cache.where(pool)

    def claimants(self, pool: InferencePool) -> Iterator[Child]:
        """What it owns that makes replicas, also what it does not want any more."""
        for type_ in REPLICAS:
            for found in self._children[type_].cache.where(pool.key):
                if found.owner == pool.metadata.uid:
                    yield found

    def observe(self, type_: ResourceType, raw: Raw) -> None:
        """Take in the answer to a write of a child."""
        self._children[type_].observe(raw)

    def forget(self, pool: Key) -> None:
        """The pool is gone for good, and with it what was recorded."""
        for about in [about for about in self._published if about[0] == pool]:
            del self._published[about]
        self.reports.pop(pool, None)

    def forget_gone(self) -> None:
        """Forget what was recorded of pools that are not there; nobody was told of their end."""
        there = {(key, own.object.metadata.uid) for key, own in self.pools.items()}
        for about in self._published.keys() - there:
            del self._published[about]

    def recorded_of(self, pool: Key) -> Recorded:
        """What the pool's plan in force says; an edited or deleted one counts as it was."""
        published = self.published_of(pool)
        return published[-1].plan if published else NOTHING_RECORDED

    def published_of(self, pool: Key) -> tuple[Published, ...]:
        """The plans that replicas of the pool may run, the one in force last.

        Of this pool: one that had its name before is another.
        """
        own = self.pools.get(pool)
        return self._published.get((pool, own.object.metadata.uid), ()) if own else ()

    def replicas_of(self, pool: InferencePool) -> Mapping[str, int]:
        """Replicas that Deployments and LeaderWorkerSets ask for, by accelerator of its spec."""
        namespace, name = pool.key
        found = (
            (a.name, self.child(_made_from(a), (namespace, names.replicas(name, a.name))))
            for a in pool.spec.accelerators
        )
        return {
            accelerator: child.replicas
            for accelerator, child in found
            if child and child.owner == pool.metadata.uid
        }

    def of_pool(self, pool: InferencePool) -> Snapshot:
        """What its own plan and status are made of."""
        return self._snapshot([pool], pods=self._pods_of(pool.key))

    def of_policy(self, policy: TierPolicy) -> Snapshot:
        """What its status is made of."""
        pools = self.pools.where(("policy", policy.key))
        return self._snapshot([own.object for own in pools], policies=[policy])

    def of_reservation(self, reservation: CapacityReservation) -> Snapshot:
        """What its status is made of, beside the plan of its pool."""
        return Snapshot(now=self.clock(), reservations={reservation.key: reservation})

    def of_group(self, pools: Collection[InferencePool]) -> Snapshot:
        """What the devices of a group of pools are granted from."""
        wanted = {product for pool in pools for product in products(pool)}
        nodes = {node.name: node for product in wanted for node in self.nodes.where(product)}
        there = (self.pods.where(("node", name)) for name in nodes)
        ours = (self._pods_of(pool.key) for pool in pools)
        pods = {pod.uid: pod for pod in chain.from_iterable(chain(there, ours))}
        # Also nodes that have lost the label: what runs there stays.
        for pod in pods.values():
            if pod.node is not None and (node := self.nodes.get(("", pod.node))) is not None:
                nodes[pod.node] = node
        return self._snapshot(pools, pods=pods.values(), nodes=nodes.values())

    def _pods_of(self, pool: Key) -> list[Pod]:
        """Its replicas, and what works for them on other nodes."""
        return [*self.pods.where(("pool", pool)), *self.pods.where(("worker", pool))]

    def _snapshot(
        self,
        pools: Collection[InferencePool],
        *,
        policies: Iterable[TierPolicy] = (),
        pods: Iterable[Pod] = (),
        nodes: Iterable[Node] = (),
    ) -> Snapshot:
        used = {policy.key: policy for policy in policies}
        for pool in pools:
            key = (pool.key[0], pool.spec.policy_ref.name)
            if (policy := self.policies.get(key)) is not None:
                used[key] = policy.object
        reservations = [
            own.object for pool in pools for own in self.reservations.where(("pool", pool.key))
        ]
        return Snapshot(
            now=self.clock(),
            pools={pool.key: pool for pool in pools},
            policies=used,
            reservations={reservation.key: reservation for reservation in reservations},
            tenancies={key: self._tenancy(policy) for key, policy in used.items()},
            nodes={node.name: node for node in nodes},
            pods=tuple(pods),
            recorded={pool.key: self.recorded_of(pool.key) for pool in pools},
            replicas={pool.key: self.replicas_of(pool) for pool in pools},
            published={pool.key: self.published_of(pool.key) for pool in pools},
            reports={
                uid: report
                for pool in pools
                for uid, report in self.reports.get(pool.key, {}).items()
            },
            measured={pool.key: self.measured(pool.key) for pool in pools},
            leader_worker_sets=self.serves(LEADER_WORKER_SETS),
        )

    def _tenancy(self, policy: TierPolicy) -> Tenancy:
        """The tenants of the policy: put together once, for all of its pools."""
        found = self._tenancies.get(policy.key)
        if found is None:
            found = tenants.put_together(self.tenants.where(policy.key), policy)
            self._tenancies[policy.key] = found
        return found

    def _policy_changed(
        self, key: Key, old: Own[TierPolicy] | None, new: Own[TierPolicy] | None
    ) -> None:
        self._tenancies.pop(key, None)
        self._edges.policy(key, old, new)

    def _tenant_changed(self, key: Key, old: TenantSecret | None, new: TenantSecret | None) -> None:
        for secret in (old, new):
            if secret is not None:
                self._tenancies.pop((secret.namespace, secret.policy), None)
        self._edges.tenant(key, old, new)

    def _child_changed(self, key: Key, old: Child | None, new: Child | None) -> None:
        if new is not None and new.key[1] == names.plan_index(new.pool[1]) and _intact(new):
            about = (new.pool, new.owner)
            self._published[about] = taken_in(
                self._published.get(about, ()),
                record.read(new.data.get(INDEX, b"")),
                next(self._numbers),
                self.clock(),
            )
        self._edges.child(key, old, new)


def _made_from(accelerator: Accelerator) -> ResourceType:
    return DEPLOYMENTS if accelerator.nodes_per_replica == 1 else LEADER_WORKER_SETS


def _intact(index: Child) -> bool:
    """True while the document is the one that we applied: nobody else has written it since."""
    return f"f:{INDEX}" in index.fields.get("f:data", {})


def _child_terms(found: Child) -> Iterator[Key]:
    yield found.pool


def _tenant_terms(secret: TenantSecret) -> Iterator[Key]:
    yield (secret.namespace, secret.policy)


def _node_terms(node: Node) -> Iterable[tuple[str, str]]:
    """Its labels, one of which is the product that it carries."""
    return node.labels.items()


def _pod_terms(pod: Pod) -> Iterator[tuple[str, object]]:
    if pod.pool is not None:
        yield ("pool", pod.pool)
    if pod.worker_of is not None:
        yield ("worker", pod.worker_of)
    if pod.node is not None:
        yield ("node", pod.node)
