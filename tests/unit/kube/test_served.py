"""Objects of a type that a cluster may not have."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.unit.kube.fake import FakeCluster, until
from tierfleet.kube.cache import Cache
from tierfleet.kube.cluster import UnreachableError
from tierfleet.kube.informers import Informer
from tierfleet.kube.resources import DEFINITIONS, GATEWAY_POOLS, Key, Raw, definition_of
from tierfleet.kube.served import WhileServed

NAME = definition_of(GATEWAY_POOLS)
THERE: Raw = {"status": {"conditions": [{"type": "Established", "status": "True"}]}}


def versions(*served: str) -> Raw:
    return {"spec": {"versions": [{"name": v, "served": v in served} for v in ("v1", "v1alpha2")]}}


class Followed:
    """The fake, what is kept of it, and how often it was told that the type came or went."""

    def __init__(self) -> None:
        self.fake = FakeCluster()
        self.kept = Cache[str](lambda raw: raw["metadata"]["name"], self._changed)
        self.lost: list[Key] = []
        self.told = 0
        informer = Informer(self.fake, GATEWAY_POOLS, self.kept)
        self.follows = WhileServed(self.fake, GATEWAY_POOLS, informer, self._tell)

    def _changed(self, key: Key, _: str | None, new: str | None) -> None:
        if new is None:
            self.lost.append(key)

    def _tell(self) -> None:
        self.told += 1

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.follows.run())
        try:
            await self.follows.synced()
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def world() -> Followed:
    return Followed()


async def test_a_type_that_is_not_there_costs_one_list_and_one_watch(world: Followed) -> None:
    world.fake.put(GATEWAY_POOLS, "llama")
    async with world.running():
        await until(lambda: world.fake.opened() == 1)
        assert not world.follows.served
        assert len(world.kept) == 0
    assert [request.split()[0] for request in world.fake.requests] == ["list", "watch"]
    assert world.told == 0


async def test_what_is_there_from_the_beginning_is_known_once_it_is_synced(
    world: Followed,
) -> None:
    world.fake.put(DEFINITIONS, NAME, **THERE, **versions("v1"))
    world.fake.put(GATEWAY_POOLS, "llama")
    async with world.running():
        assert world.follows.served
        assert len(world.kept) == 1


async def test_a_type_that_comes_is_followed_and_forgotten_when_it_goes_and_followed_anew(
    world: Followed,
) -> None:
    async with world.running():
        for turn in (1, 3):
            world.fake.put(DEFINITIONS, NAME, **THERE, **versions("v1"))
            world.fake.put(GATEWAY_POOLS, "llama")
            await until(lambda: len(world.kept) == 1)
            assert (world.follows.served, world.told) == (True, turn)
            world.fake.drop(DEFINITIONS, NAME)
            await until(lambda: len(world.kept) == 0)
            assert (world.follows.served, world.told) == (False, turn + 1)
    assert world.lost == [("default", "llama")] * 2


async def test_a_type_is_served_once_what_there_is_of_it_is_known(world: Followed) -> None:
    async with world.running():
        world.fake.put(GATEWAY_POOLS, "llama")
        world.fake.put(DEFINITIONS, NAME, **THERE, **versions("v1"))
        world.fake.fail.append(UnreachableError("The connection was reset."))
        await until(lambda: not world.fake.fail)
        assert (world.follows.served, world.told, len(world.kept)) == (False, 0, 0)
        await until(lambda: world.follows.served)
        assert (world.told, len(world.kept)) == (1, 1)


@pytest.mark.parametrize(
    "definition",
    [
        versions("v1"),
        {"status": {"conditions": None}} | versions("v1"),
        THERE | versions("v1alpha2"),
        THERE | versions(),
    ],
    ids=["without status", "not established", "another version", "not served"],
)
async def test_a_definition_is_not_enough(world: Followed, definition: Raw) -> None:
    world.fake.put(DEFINITIONS, NAME, **definition)
    async with world.running():
        assert not world.follows.served
