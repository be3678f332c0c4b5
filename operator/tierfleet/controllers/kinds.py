"""Feeds the caches of the three kinds: kopf watches, and what it does not tell is listed.

After a gap that the server cannot fill (410) kopf lists again and reports what is there, but not
what is gone, nor that it has listed at all. A deleted reservation would hold its capacity for ever.
The session that kopf is given is ours, so we see it listing; then we list as well, and compare.
That is also how the caches are filled in the first place.
"""

import asyncio
import logging
from collections.abc import Collection

import aiohttp
import kopf

from tierfleet.controllers.store import Store
from tierfleet.kube.cluster import ClusterError, Query, Watched
from tierfleet.kube.informers import relist
from tierfleet.kube.resources import OURS, Raw, ResourceType, key_of, version_of

PAUSE_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Kinds:
    """The three kinds in the namespaces that are served."""

    def __init__(self, cluster: Watched, store: Store, namespaces: Collection[str] | None) -> None:
        """`namespaces` None is all of them."""
        self._cluster = cluster
        self._store = store
        scopes = sorted(namespaces) if namespaces is not None else [None]
        queries = [Query(type_, scope) for type_ in OURS for scope in scopes]
        self._by_path = {query.type.path(query.namespace): query for query in queries}
        self._unlisted = set(queries)
        self._stale: dict[Query, None] = {}
        self._wake = asyncio.Event()
        self._complete = asyncio.Event()

    def register(self, registry: kopf.OperatorRegistry) -> None:
        """Have kopf tell us of every change."""
        for type_ in OURS:
            self._register(registry, type_)

    def trace(self) -> aiohttp.TraceConfig:
        """Makes kopf's session tell us when it lists."""
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._requested)
        return trace

    async def complete(self) -> None:
        """Return once every kind has been listed in every namespace."""
        await self._complete.wait()

    async def run(self) -> None:
        """List what kopf has listed, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._stale:
                query = next(iter(self._stale))
                del self._stale[query]
                await self._list(query)

    async def _list(self, query: Query) -> None:
        try:
            await relist(self._cluster, query, self._store.own[query.type])
        except ClusterError as error:
            logger.warning("Listing %s: %s Trying again.", query.type.plural, error)
            self._stale[query] = None
            await asyncio.sleep(PAUSE_SECONDS)
            return
        self._unlisted.discard(query)
        if not self._unlisted:
            self._complete.set()

    async def _requested(
        self,
        _session: aiohttp.ClientSession,
        _context: object,
        params: aiohttp.TraceRequestEndParams,
    ) -> None:
        query = self._by_path.get(params.url.path)
        if query is not None and "watch" not in params.url.query and params.response.ok:
            self._stale[query] = None
            self._wake.set()

    def _register(self, registry: kopf.OperatorRegistry, type_: ResourceType) -> None:
        cache = self._store.own[type_]

        async def changed(event: kopf.RawEvent, **_: object) -> None:
            raw: Raw = dict(event["object"])
            if event["type"] == "DELETED":
                cache.remove(key_of(raw), version_of(raw))
            else:
                cache.put(raw)

        kopf.on.event(type_.group, type_.version, type_.plural, registry=registry)(changed)
