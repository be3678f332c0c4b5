"""Grants as the world changes: who is told, who has to wait, and for how long."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.controllers import raws
from tierfleet.api import InferencePool, Key
from tierfleet.controllers.devices import Devices
from tierfleet.controllers.store import Store
from tierfleet.controllers.worker import DONE, RequeueAfter, Result
from tierfleet.kube.resources import DEPLOYMENTS, SECRETS, Raw


class Fleet:
    """Pools that share H100 nodes, whom the grants woke, and a clock."""

    def __init__(self, *nodes: Raw) -> None:
        self.now = raws.NOW
        self.store: Store = raws.store()
        self.store.clock = lambda: self.now
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

    def deployed(self, name: str, replicas: int, on: str = "gpu", product: str = raws.H100) -> None:
        self.store.observe(DEPLOYMENTS, raws.deployment(name, replicas, on, product))

    def ceiling(self, name: str, on: str = "gpu") -> int | None:
        return self.devices.ceiling(self.pool(name), on)

    def grant(self, name: str) -> Result:
        group = self.devices.group((raws.NAMESPACE, name))
        assert group is not None
        return asyncio.run(self.devices.reconcile(group))

    def granted(self, name: str) -> int | None:
        placement = self.devices.granted(self.pool(name))
        return placement.total if placement else None

    def placed(self, name: str) -> str:
        placement = self.devices.granted(self.pool(name))
        return placement.summary if placement else ""

    def at(self, name: str, seconds: int) -> tuple[str, Result]:
        """Where the pool is placed so long after the beginning, and when to look again."""
        self.now = raws.NOW + timedelta(seconds=seconds)
        again = self.grant(name)
        return self.placed(name), again


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
    assert fleet.ceiling("b") == 0
    assert fleet.devices.holder(fleet.pool("b"), "gpu") == (raws.NAMESPACE, "a")
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
    with fleet.devices.writing(fleet.pool("a"), placement):
        fleet.add("a", 0, generation=2)
        fleet.add("b", 2)
        fleet.grant("b")
        assert fleet.devices.ceiling(fleet.pool("b"), "gpu") == 0
    assert fleet.devices.ceiling(fleet.pool("b"), "gpu") is None


def on_b200(name: str, replicas: int, accelerator: str) -> Raw:
    """The pool as it is after H100s were taken out of its spec."""
    raw = raws.pool(name, replicas, product="B200", generation=2)
    raw["spec"]["accelerators"][0]["name"] = accelerator
    return raw


def fleet_that_has_changed_its_mind(accelerator: str) -> Fleet:
    """Pool a asked for H100s, has got none, and wants B200s now; b was granted the H100s."""
    fleet = Fleet(raws.node("n", 2), raws.node("other", 2, product="B200"))
    fleet.add("a", 2)
    fleet.grant("a")
    fleet.deployed("a", 2)
    fleet.store.pools.put(on_b200("a", 2, accelerator))
    fleet.add("b", 2)
    fleet.grant("b")
    assert (fleet.placed("a"), fleet.placed("b")) == (f"{accelerator}:2", "gpu:2")
    return fleet


@pytest.mark.parametrize("accelerator", ["fast", "gpu"])
def test_what_was_taken_out_of_a_spec_counts_as_long_as_a_deployment_asks_for_it(
    accelerator: str,
) -> None:
    """Also if the accelerator has its name still, and is another one."""
    fleet = fleet_that_has_changed_its_mind(accelerator)
    assert fleet.ceiling("b") == 0
    fleet.woken.clear()
    fleet.deployed("a", 0)
    fleet.grant("b")
    assert fleet.woken == ["b"], "who had to wait is told"
    assert fleet.ceiling("b") is None


def test_what_was_taken_out_of_a_spec_and_runs_has_its_devices_and_holds_nobody_up() -> None:
    """Of a pool that is not accepted it may run for long."""
    fleet = Fleet(raws.node("n", 3), raws.node("other", 2, product="B200"))
    fleet.add("a", 2)
    fleet.grant("a")
    fleet.deployed("a", 2)
    fleet.store.pools.put(on_b200("a", 2, "fast"))
    fleet.add("b", 2)
    for pod in ("one", "two"):
        fleet.store.pods.put(a_replica(pod))
    fleet.grant("b")
    assert (fleet.granted("b"), fleet.ceiling("b")) == (1, None)
    # One is deleted, and its successor is not bound yet.
    fleet.store.pods.put(a_replica("one", deletionTimestamp="2026-11-01T00:00:30Z"))
    assert fleet.ceiling("b") == 0


def a_replica(name: str, **metadata: str) -> Raw:
    """A pod of pool a that holds a device of node n."""
    raw = raws.pod("a", name)
    raw["spec"]["containers"] = [{"resources": {"requests": {"nvidia.com/gpu": "1"}}}]
    return raw | {"metadata": raw["metadata"] | metadata}


def test_an_accelerator_that_is_called_otherwise_is_asked_for_once() -> None:
    fleet = Fleet(raws.node("n", 2))
    fleet.add("a", 2)
    fleet.grant("a")
    fleet.deployed("a", 2)
    renamed = raws.pool("a", 2, generation=2)
    renamed["spec"]["accelerators"][0]["name"] = "h100"
    fleet.store.pools.put(renamed)
    fleet.grant("a")
    assert fleet.placed("a") == "h100:2"
    assert fleet.ceiling("a", "h100") == 0
    assert fleet.devices.holder(fleet.pool("a"), "h100") == (raws.NAMESPACE, "a")
    fleet.deployed("a", 0)
    assert fleet.ceiling("a", "h100") is None


def test_who_waits_for_what_was_being_written_is_told_when_that_ends_without_a_trace() -> None:
    """No Deployment says so, if it failed before it came to any."""
    fleet = Fleet(raws.node("n", 2))
    fleet.add("a", 2)
    fleet.grant("a")
    placement = fleet.devices.granted(fleet.pool("a"))
    assert placement is not None
    with fleet.devices.writing(fleet.pool("a"), placement):
        fleet.add("a", 0, generation=2)
        fleet.add("b", 2)
        fleet.grant("b")
        assert fleet.ceiling("b") == 0
        fleet.woken.clear()
    assert fleet.woken == ["b"]


def test_two_that_wait_for_a_third_do_not_wake_each_other_for_ever() -> None:
    fleet = Fleet(raws.node("n", 2))
    fleet.add("third", 2)
    fleet.grant("third")
    fleet.deployed("third", 2)
    fleet.add("third", 0, generation=2)
    fleet.add("a", 1)
    fleet.add("b", 1)
    fleet.grant("a")
    fleet.woken.clear()
    for name in ("a", "b", "a", "b"):
        placement = fleet.devices.granted(fleet.pool(name))
        assert placement is not None
        with fleet.devices.writing(fleet.pool(name), placement):
            assert fleet.ceiling(name) == 0
    assert fleet.woken == []


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


FAST: Raw = {"name": "fast", "products": ["B200"]}
MINUTE = 60


def fleet_that_would_rather_be_fast() -> Fleet:
    """A pool whose replica runs on an accelerator that it likes less than `fast`."""
    fleet = Fleet(raws.node("slow", 1))
    fleet.store.pools.put(choosy())
    fleet.devices.regroup()
    fleet.grant("a")
    fleet.deployed("a", 1)
    return fleet


def choosy(**more: Any) -> Raw:
    raw = raws.pool("a", 1, **more)
    raw["spec"]["accelerators"].insert(0, FAST)
    return raw


def test_replicas_move_once_there_has_been_room_for_five_whole_minutes() -> None:
    fleet = fleet_that_would_rather_be_fast()
    assert fleet.at("a", 0) == ("gpu:1", DONE)
    fleet.store.nodes.put(raws.node("fast", 1, product="B200"))
    assert fleet.at("a", 0) == ("gpu:1", RequeueAfter(5 * MINUTE))
    assert fleet.at("a", 4 * MINUTE) == ("gpu:1", RequeueAfter(1 * MINUTE)), "it goes on counting"
    assert fleet.at("a", 5 * MINUTE - 1) == ("gpu:1", RequeueAfter(1))
    fleet.woken.clear()
    assert fleet.at("a", 5 * MINUTE) == ("fast:1", DONE)
    assert fleet.woken == ["a"]


def test_room_that_goes_before_that_moves_nothing_and_is_waited_for_anew() -> None:
    fleet = fleet_that_would_rather_be_fast()
    fleet.store.nodes.put(raws.node("fast", 1, product="B200"))
    assert fleet.at("a", 0) == ("gpu:1", RequeueAfter(5 * MINUTE))
    fleet.store.nodes.remove(("", "fast"), 10**9)
    assert fleet.at("a", 4 * MINUTE) == ("gpu:1", DONE)
    fleet.store.nodes.put(raws.node("fast", 1, product="B200"))
    assert fleet.at("a", 6 * MINUTE) == ("gpu:1", RequeueAfter(5 * MINUTE))
    assert fleet.at("a", 11 * MINUTE - 1) == ("gpu:1", RequeueAfter(1))
    assert fleet.at("a", 11 * MINUTE) == ("fast:1", DONE)


def test_what_has_moved_is_done_with_and_the_next_time_counts_anew() -> None:
    fleet = fleet_that_would_rather_be_fast()
    fleet.store.nodes.put(raws.node("fast", 1, product="B200"))
    fleet.at("a", 0)
    assert fleet.at("a", 5 * MINUTE) == ("fast:1", DONE)
    fleet.deployed("a", 1, on="fast", product="B200")
    fleet.deployed("a", 0)
    assert fleet.at("a", 6 * MINUTE) == ("fast:1", DONE)
    # It is driven away, and there is room again at once.
    fleet.deployed("a", 0, on="fast", product="B200")
    fleet.deployed("a", 1)
    assert fleet.at("a", 7 * MINUTE) == ("gpu:1", RequeueAfter(5 * MINUTE))


def test_a_pool_that_takes_the_name_of_one_that_is_gone_counts_anew() -> None:
    fleet = fleet_that_would_rather_be_fast()
    fleet.store.nodes.put(raws.node("fast", 1, product="B200"))
    fleet.at("a", 0)
    key = (raws.NAMESPACE, "a")
    before = fleet.pool("a")
    fleet.store.pools.remove(key, 10**9)
    fleet.devices.forget(key)
    assert fleet.devices.granted(before) is None
    fleet.store.pools.put(choosy())
    assert fleet.at("a", 5 * MINUTE) == ("gpu:1", RequeueAfter(5 * MINUTE))


def test_what_another_group_waits_for_is_no_reason_to_look_again() -> None:
    fleet = fleet_that_would_rather_be_fast()
    fleet.store.nodes.put(raws.node("fast", 1, product="B200"))
    fleet.add("b", 1, product="L40S")
    assert fleet.at("a", 0) == ("gpu:1", RequeueAfter(5 * MINUTE))
    assert fleet.at("b", 0) == ("none", DONE)


def test_a_group_is_looked_at_again_when_a_term_comes_into_sight_and_when_it_ends() -> None:
    """Whoever scales the pool: 30 minutes are what an engine has to load by default."""
    fleet = Fleet(raws.node("n", 3))
    fleet.add("a", 1)
    fleet.add("b", 1)
    fleet.store.reservations.put(raws.reservation("acme", "b", {}))
    contract = {
        "uid": "uid-acme",
        "name": "acme",
        "tenants": ["acme"],
        "declared": {"percent": 10},
        "granted": 0,
        "rank": 0,
        "acceptedAt": raws.NOW.isoformat(),
        "maxWaitMilliseconds": 100,
        "term": {
            "start": (raws.NOW + timedelta(minutes=90)).isoformat(),
            "end": (raws.NOW + timedelta(minutes=120)).isoformat(),
        },
    }
    fleet.store.observe(SECRETS, raws.index("b", version="1", reservations=[contract]))
    assert fleet.at("a", 0)[1] == RequeueAfter(60 * MINUTE)
    assert fleet.at("a", 60 * MINUTE)[1] == RequeueAfter(60 * MINUTE)
    assert fleet.at("a", 120 * MINUTE)[1] == DONE
