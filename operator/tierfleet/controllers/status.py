"""Writes the status of our kinds: only when it changed, and as a whole.

What others wrote into it is taken over first, so that nothing of theirs stays. Under the condition
that the object is as we know it: an edit that we have not seen would be put back without a word. It
must not know what a status means.
"""

from typing import Any

from tierfleet.api import CapacityReservation, InferencePool, Key, TierPolicy
from tierfleet.api.common import Model
from tierfleet.controllers import metrics
from tierfleet.controllers.events import DRIFT_REPAIRED, Events
from tierfleet.controllers.own import STATUS_MANAGER, Own
from tierfleet.controllers.store import Store
from tierfleet.kube import ownership
from tierfleet.kube.cluster import Cluster, ConflictError
from tierfleet.kube.resources import Raw, ResourceType


class StatusWriter:
    """Writes statuses and tells about it."""

    def __init__(self, cluster: Cluster, store: Store, events: Events) -> None:
        self._cluster = cluster
        self._store = store
        self._events = events

    async def write(self, type_: ResourceType, own: Own[Any], status: Model) -> None:
        """Make the status of the object be this one, if it is not so already.

        Raises:
            NotFoundError: the object is gone.
            ConflictError: it has changed since `own` was read; look again.
        """
        subject: TierPolicy | InferencePool | CapacityReservation = own.object
        before = subject.status
        if status.to_raw() == before.to_raw():
            return
        version = subject.metadata.resource_version
        if own.foreign:
            version = await self._take_over(type_, subject.key, version)
        namespace, name = subject.key
        written = await self._cluster.apply(
            type_,
            {
                "apiVersion": subject.api_version,
                "kind": subject.kind,
                "metadata": {"namespace": namespace, "name": name, "resourceVersion": version},
                "status": status.to_raw(),
            },
            manager=STATUS_MANAGER,
            status=True,
        )
        self._observe(type_, subject.key, written)
        metrics.wrote("status", subject.kind)
        if own.foreign:
            metrics.repaired(subject.kind)
            who = ", ".join(foreign.manager for foreign in own.foreign)
            await self._events.emit(
                subject,
                DRIFT_REPAIRED,
                f"The status was put back, which {who} had changed. It is written by the operator "
                "alone: change the spec instead.",
                warning=True,
            )
        else:
            await self._events.tell_transitions(
                subject, before.conditions, getattr(status, "conditions", ())
            )

    async def _take_over(self, type_: ResourceType, key: Key, version: str) -> str:
        raw = await self._cluster.get(type_, key)
        if raw["metadata"]["resourceVersion"] != version:
            raise ConflictError(f"{type_.kind} {key[1]} has changed meanwhile.")
        if not ownership.applied(raw, STATUS_MANAGER, "status"):
            return version
        operations = ownership.take_over(raw, STATUS_MANAGER, "status", "status")
        patched = await self._cluster.patch(type_, key, operations)
        taken: str = patched["metadata"]["resourceVersion"]
        return taken

    def _observe(self, type_: ResourceType, key: Key, written: Raw) -> None:
        """Take in the answer, unless the object's end has been told already."""
        cache = self._store.own[type_]
        if cache.get(key) is not None:
            cache.put(written)
