"""What pools ask for of the devices: by their Deployments, and by what is being written.

It must not know what was granted.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tierfleet.api import InferencePool, Key
from tierfleet.controllers.child import Claim
from tierfleet.controllers.store import Store
from tierfleet.planning.devices import Product, products_of
from tierfleet.planning.placement import Placement


class Claims:
    """The claims of pools."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writing: dict[Key, tuple[Claim, ...]] = {}

    def of(self, pool: InferencePool) -> Iterator[Claim]:
        """All claims of the pool; of what is being changed the ones before and after."""
        for deployment in self._store.deployments_of(pool):
            if deployment.claim is not None:
                yield deployment.claim
        yield from self._writing.get(pool.key, ())

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
