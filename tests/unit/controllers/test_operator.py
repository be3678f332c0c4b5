"""What the edges of the caches make of a change, beside waking whom it concerns."""

import asyncio
from typing import cast

from tests.unit.controllers import raws
from tests.unit.kube.fake import FakeCluster
from tierfleet.api import InferencePool, Key
from tierfleet.controllers.operator import Operator
from tierfleet.controllers.replicas import Asks
from tierfleet.kube.cluster import Cluster
from tierfleet.kube.resources import DEPLOYMENTS
from tierfleet.planning.placement import Placement

POOL: Key = (raws.NAMESPACE, "llama")


class Leader:
    """An operator that leads, whose controllers are run by hand."""

    def __init__(self) -> None:
        cluster = cast("Cluster", FakeCluster())
        nobody = cast("Asks", None)
        self.operator = Operator(cluster, [raws.NAMESPACE], "test", nobody, lambda: raws.NOW)
        self.operator.leads = True
        self.operator.store.policies.put(raws.policy())
        self.operator.store.nodes.put(raws.node("n", 8))

    def put(self, name: str, **more: str) -> InferencePool:
        self.operator.store.pools.put(raws.pool(name, 1, **more))
        own = self.operator.store.pools.get((raws.NAMESPACE, name))
        assert own is not None
        return own.object

    def queued(self) -> set[Key]:
        """The groups that are looked at next, once they have been taken."""
        queue, found = self.operator._groups.queue, set[Key]()
        while (taken := queue.take(0)) is not None:
            found.add(taken[0])
            queue.done(taken[0])
        return found

    def grant(self) -> None:
        asyncio.run(self.operator._devices.reconcile(min(self.operator._devices.members(POOL))))

    def granted(self, pool: InferencePool) -> Placement | None:
        return self.operator._devices.granted(pool)


def test_a_grant_is_forgotten_when_the_end_of_its_pool_is_told_and_no_other() -> None:
    leader = Leader()
    llama, other = leader.put("llama"), leader.put("other")
    leader.grant()
    kept = leader.granted(other)
    assert kept is not None
    assert leader.granted(llama) is not None
    leader.operator.store.pools.remove(POOL, 10**9)
    assert leader.granted(llama) is None
    assert leader.granted(other) == kept


def test_a_pool_whose_predecessors_end_nobody_was_told_of_is_another_one() -> None:
    leader = Leader()
    before = leader.put("llama")
    leader.grant()
    after = leader.put("llama", uid="uid-after")
    assert (leader.granted(before), leader.granted(after)) == (None, None)


def test_a_pool_that_is_changed_or_about_to_go_keeps_its_grant() -> None:
    leader = Leader()
    llama = leader.put("llama")
    leader.grant()
    going = leader.put("llama", deletionTimestamp="2026-11-01T00:00:00Z")
    assert leader.granted(going) == leader.granted(llama) is not None


def test_the_end_of_a_deployment_tells_who_waits_for_what_its_pool_wants_no_more() -> None:
    leader = Leader()
    store, devices = leader.operator.store, leader.operator._devices
    leader.put("llama")
    before = raws.deployment("other", 1)
    store.observe(DEPLOYMENTS, before)
    leader.put("other")
    assert devices.members(POOL) == {POOL, (raws.NAMESPACE, "other")}
    store.pools.put(raws.pool("other", 1, product="B200", generation=2))
    assert devices.members(POOL) == {POOL, (raws.NAMESPACE, "other")}, "it asks for H100s still"
    leader.queued()
    store.observe(DEPLOYMENTS, raws.deployment("other", 1, "gpu", "B200"))
    assert devices.members(POOL) == {POOL}
    assert leader.queued() == {POOL, (raws.NAMESPACE, "other")}
