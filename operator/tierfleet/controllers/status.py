"""Writes the status of our kinds: only when it changed, and as a whole.

What others wrote into it is taken over first, so that nothing of theirs stays. It must not know
what a status means.
"""

from typing import Any

from tierfleet.api import CapacityReservation, InferencePool, TierPolicy
from tierfleet.api.common import Model
from tierfleet.controllers import metrics
from tierfleet.controllers.events import DRIFT_REPAIRED, Events
from tierfleet.controllers.own import STATUS_MANAGER, Own
from tierfleet.kube import ownership
from tierfleet.kube.cluster import Cluster
from tierfleet.kube.resources import Raw, ResourceType


class StatusWriter:
    """Writes statuses and tells about it."""

    def __init__(self, cluster: Cluster, events: Events) -> None:
        self._cluster = cluster
        self._events = events

    async def write(
        self,
        type_: ResourceType,
        own: Own[Any],
        status: Model,
    ) -> Raw | None:
        """Make the status of the object be this one; None if it is so already.

        Raises:
            NotFoundError: the object is gone.
            ConflictError: another object has its name now.
        """
        subject: TierPolicy | InferencePool | CapacityReservation = own.object
        before = subject.status
        if status.to_raw() == before.to_raw():
            return None
        if own.foreign:
            live = await self._cluster.get(type_, subject.key)
            if ownership.applied(live, STATUS_MANAGER, "status"):
                await self._cluster.patch(
                    type_,
                    subject.key,
                    ownership.take_over(live, STATUS_MANAGER, "status", "status"),
                )
        namespace, name = subject.key
        written = await self._cluster.apply(
            type_,
            {
                "apiVersion": subject.api_version,
                "kind": subject.kind,
                "metadata": {"namespace": namespace, "name": name, "uid": subject.metadata.uid},
                "status": status.to_raw(),
            },
            manager=STATUS_MANAGER,
            status=True,
        )
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
        return written
