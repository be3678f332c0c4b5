import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.unit.kube.fake import FakeCluster, until
from tierfleet.kube import informers
from tierfleet.kube.cache import Cache
from tierfleet.kube.cluster import UnreachableError
from tierfleet.kube.informers import Informer
from tierfleet.kube.resources import SERVICES, Key, Raw

Change = tuple[str, str | None, str | None]


class Followed:
    """Services followed into a cache of their colours, and every change that was reported."""

    def __init__(self, server: FakeCluster) -> None:
        self.server = server
        self.changes: list[Change] = []
        self.cache = Cache[str](lambda raw: raw.get("colour"), self._changed)
        self.informer = Informer(server, SERVICES, self.cache, namespaces=["default"])

    def _changed(self, key: Key, old: str | None, new: str | None) -> None:
        self.changes.append((key[1], old, new))

    @property
    def colours(self) -> dict[str, str]:
        return {key[1]: colour for key, colour in self.cache.items()}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informers, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(informers, "LONGEST_PAUSE_SECONDS", 0.002)


@contextlib.asynccontextmanager
async def following(server: FakeCluster) -> AsyncIterator[Followed]:
    followed = Followed(server)
    task = asyncio.create_task(followed.informer.run())
    try:
        await followed.informer.synced()
        await until(lambda: server.opened() == 1)
        yield followed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_there_is_listed_page_by_page_and_then_followed() -> None:
    server = FakeCluster()
    server.page_size = 2
    for name in "abcde":
        server.put(SERVICES, name, colour="red")
    async with following(server) as followed:
        assert followed.colours == dict.fromkeys("abcde", "red")
        server.put(SERVICES, "a", colour="blue")
        server.put(SERVICES, "f", colour="blue")
        server.drop(SERVICES, "b")
        await until(lambda: len(followed.changes) == 8)
        assert followed.changes[5:] == [
            ("a", "red", "blue"),
            ("f", None, "blue"),
            ("b", "red", None),
        ]
        assert server.requests.count("list") == 3


async def test_a_cut_watch_goes_on_where_it_was_without_a_list() -> None:
    server = FakeCluster()
    server.put(SERVICES, "a", colour="red")
    async with following(server) as followed:
        server.cut()
        server.put(SERVICES, "b", colour="red")
        await until(lambda: "b" in followed.colours)
        assert server.requests.count("list") == 1


async def test_a_quiet_watch_goes_on_from_its_last_bookmark() -> None:
    server = FakeCluster()
    async with following(server) as followed:
        server.bookmark(SERVICES)
        server.compact()
        server.cut()
        await until(lambda: server.requests[-1] == "watch 1")
        server.put(SERVICES, "a", colour="red")
        await until(lambda: "a" in followed.colours)
        assert server.requests.count("list") == 1


async def test_after_a_gap_what_was_deleted_in_it_is_removed_and_reported() -> None:
    server = FakeCluster()
    for name in "abc":
        server.put(SERVICES, name, colour="red")
    async with following(server) as followed:
        server.cut()
        server.drop(SERVICES, "a")
        server.put(SERVICES, "b", colour="blue")
        server.put(SERVICES, "d", colour="red")
        server.compact()
        await until(lambda: followed.colours == {"b": "blue", "c": "red", "d": "red"})
        assert followed.changes[3:] == [
            ("b", "red", "blue"),
            ("d", None, "red"),
            ("a", "red", None),
        ]


async def test_a_server_that_does_not_answer_is_asked_again() -> None:
    server = FakeCluster()
    server.fail = [UnreachableError("refused"), UnreachableError("refused")]
    server.put(SERVICES, "a", colour="red")
    async with following(server) as followed:
        assert followed.colours == {"a": "red"}


async def test_an_object_that_stays_the_same_to_us_is_not_reported() -> None:
    server = FakeCluster()
    server.put(SERVICES, "a", colour="red", heartbeat=1)
    async with following(server) as followed:
        server.put(SERVICES, "a", colour="red", heartbeat=2)
        server.put(SERVICES, "b", colour="red")
        await until(lambda: "b" in followed.colours)
        assert followed.changes == [("a", None, "red"), ("b", None, "red")]


async def test_an_object_that_stops_to_concern_us_is_removed() -> None:
    server = FakeCluster()
    server.put(SERVICES, "a", colour="red")
    async with following(server) as followed:
        server.put(SERVICES, "a")
        await until(lambda: not followed.colours)
        assert followed.changes[-1] == ("a", "red", None)


async def test_our_own_write_is_seen_at_once_and_never_undone_by_the_late_watch() -> None:
    server = FakeCluster()
    async with following(server) as followed:
        first = server.put(SERVICES, "a", colour="red")
        second = server.put(SERVICES, "a", colour="blue")
        followed.informer.observe(second)
        assert followed.colours == {"a": "blue"}
        server.put(SERVICES, "b", colour="red")
        await until(lambda: "b" in followed.colours)
        followed.informer.observe(first)
        assert [change for change in followed.changes if change[0] == "a"] == [("a", None, "blue")]


async def test_the_answer_to_a_write_does_not_bring_back_what_is_deleted_since() -> None:
    server = FakeCluster()
    async with following(server) as followed:
        written = server.put(SERVICES, "a", colour="red")
        server.drop(SERVICES, "a")
        server.put(SERVICES, "b", colour="red")
        await until(lambda: "b" in followed.colours)
        followed.informer.observe(written)
        assert followed.colours == {"b": "red"}


async def test_an_object_made_anew_is_not_removed_by_the_end_of_its_predecessor() -> None:
    server = FakeCluster()
    server.put(SERVICES, "a", colour="red")
    async with following(server) as followed:
        server.drop(SERVICES, "a")
        followed.informer.observe(server.put(SERVICES, "a", colour="blue"))
        server.put(SERVICES, "b", colour="red")
        await until(lambda: "b" in followed.colours)
        assert followed.colours == {"a": "blue", "b": "red"}


def test_the_index_finds_what_is_there_and_forgets_what_was() -> None:
    def raw(name: str, version: int, colour: str) -> Raw:
        metadata = {"namespace": "default", "name": name, "resourceVersion": str(version)}
        return {"metadata": metadata, "colour": colour}

    cache = Cache[str](lambda found: found["colour"], lambda *_: None, lambda colour: [colour])
    cache.put(raw("b", 1, "red"))
    cache.put(raw("a", 2, "red"))
    assert cache.where("red") == ["red", "red"]
    cache.put(raw("a", 3, "blue"))
    cache.remove(("default", "b"), 4)
    assert (cache.where("red"), cache.where("blue")) == ([], ["blue"])
