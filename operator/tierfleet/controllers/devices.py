"""The one place that grants devices: serialized, for a whole group of pools at once.

Two pools that want the same devices are planned together, never side by side from two snapshots.
A grant is an intention until a Deployment says so, and until then older intentions hold as well: so
a pool may take over what another one gives up only when that has been written (`ceiling`), also if
it was given up by a name that the other one's spec does not have any more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

from tierfleet.api import InferencePool, Key
from tierfleet.controllers.child import Child, Claim
from tierfleet.controllers.claims import Claims, Written
from tierfleet.controllers.store import Store
from tierfleet.controllers.worker import DONE, RequeueAfter, Result, at_next
from tierfleet.planning import ahead
from tierfleet.planning.devices import Product, device_groups, grant, products_of
from tierfleet.planning.placement import Placement
from tierfleet.planning.snapshot import Node

MOVE_AFTER = timedelta(minutes=5)
"""As long as Kubernetes waits by default before it gives up the pods of a node that is not ready:
what may be over by then moves nothing."""


class Grant(NamedTuple):
    """What a pool got, and the pool that asked: its uid and generation then."""

    uid: str
    generation: int
    placement: Placement


class Devices:
    """The grants in force, and the reconcile that makes them."""

    def __init__(
        self,
        store: Store,
        wake: Callable[[Key], None],
        move_after: timedelta = MOVE_AFTER,
    ) -> None:
        """`wake` is called with each pool whose grant, or whose ceiling, may have changed.

        A pool's replicas move to an accelerator that they prefer once there has been room for
        `move_after`.
        """
        self.claims = Claims(store)
        self._store = store
        self._wake = wake
        self._move_after = move_after
        self._movable: dict[Key, datetime] = {}
        self._granted: dict[Key, Grant] = {}
        self._waiting: set[Key] = set()
        self._group_of: dict[Key, frozenset[Key]] | None = None

    def granted(self, pool: InferencePool) -> Placement | None:
        """The placement of the pool as it is now; None until it has been granted one."""
        found = self._granted.get(pool.key)
        if found is None or found[:2] != (pool.metadata.uid, pool.metadata.generation):
            return None
        return found.placement

    def forget(self, pool: Key) -> None:
        """The pool is gone, or another one has its name: it is granted anew, and counts anew.

        What is being written for it counts until that is done (`writing`).
        """
        self.claims.forget(pool)
        self._granted.pop(pool, None)
        self._waiting.discard(pool)
        self._movable.pop(pool, None)

    def regroup(self) -> None:
        """A pool came, went, or wants or asks for other products."""
        self._group_of = None

    def strays(self, found: Child) -> bool:
        """True for a child that asks for devices that its pool does not want any more."""
        own, claim = self._store.pools.get(found.pool), found.claim
        if own is None or claim is None:
            return False
        return products_of(own.object).get(claim.accelerator) != claim.products

    def members(self, pool: Key) -> frozenset[Key]:
        """The pools that share products with this one, itself too; none if there is no such."""
        return self._groups().get(pool, frozenset())

    def group(self, pool: Key) -> Key | None:
        """What the group of the pool is called; None if there is no such pool."""
        return min(self.members(pool), default=None)

    def groups_on(self, node: Node) -> set[Key]:
        """The groups that have pools which may run on the node: a node makes them one."""
        pools = {
            own.object.key
            for label in node.labels.items()
            for own in self._store.pools.where(("product", *label))
        }
        groups = {group for pool in pools if (group := self.group(pool)) is not None}
        if len(groups) > 1:
            self.regroup()
            groups = {group for pool in pools if (group := self.group(pool)) is not None}
        return groups

    async def reconcile(self, group: Key) -> Result:
        """Grant devices to the group of that name."""
        keys = self.members(group)
        pools = [own.object for key in sorted(keys) if (own := self._store.pools.get(key))]
        if not pools:
            return DONE
        snapshot = self._store.of_group(pools)
        now = snapshot.now
        settled = {key for key, since in self._since(keys) if now - since >= self._move_after}
        for key, placement in grant(snapshot, keys, settled).items():
            if placement.movable:
                self._movable.setdefault(key, now)
            else:
                self._movable.pop(key, None)
            metadata = snapshot.pools[key].metadata
            granted = Grant(metadata.uid, metadata.generation, placement)
            if self._granted.get(key) != granted:
                self._granted[key] = granted
                self._wake(key)
        self._wake_waiting(keys)
        # Precedence between pools, and what scaling asks for, follow promises that come and end.
        edges = (edge for pool in pools for edge in ahead.changes(snapshot, pool))
        waiting = [since + self._move_after for key, since in self._since(keys - settled)]
        if waiting and min(waiting) <= now:
            return RequeueAfter(0.0)
        return at_next(chain(edges, waiting), now)

    @contextmanager
    def writing(self, pool: InferencePool, placement: Placement) -> Iterator[None]:
        """While a placement is being written it holds, even if another one has been granted."""
        try:
            with self.claims.writing(pool, placement):
                yield
        finally:
            if self.granted(pool) != placement:
                # It may have held others up, and there may be no Deployment that tells of its end.
                self._wake_waiting(self.members(pool.key))

    def answered(self, pool: Key, written: Written) -> None:
        """It is known what has become of a write of that child."""
        self.claims.answered(pool, written)
        self._wake_waiting(self.members(pool))
        self.regroup()

    def ceiling(self, pool: InferencePool, accelerator: str) -> int | None:
        """The most replicas to ask for now; None if the grant can be taken as it is."""
        if self.holder(pool, accelerator) is None:
            return None
        return self._store.replicas_of(pool).get(accelerator, 0)

    def holder(self, pool: InferencePool, accelerator: str) -> Key | None:
        """The pool, the first by key, that must give up devices before this one may grow there.

        None if it may grow. As long as another pool still asks for more than it was granted of a
        product, nobody else grows on that product; nor does the pool itself while it asks for it by
        another name. Who is told of a holder is woken when there may be none any more.
        """
        found = min(
            (o for o in self.members(pool.key) if self._holds(o, pool, accelerator)), default=None
        )
        if found is not None:
            self._waiting.add(pool.key)
        return found

    def _holds(self, other: Key, pool: InferencePool, accelerator: str) -> bool:
        found, own = self._store.pools.get(other), products_of(pool)
        return any(
            _may_overlap(claim.products, own[accelerator])
            for claim in (self._excess(found.object) if found is not None else ())
            if other != pool.key or claim.accelerator not in own
        )

    def _wake_waiting(self, pools: frozenset[Key]) -> None:
        for key in self._waiting & pools:
            self._waiting.discard(key)
            self._wake(key)

    def _since(self, pools: Iterable[Key]) -> Iterator[tuple[Key, datetime]]:
        """Those of the pools whose replicas would rather be elsewhere, and since when they can."""
        return ((key, self._movable[key]) for key in pools if key in self._movable)

    def _excess(self, pool: InferencePool) -> Iterator[Claim]:
        """What the pool asks for although it was not granted so much.

        By a name that its spec does not have any more, or has for other products, it was granted
        what its pods have: those hold their devices, whoever else looks for some.
        """
        granted = self._granted.get(pool.key)
        desired = granted.placement.desired if granted else {}
        wanted = products_of(pool)
        for claim in self.claims.of(pool):
            if claim.products == wanted.get(claim.accelerator):
                most = desired.get(claim.accelerator, 0)
            else:
                most = self._bound(pool.key, claim.accelerator)
            if claim.replicas > most:
                yield claim

    def _bound(self, pool: Key, accelerator: str) -> int:
        return sum(
            pod.accelerator == accelerator
            and pod.node is not None
            and not (pod.terminating or pod.finished)
            for pod in self._store.pods.where(("pool", pool))
        )

    def _groups(self) -> Mapping[Key, frozenset[Key]]:
        if self._group_of is None:
            groups = device_groups(
                [own.object for _, own in self._store.pools.items()],
                (node for _, node in self._store.nodes.items()),
                self.claims.products,
            )
            self._group_of = {key: group for group in groups for key in group}
        return self._group_of


def _may_overlap(one: frozenset[Product], other: frozenset[Product]) -> bool:
    """True if both may be on one node, in one group of pools: another label may mean the same."""
    labels = {label for label, _ in one}
    return not one.isdisjoint(other) or labels != {label for label, _ in other}
