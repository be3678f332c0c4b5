"""What pools ask for of the devices: by what makes replicas, and by writes that nobody saw yet.

A request that was not answered may have been done all the same, so it counts until somebody has
looked. It must not know what was granted.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from tierfleet.api import InferencePool, Key
from tierfleet.controllers import child
from tierfleet.controllers.apply import type_of
from tierfleet.controllers.child import Claim
from tierfleet.controllers.store import Store
from tierfleet.kube.cluster import SERVER_FAULT, ClusterError, UnreachableError
from tierfleet.kube.resources import Raw, ResourceType, key_of
from tierfleet.planning.devices import Product, products_of
from tierfleet.planning.placement import Placement

Written = tuple[ResourceType, Key]
"""A child that was written."""


class Claims:
    """The claims of pools."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writing: dict[Key, tuple[Claim, ...]] = {}
        self._unanswered: dict[Key, dict[Written, Claim]] = {}

    def of(self, pool: InferencePool) -> Iterator[Claim]:
        """All claims of the pool; of what is being changed the ones before and after."""
        for found in self._store.claimants(pool):
            if found.claim is not None:
                yield found.claim
        yield from self._writing.get(pool.key, ())
        yield from self._unanswered.get(pool.key, {}).values()

    def products(self, pool: InferencePool) -> set[Product]:
        """What the pool asks for, by whatever spec."""
        return {product for claim in self.of(pool) if claim.replicas for product in claim.products}

    @contextmanager
    def writing(self, pool: InferencePool, placement: Placement) -> Iterator[None]:
        """While a placement of the pool, as it is now, is being written."""
        own, desired = products_of(pool), placement.desired
        self._writing[pool.key] = tuple(Claim(name, own[name], desired[name]) for name in desired)
        try:
            yield
        finally:
            del self._writing[pool.key]

    @contextmanager
    def sending(self, pool: Key, manifest: Raw) -> Iterator[None]:
        """While a child is being written; what makes replicas counts until there is an answer."""
        claim, written = child.claim_of(manifest), (type_of(manifest), key_of(manifest))
        if claim is None:
            yield
            return
        self._unanswered.setdefault(pool, {})[written] = claim
        try:
            yield
        except ClusterError as error:
            if not _may_be_done(error):
                self.answered(pool, written)
            raise
        else:
            self.answered(pool, written)

    def unanswered(self, pool: Key) -> Collection[Written]:
        """The children of the pool that may be other than they are known to be."""
        return tuple(self._unanswered.get(pool, ()))

    def answered(self, pool: Key, written: Written) -> None:
        """The child is known to be as the store has it."""
        of_pool = self._unanswered.get(pool, {})
        of_pool.pop(written, None)
        if not of_pool:
            self._unanswered.pop(pool, None)

    def forget(self, pool: Key) -> None:
        """The pool is gone, and what it has made goes with it."""
        self._unanswered.pop(pool, None)


def _may_be_done(error: ClusterError) -> bool:
    """False if the server said that it did not do it; a fault of its own says nothing."""
    return isinstance(error, UnreachableError) or error.status >= SERVER_FAULT
