"""The reconcile of a CapacityReservation: its status, a mirror of the plan that carries it."""

from tierfleet.api import Key
from tierfleet.controllers.pool import Pools
from tierfleet.controllers.status import StatusWriter
from tierfleet.controllers.store import Store
from tierfleet.controllers.worker import DONE, Result, at_next_edge
from tierfleet.kube.resources import RESERVATIONS
from tierfleet.planning.status import summarise_reservation


class Reservations:
    """Reconciles reservations."""

    def __init__(self, store: Store, pools: Pools, statuses: StatusWriter) -> None:
        self._store = store
        self._pools = pools
        self._statuses = statuses

    async def reconcile(self, key: Key) -> Result:
        """Make the reservation's status say what its pool's plan says."""
        own = self._store.reservations.get(key)
        if own is None or own.object.metadata.deletion_timestamp is not None:
            return DONE
        metadata = own.object.metadata
        pool_key = (key[0], own.object.spec.pool_ref.name)
        plan = running = behind = None
        if self._store.pools.get(pool_key) is not None:
            planned = self._pools.planned(pool_key)
            if planned is None or planned.seen.get(metadata.uid) != metadata.generation:
                # The pool has not been planned with it yet; then we are called again.
                return DONE
            plan, running, behind = planned.plan, planned.enforcement, planned.backing
        snapshot = self._store.of_reservation(own.object)
        status = summarise_reservation(snapshot, key, plan, running, behind)
        await self._statuses.write(RESERVATIONS, own, status)
        return at_next_edge([own.object.spec.term], snapshot.now)
