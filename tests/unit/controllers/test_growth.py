"""What one change takes does not depend on how many pools there are in other groups.

Unless a pool wants other products, or is new: that groups all pools again, for little each. Counted
in calls of Python functions, which are the same on every machine; `make bench-operator` measures
the time.
"""

import asyncio
import base64
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, cast

import pytest

from tests.unit.controllers import raws
from tests.unit.controllers.server import Applying
from tests.unit.kube.fake import until
from tierfleet.controllers import operator
from tierfleet.controllers.operator import Operator
from tierfleet.controllers.replicas import Asks
from tierfleet.kube.cluster import Cluster
from tierfleet.kube.resources import POLICIES, POOLS, RESERVATIONS, Raw, ResourceType, key_of

OF_A_GROUP = 4
MOST_CALLS = 60
"""For each pool of another group, when pools are grouped again."""

OWN = {type_.kind: type_ for type_ in (POOLS, POLICIES, RESERVATIONS)}


class Server(Applying):
    """It has our kinds too, and tells of their statuses."""

    def __init__(self) -> None:
        super().__init__()
        self.operator: Operator
        self.own: dict[tuple[ResourceType, str], Raw] = {}

    def give(self, raw: Raw, **spec: Any) -> None:
        """Somebody makes the object, or changes its spec."""
        found = raws.metadata(raw["metadata"]["name"])
        found["generation"] = raw["metadata"]["generation"] + bool(spec)
        self._tell_own(raw | {"metadata": found, "spec": raw["spec"] | spec})

    async def get(self, type_: ResourceType, key: tuple[str, str]) -> Raw:
        return self.own.get((type_, key[1])) or await super().get(type_, key)

    async def apply(self, type_: ResourceType, body: Raw, **more: Any) -> Raw:
        await asyncio.sleep(0)
        if type_ not in OWN.values():
            return await super().apply(type_, body, **more)
        self.requests.append("status")
        old = self.own[type_, key_of(body)[1]]
        version = raws.metadata("")["resourceVersion"]
        changed = {"metadata": old["metadata"] | {"resourceVersion": version}}
        return self._tell_own(old | changed | {"status": body["status"]})

    def _tell_own(self, raw: Raw) -> Raw:
        type_ = OWN[raw["kind"]]
        self.own[type_, raw["metadata"]["name"]] = raw
        self.operator.store.own[type_].put(raw)
        return raw


def tenant(name: str, policy: str) -> Raw:
    """A tenant of one key."""
    about = {"policy": policy, "tenant": name, "tier": "retail"}
    own = raws.metadata(name, labels={f"tierfleet.dev/{key}": what for key, what in about.items()})
    return {"metadata": own, "data": {"key": base64.b64encode(name.encode()).decode()}}


def contract(name: str) -> Raw:
    """One of the tenant with its pool, which all have the same name."""
    spec = {"poolRef": {"name": name}, "tenants": [name], "guarantee": {"percent": 10}}
    return {"kind": "CapacityReservation", "metadata": raws.metadata(name), "spec": spec}


class Fleet:
    """Groups of four pools of two replicas; a policy a group, a tenant and a contract a pool."""

    def __init__(self, groups: int) -> None:
        self.server = Server()
        self.operator = Operator(
            cast("Cluster", self.server), [raws.NAMESPACE], "test", cast("Asks", None)
        )
        self.server.operator = self.operator
        for group in range(groups):
            self._add(f"g{group}")

    def _add(self, group: str) -> None:
        store = self.operator.store
        self.server.give(raws.policy(group))
        for number in range(OF_A_GROUP):
            name = f"{group}-{number}"
            pool = raws.pool(name, 2, product=group)
            pool["spec"]["policyRef"] = {"name": group}
            pool["spec"]["accelerators"][0]["capacity"] = {"serviceTokensPerSecond": 1000}
            store.nodes.put(raws.node(f"n-{name}", 3, product=group))
            for replica in "ab":
                pod = raws.pod(name, f"{name}-{replica}")
                pod["spec"]["nodeName"] = f"n-{name}"
                store.pods.put(pod)
            store.tenants.put(tenant(name, group))
            self.server.give(pool)
            self.server.give(contract(name))

    async def quiet(self) -> None:
        """Return once nothing is left to look at."""
        mine = self.operator
        queues = [
            one.queue
            for one in (
                mine._groups,
                mine._pools,
                mine._policies,
                mine._reservations,
                mine._reports,
            )
        ]
        turns = itertools.count()
        last = 0

        def at_rest() -> bool:
            nonlocal last
            turn = next(turns)
            if any(len(queue) or queue.processing for queue in queues):
                last = turn
            return turn - last > OF_A_GROUP

        await until(at_rest)


@contextmanager
def counted() -> Iterator[list[str]]:
    """Every function of ours that is called; how often the event loop turns is chance."""
    calls: list[str] = []

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("tierfleet."):
            calls.append(frame.f_code.co_qualname)

    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@pytest.fixture(autouse=True)
def nothing_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "RESYNC_SECONDS", 1e9)


Change = Callable[[Server], None]


def other_disruption(server: Server) -> None:
    server.give(server.own[POOLS, "g0-1"], disruption={"maxUnavailable": 2})


def other_replicas(server: Server) -> None:
    server.give(server.own[POOLS, "g0-1"], replicas=3)


def other_burst(server: Server) -> None:
    server.give(server.own[RESERVATIONS, "g0-1"], burst={"windowMilliseconds": 1})


def other_product(server: Server) -> None:
    pool = server.own[POOLS, "g0-1"]
    (accelerator,) = pool["spec"]["accelerators"]
    server.give(pool, accelerators=[accelerator | {"products": ["another"]}])


def new_pool(server: Server) -> None:
    pool = raws.pool("new", 2, product="another")
    pool["spec"]["policyRef"] = {"name": "g0"}
    server.give(pool)


async def calls_of(*changes: Change, groups: int) -> tuple[int, int]:
    """Calls, and requests, that the changes take one after the other, all in one group."""
    fleet = Fleet(groups)
    lead = asyncio.create_task(fleet.operator.lead())
    try:
        await fleet.quiet()
        asked = len(fleet.server.requests)
        with counted() as calls:
            for change in changes:
                change(fleet.server)
                await fleet.quiet()
        return len(calls), len(fleet.server.requests) - asked
    finally:
        lead.cancel()


async def test_a_change_takes_the_same_whether_there_are_few_pools_or_many() -> None:
    changes = (other_disruption, other_burst, other_replicas)
    few, asked = await calls_of(*changes, groups=2)
    many, asked_by_many = await calls_of(*changes, groups=16)
    assert asked == asked_by_many >= 6, "the budget, the plan, a Deployment, three statuses"
    assert few > 1000, "something was done"
    assert many == few


@pytest.mark.parametrize("change", [other_product, new_pool])
async def test_what_groups_all_pools_again_takes_little_for_each(change: Change) -> None:
    few, asked = await calls_of(change, groups=2)
    many, asked_by_many = await calls_of(change, groups=16)
    assert asked == asked_by_many >= 2, "the plan, a status"
    assert few > 1000, "something was done"
    assert many - few <= MOST_CALLS * (16 - 2) * OF_A_GROUP
