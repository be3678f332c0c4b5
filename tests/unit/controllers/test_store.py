import base64
from datetime import timedelta

from tests.unit.controllers import raws
from tests.unit.kube.fake import FakeCluster
from tierfleet.controllers.own import STATUS_MANAGER
from tierfleet.controllers.store import Store
from tierfleet.kube.ownership import Foreign
from tierfleet.kube.resources import SECRETS, Raw
from tierfleet.planning.tenancy import Tenancy

POOL = (raws.NAMESPACE, "llama")


def test_the_record_of_promises_outlives_an_edit_and_a_deletion() -> None:
    store = raws.store()
    store.pools.put(raws.pool("llama", 1))
    assert store.recorded_of(POOL).version == ""
    store.observe(SECRETS, raws.index("llama", version="1"))
    assert store.recorded_of(POOL).version == "1"
    # Somebody else writes: the field is not ours any more.
    store.observe(SECRETS, raws.index("llama", manager="kubectl-edit", version="2"))
    assert store.recorded_of(POOL).version == "1"
    store.observe(SECRETS, raws.index("llama", version="3"))
    assert store.recorded_of(POOL).version == "3"
    store.forget(POOL)
    assert store.recorded_of(POOL).version == ""


def test_the_plans_that_replicas_may_run_are_kept_with_when_they_were_seen() -> None:
    now = [raws.NOW]
    store = Store(FakeCluster(), raws.Changes(), [raws.NAMESPACE], lambda: now[0])
    store.pools.put(raws.pool("llama", 1))
    for seconds, version in ((0, "1"), (60, "2"), (90, "2"), (100, "3")):
        now[0] = raws.NOW + timedelta(seconds=seconds)
        store.observe(SECRETS, raws.index("llama", version=version))
    kept = store.published_of(POOL)
    seen = [(one.plan.version, (one.since - raws.NOW).seconds) for one in kept]
    assert seen == [("1", 0), ("2", 60), ("3", 100)]
    assert len({one.number for one in kept}) == 3
    store.forget(POOL)
    assert store.published_of(POOL) == ()


def test_a_pool_inherits_nothing_from_one_that_had_its_name() -> None:
    store = raws.store()
    store.observe(SECRETS, raws.index("llama", "uid-before", version="1"))
    assert store.recorded_of(POOL).version == ""
    store.pools.put(raws.pool("llama", 1))
    assert store.recorded_of(POOL).version == ""
    store.observe(SECRETS, raws.index("llama", version="2"))
    assert store.recorded_of(POOL).version == "2"
    # What an end is not told of, as to an operator that stands by.
    store.forget_gone()
    assert store.recorded_of(POOL).version == "2"
    store.pools.remove(POOL, 10**9)
    store.forget_gone()
    store.pools.put(raws.pool("llama", 1, resourceVersion=str(10**9 + 1)))
    assert store.recorded_of(POOL).version == ""


def test_a_status_that_no_model_reads_does_not_hide_the_object() -> None:
    store = raws.store()
    raw = raws.pool("llama", 1) | {"status": {"replicas": "many"}}
    store.pools.put(raw)
    own = store.pools.get(POOL)
    assert own is not None
    assert own.object.spec.replicas == 1
    assert own.object.status.replicas == 0


def test_who_wrote_into_a_status_is_known() -> None:
    store = raws.store()
    entry = {
        "manager": "kubectl-edit",
        "operation": "Update",
        "subresource": "status",
        "fieldsV1": {"f:status": {"f:readySummary": {}}},
    }
    ours = entry | {"manager": STATUS_MANAGER, "operation": "Apply"}
    store.pools.put(raws.pool("llama", 1, managedFields=[entry, ours]))
    own = store.pools.get(POOL)
    assert own is not None
    assert own.foreign == (Foreign("kubectl-edit", ("status.readySummary",)),)


def test_an_object_that_cannot_be_read_is_left_out() -> None:
    store = raws.store()
    raw = raws.pool("llama", 1)
    del raw["spec"]["model"]
    store.pools.put(raw)
    assert store.pools.get(POOL) is None


def tenant(name: str, tier: str, policy: str = "standard") -> Raw:
    labels = {"policy": policy, "tenant": name, "tier": tier}
    return {
        "metadata": raws.metadata(
            name,
            labels={f"tierfleet.dev/{key}": value for key, value in labels.items()},
        ),
        "data": {"key": base64.b64encode(f"key-of-{name}".encode()).decode()},
    }


def with_tiers(*names: str) -> Raw:
    tiers = [{"name": name, "priority": number} for number, name in enumerate(names)]
    return raws.policy() | {"spec": {"tiers": tiers}}


def test_tenants_are_put_together_once_until_a_secret_or_the_policy_changes() -> None:
    store = raws.store()
    store.policies.put(with_tiers("pro", "enterprise"))
    store.pools.put(raws.pool("llama", 1))

    def known() -> Tenancy:
        (pool,) = (own.object for _, own in store.pools.items())
        (tenancy,) = store.of_pool(pool).tenancies.values()
        assert store.of_pool(pool).tenancies[(raws.NAMESPACE, "standard")] is tenancy
        return tenancy

    def tiers() -> dict[str, str]:
        return {one.name: one.tier for one in known().tenants}

    assert tiers() == {}
    store.tenants.put(tenant("acme", "enterprise"))
    assert tiers() == {"acme": "enterprise"}
    store.tenants.put(tenant("acme", "pro"))
    assert tiers() == {"acme": "pro"}
    store.tenants.put(tenant("acme", "pro", policy="another"))
    assert tiers() == {}
    store.tenants.put(tenant("acme", "pro"))
    assert tiers() == {"acme": "pro"}
    store.policies.put(with_tiers("enterprise"))
    assert [problem.reason for problem in known().problems] == ["UnknownTier"]
    store.tenants.remove((raws.NAMESPACE, "acme"), 10**9)
    assert known().problems == ()


def test_a_group_is_granted_from_the_nodes_of_its_products_as_they_are_now() -> None:
    store = raws.store()
    store.pools.put(raws.pool("llama", 1))
    own = store.pools.get(POOL)
    assert own is not None

    def found() -> tuple[set[str], set[str]]:
        snapshot = store.of_group([own.object])
        return set(snapshot.nodes), {pod.name for pod in snapshot.pods}

    for name, product in (("n", raws.H100), ("other", "B200")):
        store.nodes.put(raws.node(name, 8, product))
    store.pods.put(raws.pod("another", "on-n"))
    assert found() == ({"n"}, {"on-n"})
    store.nodes.put(raws.node("other", 8))
    store.nodes.put(raws.node("n", 8, "B200"))
    assert found() == ({"other"}, set()), "their labels have changed"
    store.nodes.remove(("", "other"), 10**9)
    assert found() == (set(), set())


def test_a_node_that_has_lost_its_label_is_known_while_a_replica_of_the_pool_runs_there() -> None:
    """What runs stays, and on a node that is not known it would not be there."""
    store = raws.store()
    store.pools.put(raws.pool("llama", 1))
    store.nodes.put(raws.node("n", 8, "Relabelled"))
    store.pods.put(raws.pod("llama", "here"))
    own = store.pools.get(POOL)
    assert own is not None
    assert set(store.of_group([own.object]).nodes) == {"n"}
    store.pods.remove((raws.NAMESPACE, "here"), 10**9)
    assert set(store.of_group([own.object]).nodes) == set()
