"""The world changes while a pool is being reconciled."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from tests.unit.controllers import raws
from tests.unit.controllers.server import Applying
from tierfleet.api import Key
from tierfleet.controllers.operator import Operator
from tierfleet.controllers.pool import Planned
from tierfleet.controllers.replicas import Asks
from tierfleet.controllers.worker import RequeueAfter, Result, Retry
from tierfleet.kube.cluster import Cluster, ClusterError, ForbiddenError, UnreachableError
from tierfleet.kube.resources import DEPLOYMENTS, POOLS, Raw, ResourceType, key_of

POOL: Key = (raws.NAMESPACE, "llama")
FIRST: Key = (raws.NAMESPACE, "first")


class Interrupted(Applying):
    """Calls `meanwhile` once, while the first request of that kind is under way."""

    def __init__(self, what: tuple[str, Key], meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.what, self.meanwhile = what, meanwhile
        self.came = False
        self.statuses: list[Key] = []

    async def get(self, type_: ResourceType, key: Key) -> Raw:
        await self._asked("get", key)
        if type_ == POOLS:
            return raws.pool(key[1], 2)
        return await super().get(type_, key)

    async def apply(self, type_: ResourceType, body: Raw, **more: Any) -> Raw:
        await self._asked("apply", key_of(body))
        if more.get("status"):
            self.statuses.append(key_of(body))
            raise ClusterError("it would be accepted", 500)
        return await super().apply(type_, body, **more)

    async def _asked(self, verb: str, key: Key) -> None:
        if self.what == (verb, key) and not self.came:
            self.came = True
            await self.meanwhile()

    def replicas(self, deployment: str) -> int | None:
        found = self._objects.get((DEPLOYMENTS, (raws.NAMESPACE, deployment)))
        return None if found is None else found["spec"]["replicas"]


class Deaf(Interrupted):
    """No answer comes to that request, which is done or not."""

    def __init__(self, what: tuple[str, Key], *, done: bool) -> None:
        super().__init__(what, self._lost)
        self.done = done

    async def _lost(self) -> None:
        if not self.done:
            raise UnreachableError("The server did not answer in time.")

    async def apply(self, type_: ResourceType, body: Raw, **more: Any) -> Raw:
        came = self.came
        answer = await super().apply(type_, body, **more)
        if self.came and not came:
            raise UnreachableError("The server did not answer in time.")
        return answer


class World:
    """A node with two devices, and an operator that leads, whose controllers are run by hand."""

    def __init__(self, server: Interrupted) -> None:
        self.server = server
        cluster, nobody = cast("Cluster", self.server), cast("Asks", None)
        self.operator = Operator(cluster, [raws.NAMESPACE], "test", nobody, lambda: raws.NOW)
        self.operator.leads = True
        self.store = self.operator.store
        self.store.policies.put(raws.policy())
        self.store.nodes.put(raws.node("n", 2))

    async def grant(self) -> None:
        devices = self.operator._devices
        await devices.reconcile(min(devices.members(POOL)))

    async def reconcile(self, pool: Key = POOL) -> Result:
        return await self.operator._reconciles_pools.reconcile(pool)

    def wakes(self, pool: Key) -> bool:
        """Whether the pool is looked at next; all that are, are taken."""
        queue, found = self.operator._pools.queue, set[Key]()
        while (taken := queue.take(0)) is not None:
            found.add(taken[0])
            queue.done(taken[0])
        return pool in found

    def planned(self) -> Planned | None:
        return self.operator._reconciles_pools.planned(POOL)


def interrupted(verb: str, name: str, meanwhile: Callable[[], Awaitable[None]]) -> World:
    """A world whose API server calls `meanwhile` while it is asked for that."""
    return World(Interrupted((verb, (raws.NAMESPACE, name)), meanwhile))


async def test_devices_that_another_pool_got_while_tokens_were_asked_for_are_not_asked_for() -> (
    None
):
    async def meanwhile() -> None:
        first = raws.pool("first", 2)
        first["spec"]["placementWeight"] = 9
        world.store.pools.put(first)
        await world.grant()

    world = interrupted("get", "llama-tokens", meanwhile)
    world.store.pools.put(raws.pool("llama", 2))
    await world.grant()
    again = await world.reconcile()
    assert isinstance(again, Retry)
    assert str(again.why) == "it would be accepted"
    assert world.server.came
    assert world.server.replicas("llama-gpu") == 0


BEGINS = timedelta(minutes=2)
ACME = raws.reservation("acme", "llama", {"start": (raws.NOW + BEGINS).isoformat()})


@pytest.mark.parametrize(
    ("verb", "name"), [("get", "llama-tokens"), ("apply", "llama-plan-f"), ("apply", "llama")]
)
async def test_a_term_that_begins_is_not_missed_while_something_cannot_be_read_or_written(
    verb: str, name: str
) -> None:
    """The tokens, before anything is planned; a part of the plan, without which nothing goes on;
    the Service, which is told of."""

    async def meanwhile() -> None:
        raise ForbiddenError("a rule forbids it", 403)

    world = interrupted(verb, name, meanwhile)
    world.store.pools.put(raws.pool("llama", 2))
    world.store.reservations.put(ACME)
    await world.grant()
    again = await world.reconcile()
    assert world.server.came
    assert isinstance(again, Retry)
    assert again.by == RequeueAfter(BEGINS.total_seconds())


async def test_nor_while_nobody_says_what_has_become_of_a_deployment() -> None:
    about = (raws.NAMESPACE, "llama-gpu")
    world = World(Deaf(("apply", about), done=False))
    world.store.pools.put(raws.pool("llama", 2))
    world.store.reservations.put(ACME)
    await world.grant()
    await world.reconcile()
    world.server.what, world.server.came = ("get", about), False
    again = await world.reconcile()
    assert world.server.came
    assert isinstance(again, Retry)
    assert again.by == RequeueAfter(BEGINS.total_seconds())


async def test_what_was_planned_of_a_pool_that_ended_meanwhile_is_not_told_of_the_next_one() -> (
    None
):
    async def meanwhile() -> None:
        world.store.pools.put(raws.pool("llama", 2, uid="uid-next"))

    world = interrupted("apply", "llama-gpu", meanwhile)
    world.store.pools.put(raws.pool("llama", 2))
    await world.grant()
    await world.reconcile()
    assert world.server.came
    assert world.server.replicas("llama-gpu") == 2
    assert world.server.statuses == []
    assert world.planned() is None


@pytest.mark.parametrize("done", [True, False])
async def test_a_deployment_that_may_have_been_written_counts_until_somebody_has_looked(
    done: bool,
) -> None:
    """No watch runs here, so nothing else tells of it."""
    world = World(Deaf(("apply", (raws.NAMESPACE, "llama-gpu")), done=done))
    world.store.pools.put(raws.pool("llama", 2))
    await world.grant()
    again = await world.reconcile()
    assert isinstance(again, Retry)
    assert str(again.why) == "The server did not answer in time."
    assert world.server.replicas("llama-gpu") == (2 if done else None)

    # The devices are another pool's now, which must not ask for them yet.
    first = raws.pool("first", 2)
    first["spec"]["placementWeight"] = 9
    world.store.pools.put(first)
    await world.grant()
    await world.reconcile(FIRST)
    assert world.server.replicas("first-gpu") == 0
    world.wakes(FIRST)

    await world.reconcile()
    assert world.server.replicas("llama-gpu") == 0
    await world.grant()
    assert world.wakes(FIRST)
    await world.reconcile(FIRST)
    assert world.server.replicas("first-gpu") == 2
