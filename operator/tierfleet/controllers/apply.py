"""Makes a pool's children be what their manifests say, with no request where they are so already.

Server-side apply with one field manager, forced. Before that, whatever others have *added* to a
spec (a container, an environment variable, a selector) is taken over, so that the apply removes it:
force alone wins only the fields that we name. An object that is not ours is never touched.
"""

import logging

from tierfleet.api import InferencePool, Key
from tierfleet.controllers import child, metrics
from tierfleet.controllers.child import APPLIED, MANAGER, Child
from tierfleet.controllers.events import DRIFT_REPAIRED, Events
from tierfleet.controllers.store import CHILD_TYPES, Store
from tierfleet.kube import ownership
from tierfleet.kube.cluster import Cluster, ClusterError, ConflictError, NotFoundError
from tierfleet.kube.resources import POOLS, REPLICAS, Raw, ResourceType, key_of
from tierfleet.manifests import labels

_PATHS_NAMED = 3

logger = logging.getLogger(__name__)


def type_of(manifest: Raw) -> ResourceType:
    """The resource type of a child."""
    return next(type_ for type_ in CHILD_TYPES if type_.kind == manifest["kind"])


class NotOursError(ClusterError):
    """An object of that name exists that the pool does not own; the message says what to do."""


class Applier:
    """Applies and deletes children of pools."""

    def __init__(self, cluster: Cluster, store: Store, events: Events) -> None:
        self._cluster = cluster
        self._store = store
        self._events = events
        self._deleted: set[str] = set()
        self._lost: dict[Key, set[tuple[ResourceType, Key]]] = {}

    def lost(self, gone: Child) -> None:
        """Take note that a child is gone: if we did not delete it, somebody else did."""
        if gone.uid in self._deleted:
            self._deleted.discard(gone.uid)
            return
        pool = self._store.pools.get(gone.pool)
        if pool is not None and pool.object.metadata.uid == gone.owner:
            self._lost.setdefault(gone.pool, set()).add((gone.type, gone.key))

    def settled(self, pool: Key) -> None:
        """What is missing now is not wanted any more."""
        self._lost.pop(pool, None)

    async def ensure(self, pool: InferencePool, manifest: Raw, *, unchanged: bool = False) -> None:
        """Make the child be as the manifest says.

        With `unchanged` only if it is still what the cache says it is: for a child whose content
        was planned from what stands in it, and which records what was promised. Of one that is not
        there, like of what makes replicas, the pool itself is asked for first.

        Raises:
            NotOursError: an object of that name belongs to somebody else.
            ConflictError: it has changed meanwhile, or goes with a pool that had this name
                before; look again.
        """
        type_, key = type_of(manifest), key_of(manifest)
        wanted = child.stamped(manifest)
        live = self._store.child(type_, key) or await self._read(type_, key)
        if live is None:
            if unchanged or type_ in REPLICAS:
                await self._confirm(pool)
            await self._apply(type_, wanted)
            if (type_, key) in self._lost.get(pool.key, ()):
                self._lost[pool.key].discard((type_, key))
                await self._tell(pool, type_, f"{type_.told} {key[1]} was deleted; it is back.")
            return
        if live.owner != pool.metadata.uid:
            if live.owner and live.pool == pool.key:
                raise ConflictError(
                    f"{type_.told} {key[1]} of an earlier pool is still going away."
                )
            raise NotOursError(_not_ours(type_, key, pool))
        missing = ownership.missing(wanted, live.fields)
        stamp = wanted["metadata"]["annotations"][APPLIED]
        if live.applied == stamp and not missing and not live.foreign:
            return
        version = live.version
        if live.foreign:
            version = await self._take_over(type_, key, version)
        if unchanged:
            wanted = wanted | {"metadata": wanted["metadata"] | {"resourceVersion": version}}
        await self._apply(type_, wanted)
        if live.foreign or live.applied in {"", stamp}:
            await self._tell(pool, type_, _repaired(type_, key, missing, live))

    async def _confirm(self, pool: InferencePool) -> None:
        """Asks for the pool itself before a record of promises or replicas are made for it.

        Watches of different types do not wait for each other: of a pool that is deleted we may hear
        first that its children have gone, and would make them anew, with devices of others by then.
        Whatever else is made so rules nothing, and is garbage of an owner that is gone; until it is
        collected a new pool of that name waits.
        """
        try:
            raw = await self._cluster.get(POOLS, pool.key)
        except NotFoundError:
            raise ConflictError(f"InferencePool {pool.key[1]} is gone.") from None
        meta = raw["metadata"]
        if meta["uid"] != pool.metadata.uid or "deletionTimestamp" in meta:
            raise ConflictError(f"InferencePool {pool.key[1]} is being deleted.")

    async def look(self, type_: ResourceType, key: Key) -> None:
        """Take in a child as it is; of one that is not there any more the watch will tell."""
        try:
            raw = await self._cluster.get(type_, key)
        except NotFoundError:
            return
        if labels.POOL in raw["metadata"].get("labels", {}):
            self._store.observe(type_, raw)

    async def remove(self, live: Child) -> None:
        """Delete a child that is not planned any more."""
        self._deleted.add(live.uid)
        try:
            await self._cluster.delete(live.type, live.key, uid=live.uid)
        except NotFoundError:
            self._deleted.discard(live.uid)
        else:
            metrics.wrote("delete", live.type.kind)

    async def _read(self, type_: ResourceType, key: Key) -> Child | None:
        """The object itself: the cache is behind, or has not the ones without our label."""
        try:
            raw = await self._cluster.get(type_, key)
        except NotFoundError:
            return None
        return child.project(type_, raw)

    async def _take_over(self, type_: ResourceType, key: Key, version: str) -> str:
        raw = await self._cluster.get(type_, key)
        if raw["metadata"]["resourceVersion"] != version:
            raise ConflictError(f"{type_.told} {key[1]} has changed meanwhile.")
        operations = ownership.take_over(raw, MANAGER, child.root_of(type_))
        if APPLIED in raw["metadata"].get("annotations", {}):
            # What is ours in name only must not pass for applied if we die before we apply.
            pointer = APPLIED.replace("/", "~1")
            operations.append({"op": "remove", "path": f"/metadata/annotations/{pointer}"})
        patched = await self._cluster.patch(type_, key, operations)
        self._store.observe(type_, patched)
        taken: str = patched["metadata"]["resourceVersion"]
        return taken

    async def _apply(self, type_: ResourceType, wanted: Raw) -> None:
        raw = await self._cluster.apply(type_, wanted, manager=MANAGER, status=False)
        self._store.observe(type_, raw)
        metrics.wrote("apply", type_.kind)

    async def _tell(self, pool: InferencePool, type_: ResourceType, note: str) -> None:
        metrics.repaired(type_.kind)
        logger.info("%s/%s: %s", *pool.key, note)
        await self._events.emit(pool, DRIFT_REPAIRED, note, warning=True)


def _repaired(type_: ResourceType, key: Key, missing: tuple[str, ...], live: Child) -> str:
    paths = [*missing, *(path for foreign in live.foreign for path in foreign.paths)]
    named = ", ".join(dict.fromkeys(paths[:_PATHS_NAMED]))
    more = " and more" if len(paths) > _PATHS_NAMED else ""
    who = ", ".join(foreign.manager for foreign in live.foreign) or "somebody else"
    return (
        f"{type_.told} {key[1]} was changed by {who}; put back: {named}{more}. "
        "Change the InferencePool instead."
    )


def _not_ours(type_: ResourceType, key: Key, pool: InferencePool) -> str:
    return (
        f"{type_.told} {key[1]} in namespace {key[0]} exists and does not belong to InferencePool "
        f"{pool.key[1]}. Delete or rename it, or rename the pool."
    )
