"""The reconcile of a TierPolicy: its status. What it says is enforced through the pools' plans."""

from tierfleet.api import Key
from tierfleet.controllers.status import StatusWriter
from tierfleet.controllers.store import Store
from tierfleet.controllers.worker import DONE, Result
from tierfleet.kube.resources import POLICIES
from tierfleet.planning.status import summarise_policy


class Policies:
    """Reconciles policies."""

    def __init__(self, store: Store, statuses: StatusWriter) -> None:
        self._store = store
        self._statuses = statuses

    async def reconcile(self, key: Key) -> Result:
        """Make the policy's status tell who is in it and who uses it."""
        own = self._store.policies.get(key)
        if own is not None and own.object.metadata.deletion_timestamp is None:
            snapshot = self._store.of_policy(own.object)
            await self._statuses.write(POLICIES, own, summarise_policy(snapshot, key))
        return DONE
