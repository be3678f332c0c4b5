"""Keeps a cache equal to the objects of a query: list once, then follow the watch.

Reflector semantics as in client-go: a broken or ended watch goes on from the last version seen,
bookmarks included; a version that is too old (410) means a new list, which is compared with the
cache, so what was deleted meanwhile is removed and reported. While nothing changes, the only
request is a watch that is opened again every few minutes.

Why not the official `kubernetes.informer`: it asks for no bookmarks, so a quiet watch runs into
410; it waits for ever on a dead connection; it tries again without backing off; it keeps whole
typed objects; and it needs a thread per watch.
"""

import asyncio
import logging
import random
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Generic, TypeVar

from tierfleet.kube.cache import Cache
from tierfleet.kube.cluster import ClusterError, GoneError, Query, Watched
from tierfleet.kube.resources import Key, Raw, ResourceType, key_of, version_of

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
"""Short, because while we do not watch we put nothing back."""

logger = logging.getLogger(__name__)


async def relist(cluster: Watched, query: Query, cache: Cache[T]) -> str:
    """Make the cache equal to the list of the query; returns the list's version."""
    token, listed = "", set[Key]()
    while True:
        token, version = await _take_in(cluster, query, cache, token, listed)
        if not token:
            cache.sweep(listed, int(version), query.namespace)
            return version


async def _take_in(
    cluster: Watched, query: Query, cache: Cache[T], token: str, listed: set[Key]
) -> tuple[str, str]:
    """One page into the cache; the token of the next one, and the list's version.

    A function of its own, so that nobody holds a page while the next one is waited for.
    """
    page = await cluster.page(query, token)
    for raw in page.items:
        listed.add(key_of(raw))
        cache.put(raw)
    return page.token, page.resource_version


class Reflector(Generic[T]):
    """Follows one query into a cache."""

    def __init__(self, cluster: Watched, query: Query, cache: Cache[T]) -> None:
        self.synced = asyncio.Event()
        self._cluster = cluster
        self._query = query
        self._cache = cache
        self._followed = 0

    def observe(self, raw: Raw) -> None:
        """Take in the answer to a write of ours: the watch is later than our next look.

        Unless the watch has come as far already: then it has told of this object, or of its end.
        """
        if version_of(raw) > self._followed:
            self._cache.put(raw)

    def forget(self) -> None:
        """What is kept is not there any more, and nothing is followed."""
        self.synced.clear()
        self._followed = 0
        self._cache.sweep((), sys.maxsize, self._query.namespace)

    async def run(self) -> None:
        """Follow the query for ever."""
        pause = FIRST_PAUSE_SECONDS
        version = ""
        complaint = ""
        while True:
            try:
                if not version:
                    version = await relist(self._cluster, self._query, self._cache)
                    self._followed = int(version)
                    self.synced.set()
                async with aclosing(self._follow(version)) as versions:
                    async for seen in versions:
                        version = seen
                        pause = FIRST_PAUSE_SECONDS
                        complaint = ""
            except GoneError:
                version = ""
            except ClusterError as error:
                # Once: an outage has many attempts.
                if str(error) != complaint:
                    complaint = str(error)
                    logger.warning("Watching %s: %s", self._query.type.plural, complaint)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - a jitter
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _follow(self, version: str) -> AsyncGenerator[str]:
        """Take in what the watch tells, and yield the version after each event."""
        async with aclosing(self._cluster.watch(self._query, version)) as events:
            async for event in events:
                seen = version_of(event.object)
                match event.type:
                    case "ADDED" | "MODIFIED":
                        self._cache.put(event.object)
                    case "DELETED":
                        self._cache.remove(key_of(event.object), seen)
                    case "BOOKMARK":
                        pass
                self._followed = seen
                yield str(seen)


class Informer(Generic[T]):
    """Follows one query in several namespaces into one cache."""

    def __init__(
        self,
        cluster: Watched,
        type_: ResourceType,
        cache: Cache[T],
        *,
        namespaces: Iterable[str] | None = None,
        labels: str = "",
        fields: str = "",
    ) -> None:
        """Without `namespaces`: all of them, or objects that are in none."""
        self.cache = cache
        self._reflectors = {
            namespace: Reflector(cluster, Query(type_, namespace, labels, fields), cache)
            for namespace in (namespaces if namespaces is not None else [None])
        }

    def observe(self, raw: Raw) -> None:
        """Take in the answer to a write of ours."""
        namespace = key_of(raw)[0]
        reflector = self._reflectors.get(namespace) or self._reflectors.get(None)
        if reflector is not None:
            reflector.observe(raw)

    def forget(self) -> None:
        """Nothing is there any more; `run` begins anew."""
        for reflector in self._reflectors.values():
            reflector.forget()

    async def synced(self) -> None:
        """Return once every namespace has been listed."""
        for reflector in self._reflectors.values():
            await reflector.synced.wait()

    async def run(self) -> None:
        """Follow the query in every namespace, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in self._reflectors.values():
                tasks.create_task(reflector.run())
