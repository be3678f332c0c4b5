"""The device grant: what must hold whatever the world looks like."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import TypeVar

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.planning.worlds import snapshots
from tests.unit.planning.world import B200, GPU, H100, bound, placements, plans, written
from tierfleet.api import InferencePool
from tierfleet.api.accelerator import Accelerator
from tierfleet.plan import Plan
from tierfleet.planning import acceptance, nodes
from tierfleet.planning.placement import Placement
from tierfleet.planning.snapshot import PoolKey, Snapshot

_K = TypeVar("_K")
_V = TypeVar("_V")


def accepted(snapshot: Snapshot) -> dict[PoolKey, InferencePool]:
    return {
        key: pool
        for key, pool in snapshot.pools.items()
        if acceptance.of_pool(snapshot, pool).status == "True"
    }


def desired(found: Mapping[PoolKey, Placement]) -> dict[tuple[PoolKey, str], int]:
    return {(key, name): n for key, p in found.items() for name, n in p.desired.items() if n}


@given(snapshots(), st.booleans())
def test_every_planned_replica_of_a_pool_alone_finds_its_devices(
    snapshot: Snapshot, spread: bool
) -> None:
    """However the scheduler spreads them: replicas of one size never get in each other's way.

    Bound: the devices that are free, plus those of the pool's own pods.
    """
    assume(accepted(snapshot))
    key, pool = next(iter(accepted(snapshot).items()))
    (kind, *_) = pool.spec.accelerators
    spec = pool.spec.model_copy(update={"accelerators": (kind,)})
    others_and_live = [
        pod
        for pod in snapshot.pods
        if key not in {pod.pool, pod.worker_of}
        or (pod.accelerator == kind.name and not pod.terminating)
    ]
    alone = replace(
        snapshot,
        pools={key: pool.model_copy(update={"spec": spec})},
        pods=tuple(others_and_live),
    )
    after = bound(alone, placements(alone), spread=spread)
    found = [*after.pods_of(key), *after.workers_of(key)]
    assert all(pod.node is not None for pod in found)
    assert len(found) == placements(alone)[key].total * kind.nodes_per_replica


@given(snapshots())
def test_nothing_is_planned_that_is_not_wanted_or_not_there(snapshot: Snapshot) -> None:
    found = placements(snapshot)
    check_devices_exist(snapshot, found)
    for key, pool in accepted(snapshot).items():
        assert found[key].total <= pool.spec.replicas
        for accelerator in pool.spec.accelerators:
            desired = found[key].desired[accelerator.name]
            assert accelerator.max_replicas is None or desired <= accelerator.max_replicas
            places = seats(snapshot, pool, accelerator) + room(snapshot, pool, accelerator)
            assert desired <= places // accelerator.nodes_per_replica
            if accelerator.nodes_per_replica > 1 and not snapshot.leader_worker_sets:
                assert not desired


def check_devices_exist(snapshot: Snapshot, found: Mapping[PoolKey, Placement]) -> None:
    """Per product, over all pools: what is granted and what others use is at most what exists."""
    ours = accepted(snapshot)
    for product in (B200, H100):
        here = [node for node in snapshot.nodes.values() if product in node.labels.values()]
        used_by_others = sum(
            pod.requests.get(GPU, 0)
            for node in here
            for pod in snapshot.pods_on(node.name)
            if not pod.finished and pod.pool not in ours and pod.worker_of not in ours
        )
        granted = sum(
            found[key].desired[accelerator.name]
            * accelerator.devices_per_replica
            * accelerator.nodes_per_replica
            for key, pool in ours.items()
            for accelerator in pool.spec.accelerators
            if product in accelerator.products
        )
        assert granted + used_by_others <= sum(node.allocatable[GPU] for node in here)


def seats(snapshot: Snapshot, pool: InferencePool, accelerator: Accelerator) -> int:
    """Pods that live, on whatever node."""
    return sum(
        pod.accelerator == accelerator.name
        and pod.node is not None
        and not (pod.finished or pod.terminating)
        for pod in (*snapshot.pods_of(pool.key), *snapshot.workers_of(pool.key))
    )


def room(snapshot: Snapshot, pool: InferencePool, accelerator: Accelerator) -> int:
    """Pods for which nodes that take new ones would have devices if they were empty."""
    return sum(
        node.allocatable[GPU] // accelerator.devices_per_replica
        for node in snapshot.nodes.values()
        if nodes.takes(node, accelerator, pool.spec.template)
    )


@given(snapshots(), st.randoms(use_true_random=False))
def test_the_order_of_input_does_not_matter(snapshot: Snapshot, random: Random) -> None:
    def shuffled(mapping: Mapping[_K, _V]) -> dict[_K, _V]:
        return dict(random.sample(list(mapping.items()), len(mapping)))

    snapshot = written(snapshot)
    other = replace(
        snapshot,
        pods=tuple(random.sample(snapshot.pods, len(snapshot.pods))),
        tenants=snapshot.tenants[::-1],
        pools=shuffled(snapshot.pools),
        nodes=shuffled(snapshot.nodes),
        reservations=shuffled(snapshot.reservations),
    )
    assert placements(other) == placements(snapshot)
    assert plans(other) == plans(snapshot)


@given(snapshots(), st.booleans())
def test_the_plan_of_the_planned_state_of_a_pool_alone_is_the_same_plan(
    snapshot: Snapshot, spread: bool
) -> None:
    assume(accepted(snapshot))
    key = next(iter(accepted(snapshot)))
    alone = replace(written(settled(snapshot)), pools={key: snapshot.pools[key]})
    after = bound(alone, placements(alone), spread=spread)
    assert desired(placements(after)) == desired(placements(alone))
    before, later = plans(alone)[key].plan, plans(written(after))[key].plan
    assert before is not None
    assert later is not None
    # Until they are gone a plan counts those that go; that is all that may differ.
    assert {g.name: g.desired for g in later.groups} == placements(after)[key].desired
    assert _but_groups(later) == _but_groups(before)


def _but_groups(plan: Plan) -> dict[str, object]:
    return plan.model_dump(exclude={"version": True, "groups": {"__all__": {"desired"}}})


@given(snapshots(), st.booleans())
def test_pools_that_compete_settle_and_stay_settled(snapshot: Snapshot, spread: bool) -> None:
    """The scheduler may put replicas where a larger one of another pool was to go.

    What finds no node then is taken back, and a smaller one may get its place. Every step but the
    last binds or gives up a pod for good, so there are at most as many as pods.
    """
    state = settled(snapshot)
    for _ in range(1 + sum(map(most_pods, snapshot.pools.values()))):
        wanted = placements(state)
        state = bound(state, {key: wanted[key] for key in accepted(state)}, spread=spread)
        if desired(placements(state)) == desired(wanted):
            return
    raise AssertionError("the plan does not settle")


def most_pods(pool: InferencePool) -> int:
    """Pods that the pool may ever want."""
    return pool.spec.replicas * max(a.nodes_per_replica for a in pool.spec.accelerators)


@given(snapshots(), st.booleans(), st.data())
def test_what_runs_stays_whatever_becomes_of_other_pools(
    snapshot: Snapshot, spread: bool, data: st.DataObject
) -> None:
    """A change in one pool moves no other pool's replicas that have their devices.

    Bound: no replica at all. Those without a node yet have no devices, and may lose their chance.
    """
    state = settled(snapshot)
    state = bound(state, {key: placements(state)[key] for key in accepted(state)}, spread=spread)
    key = data.draw(st.sampled_from(sorted(state.pools)))
    change = data.draw(st.sampled_from(["gone", "grown", "heavy"]))
    pools = dict(state.pools)
    own = pools.pop(key)
    if change != "gone":
        update = {"replicas": 8} if change == "grown" else {"placement_weight": 1000}
        pools[key] = own.model_copy(update={"spec": own.spec.model_copy(update=update)})
    after = placements(replace(state, pools=pools))
    for other in accepted(state).keys() - {key}:
        for spec in state.pools[other].spec.accelerators:
            runs = sum(
                pod.accelerator == spec.name and pod.node is not None
                for pod in (*state.pods_of(other), *state.workers_of(other))
            )
            asked = state.replicas[other][spec.name]
            assert after[other].desired[spec.name] >= min(asked, runs // spec.nodes_per_replica)


@given(snapshots(), st.booleans())
def test_no_more_replicas_move_at_once_than_may_be_missing_and_all_moves_come_to_an_end(
    snapshot: Snapshot, spread: bool
) -> None:
    """Bound: maxUnavailable a step, and as many steps as replicas."""
    assume(accepted(snapshot))
    key, pool = next(iter(accepted(snapshot).items()))
    state = replace(settled(snapshot), pools={key: pool})
    state = bound(state, placements(state), spread=spread)
    for _ in range(1 + pool.spec.replicas):
        before = placements(state)[key]
        wanted = placements(state, settled={key})
        lost = [max(0, n - wanted[key].desired[name]) for name, n in before.desired.items()]
        unready = sum(pod.node is None for pod in state.pods_of(key))
        assert sum(lost) <= max(pool.spec.disruption.max_unavailable, unready)
        assert wanted[key].total == before.total
        if desired(wanted) == desired({key: before}):
            return
        state = bound(state, wanted, spread=spread)
    raise AssertionError("it goes on moving")


def settled(snapshot: Snapshot) -> Snapshot:
    """Without pods that are about to go by themselves."""
    return replace(snapshot, pods=tuple(pod for pod in snapshot.pods if not pod.terminating))


@given(snapshots(), st.data())
def test_a_pool_alone_never_gets_more_replicas_by_losing_a_node(
    snapshot: Snapshot, data: st.DataObject
) -> None:
    """Competitors may: a larger replica that fits nowhere any more leaves room for smaller ones."""
    assume(snapshot.nodes)
    key, pool = next(iter(snapshot.pools.items()))
    alone = replace(snapshot, pools={key: pool})
    assume(key in accepted(alone))
    lost = data.draw(st.sampled_from(sorted(snapshot.nodes)))
    without = replace(
        alone,
        nodes={name: node for name, node in alone.nodes.items() if name != lost},
        pods=tuple(pod for pod in alone.pods if pod.node != lost),
    )
    assert placements(without)[key].total <= placements(alone)[key].total
