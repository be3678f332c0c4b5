"""An API server in memory, for faults that a real one does not commit on demand."""

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable
from typing import Any

from tierfleet.kube.cluster import (
    ClusterError,
    ConflictError,
    GoneError,
    NotFoundError,
    Page,
    Query,
    UnreachableError,
    WatchEvent,
)
from tierfleet.kube.resources import Key, Raw, ResourceType, key_of


async def until(holds: Callable[[], bool]) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - there is no event for every condition
            await asyncio.sleep(0.001)


class FakeCluster:
    """`Watched` and `Locked`, with levers: `fail`, `cut`, `compact`, `page_size`."""

    def __init__(self) -> None:
        self.page_size = 100
        self.requests: list[str] = []
        self.fail: list[ClusterError] = []
        self._version = 0
        self._objects: dict[tuple[ResourceType, Key], Raw] = {}
        self._history: list[tuple[int, ResourceType, WatchEvent]] = []
        self._oldest = 0
        self._news: list[asyncio.Queue[tuple[ResourceType, WatchEvent] | None]] = []

    def put(self, type_: ResourceType, name: str, **content: Any) -> Raw:
        """Somebody creates or changes an object."""
        key = ("default", name)
        kind = "MODIFIED" if (type_, key) in self._objects else "ADDED"
        raw = {"metadata": {"namespace": key[0], "name": name}, **content}
        return self._store(type_, key, raw, kind)

    def drop(self, type_: ResourceType, name: str) -> None:
        """Somebody deletes an object."""
        raw = self._objects.pop((type_, ("default", name)))
        self._version += 1
        raw["metadata"]["resourceVersion"] = str(self._version)
        self._tell(type_, WatchEvent("DELETED", raw))

    def bookmark(self, type_: ResourceType) -> None:
        """The server says how far it has come."""
        self._version += 1
        raw = {"metadata": {"resourceVersion": str(self._version)}}
        self._tell(type_, WatchEvent("BOOKMARK", raw))

    def cut(self) -> None:
        """Every watch breaks off."""
        for queue in self._news:
            queue.put_nowait(None)

    def compact(self) -> None:
        """The history is lost: who was away has to list again."""
        self._oldest = self._version
        self._history.clear()

    def opened(self) -> int:
        """How many watches are open."""
        return len(self._news)

    async def page(self, query: Query, token: str = "") -> Page:
        self._requested("list")
        found = [
            copy.deepcopy(raw)
            for (type_, _), raw in sorted(self._objects.items(), key=lambda item: item[0][1])
            if type_ == query.type
        ]
        start = int(token or 0)
        end = start + self.page_size
        return Page(found[start:end], str(self._version), str(end) if end < len(found) else "")

    async def watch(self, query: Query, resource_version: str) -> AsyncGenerator[WatchEvent]:
        self._requested(f"watch {resource_version}")
        if int(resource_version) < self._oldest:
            raise GoneError("too old resource version", 410)
        queue: asyncio.Queue[tuple[ResourceType, WatchEvent] | None] = asyncio.Queue()
        for version, type_, event in self._history:
            if version > int(resource_version):
                queue.put_nowait((type_, event))
        self._news.append(queue)
        try:
            while (news := await queue.get()) is not None:
                if news[0] == query.type:
                    yield copy.deepcopy(news[1])
            raise UnreachableError("The connection was reset.")
        finally:
            self._news.remove(queue)

    async def get(self, type_: ResourceType, key: Key) -> Raw:
        self._requested("get")
        if (type_, key) not in self._objects:
            raise NotFoundError("not found", 404)
        return copy.deepcopy(self._objects[type_, key])

    async def create(self, type_: ResourceType, body: Raw) -> Raw:
        self._requested("create")
        if (type_, key_of(body)) in self._objects:
            raise ConflictError("exists", 409)
        return self._store(type_, key_of(body), body, "ADDED")

    async def apply(self, type_: ResourceType, body: Raw, **_: Any) -> Raw:
        self._requested("apply")
        kind = "MODIFIED" if (type_, key_of(body)) in self._objects else "ADDED"
        return self._store(type_, key_of(body), body, kind)

    async def replace(self, type_: ResourceType, body: Raw) -> Raw:
        self._requested("replace")
        held = self._objects.get((type_, key_of(body)))
        version = body["metadata"].get("resourceVersion")
        if held is None or held["metadata"]["resourceVersion"] != version:
            raise ConflictError("has been modified", 409)
        return self._store(type_, key_of(body), body, "MODIFIED")

    def _store(self, type_: ResourceType, key: Key, body: Raw, kind: Any) -> Raw:
        self._version += 1
        raw = copy.deepcopy(body)
        raw["metadata"]["resourceVersion"] = str(self._version)
        self._objects[type_, key] = raw
        self._tell(type_, WatchEvent(kind, raw))
        return copy.deepcopy(raw)

    def _tell(self, type_: ResourceType, event: WatchEvent) -> None:
        event = copy.deepcopy(event)
        self._history.append((self._version, type_, event))
        for queue in self._news:
            queue.put_nowait((type_, event))

    def _requested(self, what: str) -> None:
        self.requests.append(what)
        if self.fail:
            raise self.fail.pop(0)
