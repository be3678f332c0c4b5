"""The device grant, story by story."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.planning.world import (
    B200,
    B200_THEN_H100,
    GPU,
    H100,
    NAMESPACE,
    NOW,
    accelerator,
    bound,
    changed,
    nodes,
    placements,
    policy,
    pool,
    replica,
    reservation,
    stranger,
    summaries,
    world,
    written,
)
from tierfleet.planning.devices import device_groups, grant
from tierfleet.planning.placement import Limit, Shortfall
from tierfleet.planning.snapshot import Node, Snapshot, Taint

POOL = (NAMESPACE, "pool")


def shortfall(snapshot: Snapshot, accelerator: str, name: str = "pool") -> Shortfall | None:
    placed = placements(snapshot)[(NAMESPACE, name)]
    return next(a.shortfall for a in placed.accelerators if a.name == accelerator)


def cordoned(snapshot: Snapshot, prefix: str) -> Snapshot:
    return changed(
        snapshot,
        nodes={
            name: replace(node, schedulable=False) if name.startswith(prefix) else node
            for name, node in snapshot.nodes.items()
        },
    )


def test_six_replicas_that_prefer_b200_take_four_there_and_two_on_h100() -> None:
    fleet = world(pool("pool", *B200_THEN_H100, replicas=6), nodes=nodes(B200, 2) | nodes(H100, 2))
    assert summaries(fleet) == {"pool": "b200:4 h100:2"}


def test_with_the_b200_nodes_cordoned_and_empty_all_go_to_h100_as_far_as_devices_go() -> None:
    fleet = world(pool("pool", *B200_THEN_H100, replicas=6), nodes=nodes(B200, 2) | nodes(H100, 2))
    running = bound(fleet, placements(fleet), spread=True)
    left = cordoned(running, "nvidia-b200")
    evicted = changed(left, pods=tuple(p for p in left.pods if p.accelerator == "h100"))
    assert summaries(evicted) == {"pool": "h100:4"}
    assert shortfall(evicted, "h100") == Shortfall(Limit.INSUFFICIENT_DEVICES, 6, 4)
    assert shortfall(evicted, "b200") == Shortfall(Limit.INSUFFICIENT_DEVICES, 4, 0, closed=2)


def test_replicas_on_a_cordoned_node_stay_until_somebody_deletes_them() -> None:
    fleet = world(pool("pool", *B200_THEN_H100, replicas=6), nodes=nodes(B200, 2) | nodes(H100, 2))
    running = bound(fleet, placements(fleet), spread=True)
    assert summaries(cordoned(running, "nvidia-b200")) == {"pool": "b200:4 h100:2"}


def test_a_terminating_replica_leaves_its_devices_to_its_successor() -> None:
    leaving = replica("pool", "h100", "nvidia-h100-80gb-hbm3-0", 8, terminating=True)
    waiting = replica("pool", "h100", None, 8, unschedulable=True)
    fleet = world(
        pool("pool", accelerator(devices=8)), nodes=nodes(H100, 1), pods=(leaving, waiting)
    )
    assert summaries(fleet) == {"pool": "h100:1"}


def test_a_terminating_replica_leaves_nothing_on_a_cordoned_node() -> None:
    leaving = replica("pool", "h100", "nvidia-h100-80gb-hbm3-0", 8, terminating=True)
    fleet = world(
        pool("pool", accelerator(devices=8)),
        nodes=nodes(H100, 1, schedulable=False),
        pods=(leaving,),
    )
    assert summaries(fleet) == {"pool": "none"}


def test_a_terminating_replica_leaves_nothing_to_another_pool() -> None:
    leaving = replica("first", "h100", "nvidia-h100-80gb-hbm3-0", 8, terminating=True)
    fleet = world(
        pool("first", accelerator(devices=8), replicas=0),
        pool("second", accelerator(devices=8), replicas=1),
        nodes=nodes(H100, 1),
        pods=(leaving,),
    )
    assert summaries(fleet) == {"first": "none", "second": "none"}


def test_a_planned_pod_that_no_node_takes_is_taken_back() -> None:
    fleet = world(pool("pool", accelerator(devices=8), replicas=2), nodes=nodes(H100, 2))
    planned = bound(fleet, placements(fleet), spread=True)
    gone = changed(planned, nodes=nodes(H100, 1))
    pending = replica("pool", "h100", None, 8, unschedulable=True)
    lost = changed(gone, pods=(*(p for p in gone.pods if p.node in gone.nodes), pending))
    assert summaries(lost) == {"pool": "h100:1"}


def test_free_devices_that_no_single_node_can_give_are_not_counted() -> None:
    used = tuple(stranger(name, 5) for name in nodes(H100, 4))
    fleet = world(pool("pool", accelerator(devices=4), replicas=3), nodes=nodes(H100, 4), pods=used)
    assert summaries(fleet) == {"pool": "none"}
    assert shortfall(fleet, "h100") == Shortfall(Limit.INSUFFICIENT_DEVICES, 3, 0, stranded=12)


def test_small_replicas_fill_nodes_that_are_in_use_and_leave_whole_ones_to_larger_ones() -> None:
    small = pool("small", accelerator(devices=1), replicas=1, age=99)
    large = pool("large", accelerator(devices=8), replicas=1)
    fleet = nodes(H100, 2)
    for partly_used in fleet:
        used = world(small, large, nodes=fleet, pods=(stranger(partly_used, 7),))
        assert summaries(used) == {"small": "h100:1", "large": "h100:1"}


def test_of_nodes_that_are_alike_the_first_by_name_is_taken_however_they_are_listed() -> None:
    team = {"tolerations": [{"key": "team", "operator": "Exists"}]}
    pools = (
        pool("first", accelerator(devices=8), age=99, template=team),
        pool("second", accelerator(devices=8)),
    )
    fleet = nodes(H100, 2)
    ours, everybodys = sorted(fleet)
    fleet[ours] = replace(fleet[ours], taints=(Taint("team", "NoSchedule"),))
    for listed in (fleet, {everybodys: fleet[everybodys], ours: fleet[ours]}):
        placed = summaries(world(*pools, nodes=listed))
        assert placed == {"first": "h100:1", "second": "h100:1"}


def test_devices_of_finished_pods_are_free() -> None:
    done = replace(stranger("nvidia-h100-80gb-hbm3-0", 8), finished=True)
    fleet = world(pool("pool", accelerator(devices=8)), nodes=nodes(H100, 1), pods=(done,))
    assert summaries(fleet) == {"pool": "h100:1"}


def test_a_product_is_compared_exactly() -> None:
    fleet = world(pool(), nodes=nodes(f"{H100}-SHARED", 2) | nodes(f"{H100}-MIG-1g.10gb", 2))
    assert summaries(fleet) == {"pool": "none"}
    assert shortfall(fleet, "h100") == Shortfall(Limit.NO_SUCH_ACCELERATOR, 1, 0)


def test_accelerators_of_other_makers_have_labels_and_resources_of_their_own() -> None:
    v5p = accelerator("v5p", "tpu-v5p-slice", 4, rate=9000) | {
        "productLabel": "cloud.google.com/gke-tpu-accelerator",
        "resource": "google.com/tpu",
        "nodeSelector": {"cloud.google.com/gke-tpu-topology": "2x2x1"},
    }

    def host(name: str, topology: str) -> Node:
        labels = {
            "cloud.google.com/gke-tpu-accelerator": "tpu-v5p-slice",
            "cloud.google.com/gke-tpu-topology": topology,
        }
        taint = Taint("google.com/tpu", "NoSchedule", "present")
        return Node(name, labels, (taint,), allocatable={"google.com/tpu": 4})

    hosts = {"single": host("single", "2x2x1"), "part": host("part", "4x4x4")}
    made = pool("pool", accelerator("h100", H100, 4), v5p, replicas=4)
    fleet = world(made, nodes=nodes(H100, 1) | hosts)
    assert summaries(fleet) == {"pool": "h100:2 v5p:1"}


@pytest.mark.parametrize("closed", [{"ready": False}, {"schedulable": False}])
def test_nodes_that_take_no_pods_give_no_devices(closed: dict[str, bool]) -> None:
    fleet = world(pool(), nodes=nodes(H100, 2, **closed))
    assert shortfall(fleet, "h100") == Shortfall(Limit.INSUFFICIENT_DEVICES, 1, 0, closed=2)


def test_the_taint_of_the_devices_is_tolerated_and_others_only_if_the_template_does() -> None:
    gpus = Taint(GPU, "NoSchedule", "present")
    team = Taint("team", "NoSchedule", "research")
    tolerant = {"tolerations": [{"key": "team", "operator": "Equal", "value": "research"}]}
    assert summaries(world(pool(), nodes=nodes(H100, 1, taints=(gpus,)))) == {"pool": "h100:1"}
    tainted = nodes(H100, 1, taints=(gpus, team))
    assert summaries(world(pool(), nodes=tainted)) == {"pool": "none"}
    assert summaries(world(pool(template=tolerant), nodes=tainted)) == {"pool": "h100:1"}


def test_minimums_are_placed_before_the_order_of_preference() -> None:
    both = (accelerator("b200", B200), accelerator("h100", H100, minReplicas=2))
    fleet = world(pool("pool", *both, replicas=5), nodes=nodes(B200, 1) | nodes(H100, 1))
    assert summaries(fleet) == {"pool": "b200:3 h100:2"}


def test_a_minimum_that_has_no_devices_is_placed_elsewhere_and_said() -> None:
    both = (accelerator("b200", B200), accelerator("h100", H100, minReplicas=2))
    fleet = world(pool("pool", *both, replicas=5), nodes=nodes(B200, 1))
    assert summaries(fleet) == {"pool": "b200:5"}
    assert shortfall(fleet, "h100") == Shortfall(Limit.NO_SUCH_ACCELERATOR, 2, 0)


def test_maximums_bind_and_are_said() -> None:
    fleet = world(pool("pool", accelerator(maxReplicas=3), replicas=5), nodes=nodes(H100, 1))
    assert summaries(fleet) == {"pool": "h100:3"}
    assert shortfall(fleet, "h100") == Shortfall(Limit.MAX_REPLICAS, 5, 3)


def test_a_replica_that_runs_keeps_its_devices_whoever_else_wants_them() -> None:
    poor = pool("poor", accelerator(devices=8))
    rich = pool("rich", accelerator(devices=8), placementWeight=1000, age=99)
    seat = replica("poor", "h100", "nvidia-h100-80gb-hbm3-0", 8)
    fleet = world(poor, rich, nodes=nodes(H100, 1), pods=(seat,))
    assert summaries(fleet) == {"poor": "h100:1", "rich": "none"}


def test_devices_of_another_accelerators_replica_are_free_only_once_it_is_gone() -> None:
    small, large = accelerator("small", H100, 1), accelerator("large", H100, 8)
    seats = tuple(
        replica("pool", "small", "nvidia-h100-80gb-hbm3-0", 1, name=f"small-{i}") for i in range(2)
    )
    fleet = world(pool("pool", large, small, replicas=2), nodes=nodes(H100, 1), pods=seats)
    assert summaries(fleet) == {"pool": "small:2"}


def test_the_last_devices_go_to_the_pool_that_promised_more() -> None:
    first = pool(
        "first", accelerator(devices=8, rate=1000), replicas=2, age=99, placementWeight=1000
    )
    second = pool("second", accelerator(devices=8, rate=1000), replicas=2)
    acme = reservation("acme", 500, pool="second")
    fleet = written(world(first, second, acme, nodes=nodes(H100, 4)))
    assert summaries(changed(fleet, nodes=nodes(H100, 1))) == {"first": "none", "second": "h100:1"}


def test_a_percent_counts_as_if_the_pool_were_placed_as_it_likes() -> None:
    first = pool("first", accelerator(devices=8, rate=1000), replicas=2, age=99)
    second = pool("second", accelerator(devices=8, rate=1000), replicas=4)
    fixed = reservation("fixed", 700, pool="first")
    share = reservation("share", "20%", pool="second")
    fleet = written(world(first, second, fixed, share, nodes=nodes(H100, 6)))
    assert summaries(changed(fleet, nodes=nodes(H100, 1))) == {"first": "none", "second": "h100:1"}


def test_a_promise_whose_reservation_is_deleted_counts_no_more() -> None:
    first = pool("first", accelerator(devices=8), replicas=2, age=99)
    second = pool("second", accelerator(devices=8), replicas=2)
    fleet = written(
        world(first, second, reservation("a", 500, pool="second"), nodes=nodes(H100, 4))
    )
    last = changed(fleet, nodes=nodes(H100, 1), reservations={})
    assert summaries(last) == {"first": "h100:1", "second": "none"}


@pytest.mark.parametrize(
    "scaling", [{}, {"mode": "External"}, {"mode": "Automatic", "minReplicas": 2, "maxReplicas": 2}]
)
def test_a_promise_gives_precedence_as_long_before_its_term_as_the_engine_loads(
    scaling: dict[str, Any],
) -> None:
    """Else those that the pool would need by then would be with the other one, and stay there."""
    first = pool("first", accelerator(devices=8), replicas=2, age=99)
    engine = {"image": "vllm:1", "startupTimeoutSeconds": 600}
    second = pool("second", accelerator(devices=8), replicas=2, engine=engine, scaling=scaling)
    start, end = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    later = reservation("later", 500, pool="second", term={"start": start, "end": end})
    fleet = changed(
        written(world(first, second, later, nodes=nodes(H100, 4))), nodes=nodes(H100, 1)
    )
    moment = timedelta(seconds=1)
    in_sight = start - timedelta(seconds=600)
    for now, served in (
        (NOW, "first"),
        (in_sight - moment, "first"),
        (in_sight, "second"),
        (end - moment, "second"),
        (end, "first"),
    ):
        assert summaries(changed(fleet, now=now))[served] == "h100:1", now


def test_without_promises_weight_decides_then_age_then_the_name() -> None:
    def first_of(*pools: dict[str, int]) -> str:
        fleet = world(
            *(
                pool(name, accelerator(devices=8), **spec)
                for name, spec in zip("abc", pools, strict=False)
            ),
            nodes=nodes(H100, 1),
        )
        return next(name for name, placed in summaries(fleet).items() if placed != "none")

    assert first_of({}, {"placementWeight": 2}, {"age": 99}) == "b"
    assert first_of({}, {}, {"age": 99}) == "c"
    assert first_of({}, {}, {}) == "a"


def test_a_pool_that_is_not_accepted_keeps_its_replicas_and_gets_no_more() -> None:
    held = pool("held", accelerator(devices=4), replicas=4, policyRef={"name": "gone"})
    other = pool("other", accelerator(devices=4), replicas=4)
    fleet = world(
        held, other, policy(), nodes=nodes(H100, 2), replicas={(NAMESPACE, "held"): {"h100": 2}}
    )
    # Both of its pods are being restarted: nobody else may take their devices meanwhile.
    leaving = tuple(
        replica("held", "h100", "nvidia-h100-80gb-hbm3-0", 4, name=f"p{i}", terminating=True)
        for i in range(2)
    )
    assert summaries(changed(fleet, pods=leaving)) == {"held": "h100:2", "other": "h100:2"}


def test_devices_of_a_pool_that_does_not_exist_any_more_are_used_until_its_pods_are_gone() -> None:
    orphan = replica("deleted", "h100", "nvidia-h100-80gb-hbm3-0", 8, terminating=True)
    fleet = world(pool(), nodes=nodes(H100, 1), pods=(orphan,))
    assert summaries(fleet) == {"pool": "none"}


def test_a_node_that_is_gone_gives_no_seat_to_the_pods_that_are_still_listed_there() -> None:
    ghost = replica("pool", "h100", "gone", 1)
    assert summaries(world(pool(), pods=(ghost,))) == {"pool": "none"}


def test_a_pool_that_is_being_deleted_keeps_what_it_has_and_gets_no_more() -> None:
    old, new = pool("old", age=20, replicas=8), pool("new", age=1, replicas=8)
    going = old.metadata.model_copy(update={"deletion_timestamp": NOW})
    old = old.model_copy(update={"metadata": going})
    fleet = world(old, new, nodes=nodes(H100, 1))
    assert summaries(fleet) == {"old": "none", "new": "h100:8"}
    half = changed(fleet, replicas={old.key: {"h100": 4}})
    assert summaries(half) == {"old": "h100:4", "new": "h100:4"}


def test_pools_are_grouped_by_the_products_that_they_share() -> None:
    b200, h100 = accelerator("b200", B200), accelerator("h100", H100)
    other = accelerator("other", B200, productLabel="example.com/product")
    fleet = [pool("a", b200), pool("c", other), pool("d", h100), pool("b", b200, h100)]
    named = [{name for _, name in group} for group in device_groups(fleet, ())]
    assert named == [{"a", "b", "d"}, {"c"}]
    chain = [pool("a", b200, h100), pool("b", b200), pool("c", h100)]
    assert len(device_groups(chain, ())) == 1


def test_pools_that_call_the_same_node_by_two_labels_share_its_devices() -> None:
    cloud = "cloud.example.com/accelerator"
    other = accelerator("h100", "nvidia-h100-80gb", 4, productLabel=cloud)
    pools = pool("a", accelerator("h100", H100, 4), replicas=2), pool("b", other, replicas=2)
    (node,) = nodes(H100, 1).values()
    both = replace(node, labels={**node.labels, cloud: "nvidia-h100-80gb"})
    assert summaries(world(*pools, nodes={node.name: both})) == {"a": "h100:2", "b": "none"}
    apart = {node.name: node, "cloud": Node("cloud", {cloud: "nvidia-h100-80gb"})}
    assert len(device_groups(pools, apart.values())) == 2


def test_a_group_may_name_pools_that_are_gone() -> None:
    assert grant(world(), frozenset({POOL})) == {}
