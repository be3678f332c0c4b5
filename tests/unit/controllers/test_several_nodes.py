"""What is known of replicas of several nodes, and whom a change of them concerns."""

import asyncio
import math
from typing import cast

import pytest

from tests.unit.controllers import raws
from tests.unit.kube.fake import FakeCluster
from tierfleet.api import Key
from tierfleet.controllers import child, facts
from tierfleet.controllers.claims import Claims
from tierfleet.controllers.devices import Devices
from tierfleet.controllers.operator import Operator
from tierfleet.controllers.replicas import Asks
from tierfleet.kube.cluster import Cluster, UnreachableError
from tierfleet.kube.resources import DEPLOYMENTS, GATEWAY_POOLS, LEADER_WORKER_SETS, Raw
from tierfleet.kube.workqueue import WorkQueue

POOL = (raws.NAMESPACE, "llama")


def pool(replicas: int = 1) -> Raw:
    """A pool on two nodes each."""
    raw = raws.pool("llama", replicas)
    raw["spec"]["accelerators"][0]["nodesPerReplica"] = 2
    return raw


def kept(**status: int) -> child.Child:
    """A LeaderWorkerSet of two replicas, as it is kept."""
    return child.project(LEADER_WORKER_SETS, raws.leader_worker_set("llama", 2, **status))


@pytest.mark.parametrize(
    ("status", "rolling", "outdated"),
    [
        ({}, False, 0),
        ({"updatedReplicas": 1}, True, 1),
        ({"readyReplicas": 1}, True, 0),
        ({"replicas": 3, "updatedReplicas": 2}, True, 1),
        ({"observedGeneration": 0}, True, 2),
    ],
)
def test_a_rollout_is_followed_in_whole_replicas(
    status: dict[str, int], rolling: bool, outdated: int
) -> None:
    found = kept(**status)
    assert (found.rolling, found.outdated) == (rolling, outdated)


def test_another_template_of_either_pod_replaces_all_and_another_number_none() -> None:
    raw = raws.leader_worker_set("llama", 2)
    for name in ("leaderTemplate", "workerTemplate"):
        other = {**raw["spec"]["leaderWorkerTemplate"], name: {"spec": {"hostNetwork": True}}}
        changed = raw | {"spec": raw["spec"] | {"leaderWorkerTemplate": other}}
        assert child.pods_stamp(changed) != child.pods_stamp(raw)
    fewer = raw | {"spec": raw["spec"] | {"replicas": 1}}
    assert child.pods_stamp(fewer) == child.pods_stamp(raw)
    assert child.stamp(fewer) != child.stamp(raw)


def test_replicas_are_counted_from_what_makes_them() -> None:
    store = raws.store()
    store.pools.put(pool())
    own = store.pools.get(POOL)
    assert own is not None
    store.observe(DEPLOYMENTS, raws.deployment("llama", 7))
    assert store.replicas_of(own.object) == {}
    store.observe(LEADER_WORKER_SETS, raws.leader_worker_set("llama", 2))
    assert store.replicas_of(own.object) == {"gpu": 2}


def test_what_they_ask_for_holds_back_whoever_would_take_it_until_it_is_given_up() -> None:
    store = raws.store()
    store.policies.put(raws.policy())
    for name in ("n1", "n2", "n3"):
        store.nodes.put(raws.node(name, 1))
    store.pools.put(pool(1))
    store.pools.put(raws.pool("other", 1))
    store.observe(LEADER_WORKER_SETS, raws.leader_worker_set("llama", 2))
    devices = Devices(store, lambda _: None)
    asyncio.run(devices.reconcile(min(devices.members(POOL))))
    other = store.pools.get((raws.NAMESPACE, "other"))
    assert other is not None
    assert devices.ceiling(other.object, "gpu") == 0
    store.observe(LEADER_WORKER_SETS, raws.leader_worker_set("llama", 0))
    assert devices.ceiling(other.object, "gpu") is None


async def test_a_write_that_was_not_answered_counts_until_somebody_has_looked() -> None:
    store = raws.store()
    store.pools.put(pool())
    own = store.pools.get(POOL)
    assert own is not None
    claims = Claims(store)
    manifest = raws.leader_worker_set("llama", 2)
    with pytest.raises(UnreachableError), claims.sending(POOL, manifest):
        raise UnreachableError("cut off")
    assert [claim.replicas for claim in claims.of(own.object)] == [2]
    (written,) = claims.unanswered(POOL)
    assert written == (LEADER_WORKER_SETS, (raws.NAMESPACE, "llama-gpu"))
    claims.answered(POOL, written)
    assert list(claims.of(own.object)) == []


def test_workers_are_known_to_whoever_plans_and_are_no_replicas() -> None:
    store = raws.store()
    store.pools.put(pool())
    store.pods.put(raws.pod("llama", "leads"))
    store.pods.put(raws.worker("llama", "works"))
    own = store.pools.get(POOL)
    assert own is not None
    for snapshot in (store.of_pool(own.object), store.of_group([own.object])):
        assert [pod.name for pod in snapshot.pods_of(POOL)] == ["leads"]
        (works,) = snapshot.workers_of(POOL)
        assert (works.name, works.accelerator) == ("works", "gpu")
        assert works.requests == {"nvidia.com/gpu": 1}
        assert not snapshot.leader_worker_sets


def test_files_of_a_cluster_say_the_same() -> None:
    leads, works = raws.pod("llama", "leads"), raws.worker("llama", "works")
    made = raws.leader_worker_set("llama", 2)
    made["metadata"]["labels"]["tierfleet.dev/accelerator"] = "gpu"
    documents = [
        pool() | {"apiVersion": "tierfleet.dev/v1alpha1"},
        *(raw | {"apiVersion": "v1", "kind": "Pod"} for raw in (leads, works)),
    ]
    found = facts.snapshot(documents, raws.NOW)
    assert found.replicas[POOL] == {"gpu": 1}
    assert found.leader_worker_sets
    documents.append(made | {"apiVersion": "leaderworkerset.x-k8s.io/v1"})
    assert facts.snapshot(documents, raws.NOW).replicas[POOL] == {"gpu": 2}


def test_a_change_of_a_worker_or_of_the_kind_concerns_the_pool_and_its_devices() -> None:
    cluster, nobody = cast("Cluster", FakeCluster()), cast("Asks", None)
    operator = Operator(cluster, [raws.NAMESPACE], "test", nobody, lambda: raws.NOW)
    operator.store.pools.put(pool())
    operator.store.pools.put(raws.pool("other", 1, "other"))
    operator.leads = True

    def woken() -> tuple[list[Key], list[Key]]:
        return _taken(operator._pools.queue), _taken(operator._groups.queue)

    operator.store.pods.put(raws.worker("llama", "works"))
    assert woken() == ([POOL], [POOL])
    operator.served(LEADER_WORKER_SETS)
    assert woken() == ([POOL], [POOL])
    operator.served(GATEWAY_POOLS)
    assert woken() == ([], [])


def _taken(queue: WorkQueue[Key]) -> list[Key]:
    """What waits, taken out."""
    keys = []
    while (found := queue.take(math.inf)) is not None:
        keys.append(found[0])
        queue.done(found[0])
    return keys
