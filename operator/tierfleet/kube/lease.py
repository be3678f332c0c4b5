"""Leader election on a Lease: followers keep warm caches, only the leader writes.

Who may take over, and when, is decided by `kubernetes.aio.leaderelection`. Its lock here goes
through the `Cluster` protocol, so that one narrow interface carries every request, and writes UTC.
Its loop is replaced, because that gives up only between two attempts: one request that hangs would
let two operators lead.
"""

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.baselock import BaseLock

from tierfleet.kube.cluster import ClusterError, Locked, NotFoundError
from tierfleet.kube.resources import LEASES, Key, Raw

LEASE_SECONDS = 15.0
RENEW_DEADLINE_SECONDS = 10.0
RETRY_SECONDS = 2.0
"""As in controller-runtime. A leader that dies without releasing is replaced after 15 s."""

logger = logging.getLogger(__name__)


class Leadership:
    """The wish to lead, under a name of our own."""

    def __init__(
        self,
        cluster: Locked,
        lease: Key,
        identity: str,
        *,
        pause: float = RETRY_SECONDS,
        deadline: float = RENEW_DEADLINE_SECONDS,
    ) -> None:
        """`lease` is where the Lease is; `identity` tells this process from all others."""
        self._pause = pause
        self._deadline = deadline
        self._lock = _Lock(cluster, lease, identity)
        self._election = LeaderElection(
            Config(
                self._lock,
                lease_duration=LEASE_SECONDS,
                renew_deadline=RENEW_DEADLINE_SECONDS,
                retry_period=RETRY_SECONDS,
                onstarted_leading=_nothing,
                onstopped_leading=_nothing,
            )
        )

    @property
    def holder(self) -> str:
        """Who leads as far as we know; empty for nobody."""
        record = self._election.observed_record
        return (record.holder_identity or "") if record else ""

    async def acquire(self) -> None:
        """Return once we lead."""
        announced = ""
        while not await self._election.try_acquire_or_renew():
            if self.holder not in {"", announced}:
                announced = self.holder
                logger.info("Waiting to lead: %s holds the lease.", announced)
            await asyncio.sleep(self._pause)

    async def hold(self) -> None:
        """Renew; return once leadership is lost."""
        while True:
            await asyncio.sleep(self._pause)
            try:
                async with asyncio.timeout(self._deadline):
                    while not await self._election.try_acquire_or_renew():
                        if self.holder != self._lock.identity:
                            return
                        await asyncio.sleep(self._pause)
            except TimeoutError:
                return

    async def release(self) -> None:
        """Let the next one lead at once. Does nothing if we do not lead."""
        await self._lock.release()


async def _nothing() -> None:
    """`Config` asks for callbacks that only its own loop would call."""


class _Lock(BaseLock):
    """The Lease as the election sees it: a record of who holds it since when."""

    def __init__(self, cluster: Locked, lease: Key, identity: str) -> None:
        super().__init__(name=lease[1], namespace=lease[0], identity=identity)
        self._cluster = cluster
        self._read: Raw | None = None
        self._said = ""

    async def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        """The record in the Lease, or why there is none."""
        try:
            self._read = await self._cluster.get(LEASES, (namespace, name))
        except ClusterError as error:
            if not isinstance(error, NotFoundError):
                self._say("read", error)
            # The election reads the code of a metav1.Status.
            return False, ApiException(
                status=error.status, reason=str(error), body=json.dumps({"code": error.status})
            )
        spec = self._read.get("spec", {})
        return True, LeaderElectionRecord(
            spec.get("holderIdentity") or None,
            str(spec["leaseDurationSeconds"]) if "leaseDurationSeconds" in spec else None,
            _to_local(spec.get("acquireTime")),
            _to_local(spec.get("renewTime")),
        )

    async def create(
        self, name: str, namespace: str, election_record: LeaderElectionRecord
    ) -> bool:
        """Make the Lease, ours; False if somebody was faster."""
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": _spec(election_record),
        }
        try:
            self._read = await self._cluster.create(LEASES, body)
        except ClusterError as error:
            self._say("created", error)
            return False
        return True

    async def update(
        self,
        name: str,  # noqa: ARG002 - as BaseLock has it
        namespace: str,  # noqa: ARG002
        updated_record: LeaderElectionRecord,
    ) -> bool:
        """Write the record unless the Lease has changed since it was read."""
        try:
            self._read = await self._cluster.replace(
                LEASES, (self._read or {}) | {"spec": _spec(updated_record)}
            )
        except ClusterError as error:
            self._say("renewed", error)
            return False
        return True

    def _say(self, what: str, error: ClusterError) -> None:
        """Log why the Lease cannot be had; once for as long as it is the same reason."""
        reason = str(error).rstrip(".")
        said = f"The Lease {self.namespace}/{self.name} could not be {what}: {reason}."
        if said != self._said:
            logger.warning("%s Trying again every %g s.", said, RETRY_SECONDS)
        self._said = said

    async def release(self) -> None:
        if self._read is None or self._read["spec"].get("holderIdentity") != self.identity:
            return
        spec = self._read["spec"] | {"holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            await self._cluster.replace(LEASES, self._read | {"spec": spec})
        except ClusterError as error:
            logger.warning("The lease could not be released: %s", error)


def _spec(record: LeaderElectionRecord) -> Raw:
    return {
        "holderIdentity": record.holder_identity,
        "leaseDurationSeconds": int(float(record.lease_duration or 0)),
        "acquireTime": _to_micro_time(record.acquire_time),
        "renewTime": _to_micro_time(record.renew_time),
    }


def _to_micro_time(local: str | None) -> str | None:
    """The election's time, naive and local, as metav1.MicroTime."""
    if local is None:
        return None
    return datetime.fromisoformat(local).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _to_local(micro_time: str | None) -> str | None:
    if micro_time is None:
        return None
    return str(datetime.fromisoformat(micro_time).astimezone().replace(tzinfo=None))
