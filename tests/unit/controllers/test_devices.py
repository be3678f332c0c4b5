import asyncio
from typing import Any

from tests.unit.controllers import raws
from tierfleet.api import InferencePool, Key
from tierfleet.controllers.devices import Devices
from tierfleet.controllers.store import Store
from tierfleet.kube.resources import DEPLOYMENTS, Raw


class Fleet:
    """Pools that share H100 nodes, and whom the grants woke."""

    def __init__(self, *nodes: Raw) -> None:
        self.store: Store = raws.store()
        self.woken: list[str] = []
        self.devices = Devices(self.store, lambda key: self.woken.append(key[1]))
        self.store.policies.put(raws.policy())
        for node in nodes:
            self.store.nodes.put(node)

    def add(self, name: str, replicas: int, **more: Any) -> InferencePool:
        self.store.pools.put(raws.pool(name, replicas, **more))
        self.devices.regroup()
        return self.pool(name)

    def pool(self, name: str) -> InferencePool:
        own = self.store.pools.get((raws.NAMESPACE, name))
        assert own is not None
        return own.object

    def deployed(self, name: str, replicas: int) -> None:
        self.store.observe(DEPLOYMENTS, raws.deployment(name, replicas))

    def grant(self, name: str) -> None:
        group = self.devices.group((raws.NAMESPACE, name))
        assert group is not None
        asyncio.run(self.devices.reconcile(group))

    def granted(self, name: str) -> int | None:
        placement = self.devices.granted(self.pool(name))
        return placement.total if placement else None


def test_pools_of_a_group_are_granted_at_once_and_woken() -> None:
    fleet = Fleet(raws.node("n", 3))
    fleet.add("a", 2)
    fleet.add("b", 2)
    fleet.grant("b")
    assert (fleet.granted("a"), fleet.granted("b")) == (2, 1)
    assert fleet.woken == ["a", "b"]
    fleet.grant("a")
    assert fleet.woken == ["a", "b"], "an equal grant wakes nobody"


def test_a_grant_is_for_the_spec_that_asked_for_it() -> None:
    fleet = Fleet(raws.node("n", 3))
    fleet.add("a", 2)
    fleet.grant("a")
    fleet.add("a", 3, generation=2)
    assert fleet.granted("a") is None
    fleet.grant("a")
    assert fleet.granted("a") == 3


def test_pools_on_other_products_are_in_groups_of_their_own() -> None:
    fleet = Fleet(raws.node("n", 3), raws.node("other", 1, product="B200"))
    fleet.add("a", 1)
    fleet.add("c", 1)
    fleet.store.pools.put(raws.pool("b", 1, product="B200"))
    fleet.devices.regroup()
    key: Key = (raws.NAMESPACE, "b")
    assert fleet.devices.members(key) == {key}
    node = fleet.store.nodes.get(("", "other"))
    assert node is not None
    assert fleet.devices.groups_on(node) == {key}


def test_a_node_that_has_the_products_of_two_groups_makes_them_one() -> None:
    fleet = Fleet()
    fleet.add("a", 2)
    cloud = "cloud.example.com/accelerator"
    raw = raws.pool("b", 2, product="h100")
    raw["spec"]["accelerators"][0]["productLabel"] = cloud
    fleet.store.pools.put(raw)
    fleet.devices.regroup()
    a, b = (raws.NAMESPACE, "a"), (raws.NAMESPACE, "b")
    assert fleet.devices.members(a) == {a}
    both = raws.node("n", 2)
    both["metadata"]["labels"][cloud] = "h100"
    fleet.store.nodes.put(both)
    node = fleet.store.nodes.get(("", "n"))
    assert node is not None
    assert fleet.devices.groups_on(node) == {a}
    assert fleet.devices.members(b) == {a, b}
    fleet.grant("b")
    assert (fleet.granted("a"), fleet.granted("b")) == (2, 0)
    # What a is granted no more has to be given up before b grows on it.
    fleet.deployed("a", 2)
    fleet.add("a", 0, generation=2)
    fleet.grant("b")
    assert (fleet.granted("b"), fleet.devices.ceiling(fleet.pool("b"), "gpu")) == (2, 0)


def test_nobody_grows_on_a_product_before_others_have_given_up_what_they_lost() -> None:
    fleet = Fleet(raws.node("n", 2))
    fleet.add("a", 2)
    fleet.grant("a")
    fleet.deployed("a", 2)
    # The pods of a are not bound yet, and b comes first from now on.
    fleet.add("a", 0, generation=2)
    fleet.add("b", 2)
    fleet.grant("b")
    assert (fleet.granted("a"), fleet.granted("b")) == (0, 2)
    assert fleet.devices.ceiling(fleet.pool("b"), "gpu") == 0
    fleet.woken.clear()
    fleet.deployed("a", 0)
    fleet.grant("b")
    assert fleet.woken == ["b"], "who had to wait is told"
    assert fleet.devices.ceiling(fleet.pool("b"), "gpu") is None


def test_what_is_being_written_counts_as_long_as_it_is() -> None:
    fleet = Fleet(raws.node("n", 2))
    fleet.add("a", 2)
    fleet.grant("a")
    placement = fleet.devices.granted(fleet.pool("a"))
    assert placement is not None
    with fleet.devices.writing((raws.NAMESPACE, "a"), placement):
        fleet.add("a", 0, generation=2)
        fleet.add("b", 2)
        fleet.grant("b")
        assert fleet.devices.ceiling(fleet.pool("b"), "gpu") == 0
    assert fleet.devices.ceiling(fleet.pool("b"), "gpu") is None


def test_a_pool_that_is_gone_holds_nothing() -> None:
    fleet = Fleet(raws.node("n", 2))
    fleet.add("a", 2)
    fleet.add("b", 2)
    fleet.grant("a")
    assert fleet.granted("b") == 0
    fleet.store.pools.remove((raws.NAMESPACE, "a"), 10**9)
    fleet.devices.regroup()
    fleet.grant("b")
    assert fleet.granted("b") == 2
