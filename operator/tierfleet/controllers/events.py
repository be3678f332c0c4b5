"""Events: what `kubectl describe` tells about the past of an object, one per thing that happened.

A condition says what is; an Event says that it has become so, or that something was put back. They
are best effort: one that cannot be written is logged and forgotten.
"""

import logging
import uuid
from datetime import UTC, datetime

from tierfleet.api import GROUP, CapacityReservation, InferencePool, TierPolicy
from tierfleet.api.capacityreservation import ReservationCondition
from tierfleet.api.conditions import READY, RECONCILING, STALLED, Condition, Status, find
from tierfleet.controllers import metrics
from tierfleet.kube.cluster import Cluster, ClusterError
from tierfleet.kube.resources import EVENTS

CONTROLLER = f"{GROUP}/operator"
DRIFT_REPAIRED = "DriftRepaired"

_LONGEST_NOTE = 1024
_BAD_WHEN_TRUE = {ReservationCondition.DEGRADED, STALLED}

Subject = TierPolicy | InferencePool | CapacityReservation

logger = logging.getLogger(__name__)


class Events:
    """Writes Events."""

    def __init__(self, cluster: Cluster, instance: str) -> None:
        """`instance` tells this process from others of the operator."""
        self._cluster = cluster
        self._instance = instance

    async def emit(self, about: Subject, reason: str, note: str, *, warning: bool) -> None:
        """Write one Event about an object of ours."""
        namespace, name = about.key
        body = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            # As client-go names them: unique, and begins with the object.
            "metadata": {"namespace": namespace, "name": f"{name}.{uuid.uuid4().hex[:16]}"},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance[:128],
            "action": "Reconcile",
            "reason": reason,
            "note": note[:_LONGEST_NOTE],
            "type": "Warning" if warning else "Normal",
            "regarding": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "namespace": namespace,
                "name": name,
                "uid": about.metadata.uid,
                "resourceVersion": about.metadata.resource_version,
            },
        }
        try:
            await self._cluster.create(EVENTS, body)
        except ClusterError as error:
            logger.warning("An Event about %s/%s is lost: %s", namespace, name, error)
        else:
            metrics.wrote("event", about.kind)

    async def tell_transitions(
        self, about: Subject, before: tuple[Condition, ...], after: tuple[Condition, ...]
    ) -> None:
        """Write one Event for each condition that has flipped."""
        expected = find(after, RECONCILING) is not None
        for condition in flipped(before, after):
            note = f"{condition.type} is {condition.status}: {condition.message}"
            await self.emit(
                about, condition.reason, note, warning=_is_bad(condition) and not expected
            )


def flipped(before: tuple[Condition, ...], after: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """The conditions that now say something else, and are worth an Event.

    What is first judged as it should be is not; nor is Ready, where it only repeats another one.
    """
    news = []
    for condition in after:
        old = find(before, condition.type)
        first = old is None or old.status is Status.UNKNOWN
        if condition.type == RECONCILING or condition.status is Status.UNKNOWN:
            continue
        if old is not None and old.status is condition.status:
            continue
        if first and not _is_bad(condition) and condition.type != READY:
            continue
        news.append(condition)
    told = {(c.reason, c.message) for c in news if c.type not in {READY, STALLED}}
    return tuple(
        c for c in news if c.type not in {READY, STALLED} or (c.reason, c.message) not in told
    )


def _is_bad(condition: Condition) -> bool:
    bad = Status.TRUE if condition.type in _BAD_WHEN_TRUE else Status.FALSE
    return condition.status is bad
