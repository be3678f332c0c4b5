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
from tierfleet.kube.cluster import Cluster, ClusterError, ForbiddenError
from tierfleet.kube.resources import DEPLOYMENTS, POOLS, Raw, ResourceType, key_of

POOL: Key = (raws.NAMESPACE, "llama")


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


class World:
    """A node with two devices, and an operator that leads, whose controllers are run by hand."""

    def __init__(self, verb: str, name: str, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self.server = Interrupted((verb, (raws.NAMESPACE, name)), meanwhile)
        cluster, nobody = cast("Cluster", self.server), cast("Asks", None)
        self.operator = Operator(cluster, [raws.NAMESPACE], "test", nobody, lambda: raws.NOW)
        self.operator.leads = True
        self.store = self.operator.store
        self.store.policies.put(raws.policy())
        self.store.nodes.put(raws.node("n", 2))

    async def grant(self) -> None:
        devices = self.operator._devices
        await devices.reconcile(min(devices.members(POOL)))

    async def reconcile(self) -> Result:
        return await self.operator._reconciles_pools.reconcile(POOL)

    def planned(self) -> Planned | None:
        return self.operator._reconciles_pools.planned(POOL)


async def test_devices_that_another_pool_got_while_tokens_were_asked_for_are_not_asked_for() -> (
    None
):
    async def meanwhile() -> None:
        first = raws.pool("first", 2)
        first["spec"]["placementWeight"] = 9
        world.store.pools.put(first)
        await world.grant()

    world = World("get", "llama-tokens", meanwhile)
    world.store.pools.put(raws.pool("llama", 2))
    await world.grant()
    again = await world.reconcile()
    assert isinstance(again, Retry)
    assert str(again.why) == "it would be accepted"
    assert world.server.came
    assert world.server.replicas("llama-gpu") == 0


@pytest.mark.parametrize("name", ["llama-plan-f", "llama"])
async def test_a_term_that_begins_is_not_missed_while_something_cannot_be_written(
    name: str,
) -> None:
    """A part of the plan, without which nothing goes on; the Service, which is told of."""

    async def meanwhile() -> None:
        raise ForbiddenError("a rule forbids it", 403)

    world = World("apply", name, meanwhile)
    world.store.pools.put(raws.pool("llama", 2))
    start = raws.NOW + timedelta(minutes=2)
    world.store.reservations.put(raws.reservation("acme", "llama", {"start": start.isoformat()}))
    await world.grant()
    again = await world.reconcile()
    assert world.server.came
    assert isinstance(again, Retry)
    assert again.by == RequeueAfter(120)


async def test_what_was_planned_of_a_pool_that_ended_meanwhile_is_not_told_of_the_next_one() -> (
    None
):
    async def meanwhile() -> None:
        world.store.pools.put(raws.pool("llama", 2, uid="uid-next"))

    world = World("apply", "llama-gpu", meanwhile)
    world.store.pools.put(raws.pool("llama", 2))
    await world.grant()
    await world.reconcile()
    assert world.server.came
    assert world.server.replicas("llama-gpu") == 2
    assert world.server.statuses == []
    assert world.planned() is None
