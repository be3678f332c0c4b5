"""What people are told: conditions, numbers, and the next step."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.planning.world import (
    B200,
    B200_THEN_H100,
    H100,
    NAMESPACE,
    NOTHING_KNOWN,
    NOW,
    accelerator,
    bound,
    changed,
    given,
    nodes,
    placements,
    plan_of,
    policy,
    pool,
    replica,
    reported,
    reservation,
    secret,
    stranger,
    world,
    written,
)
from tierfleet.api.conditions import Condition
from tierfleet.api.poolstatus import PlanStatus
from tierfleet.planning import enforcement
from tierfleet.planning.published import Report
from tierfleet.planning.snapshot import Fault, PoolKey, Snapshot, Trouble
from tierfleet.planning.status import summarise_policy, summarise_pool, summarise_reservation

POOL = (NAMESPACE, "pool")
POLICY = (NAMESPACE, "standard")
FLEET = nodes(B200, 2) | nodes(H100, 2)


def of_pool(snapshot: Snapshot) -> Any:
    return summarise_pool(snapshot, plan_of(snapshot), enforcement.of(snapshot, POOL))


def of_reservation(snapshot: Snapshot, name: str = "acme") -> Any:
    key = (NAMESPACE, name)
    if POOL not in snapshot.pools:
        return summarise_reservation(snapshot, key, None, None)
    return summarise_reservation(snapshot, key, plan_of(snapshot), enforcement.of(snapshot, POOL))


def said(conditions: tuple[Condition, ...]) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status, condition.reason) for condition in conditions}


def message(conditions: tuple[Condition, ...], type_: str) -> str:
    return next(c.message for c in conditions if c.type == type_)


def running(snapshot: Snapshot) -> Snapshot:
    return bound(snapshot, placements(snapshot), spread=True)


def preferring_b200(**spec: Any) -> Snapshot:
    return world(pool("pool", *B200_THEN_H100, **{"replicas": 6} | spec), nodes=FLEET)


def test_a_pool_that_runs_as_declared_is_ready() -> None:
    status = of_pool(running(preferring_b200()))
    assert said(status.conditions) == {
        "Accepted": ("True", "Accepted"),
        "Placed": ("True", "Placed"),
        "CapacityKnown": ("True", "Declared"),
        "Enforced": ("Unknown", "NoReports"),
        "Ready": ("True", "Ready"),
    }
    assert message(status.conditions, "Placed") == "6 replicas placed: b200:4 h100:2."
    raw = status.to_raw()
    del raw["conditions"], raw["plan"]
    assert raw == {
        "observedGeneration": 1,
        "replicas": 6,
        "readyReplicas": 6,
        "selector": "tierfleet.dev/pool=pool",
        "readySummary": "6/6",
        "placementSummary": "b200:4 h100:2",
        "endpoints": [{"partition": "Sliced", "url": "http://pool.inference.svc:8080"}],
        "accelerators": [
            {
                "name": "b200",
                "desired": 4,
                "ready": 4,
                "capacity": {"source": "Declared", "serviceTokensPerSecond": 24000},
                "message": "maxReplicas is 4; 6 were wanted.",
            },
            {
                "name": "h100",
                "desired": 2,
                "ready": 2,
                "capacity": {"source": "Declared", "serviceTokensPerSecond": 14000},
            },
        ],
        "capacity": {
            "source": "Declared",
            "total": 124000,
            "survivable": 100000,
            "sellable": 90000,
            "promised": 0,
            "shared": 124000,
            "meanCost": {"source": "Assumed", "serviceTokens": 2000},
        },
        "partitions": [
            {"name": "Reserved", "serviceTokensPerSecond": 0},
            {"name": "Shared", "serviceTokensPerSecond": 124000},
        ],
    }


def test_a_pool_that_starts_says_how_far_it_is() -> None:
    starting = of_pool(preferring_b200())
    assert said(starting.conditions)["Ready"] == ("False", "Starting")
    assert said(starting.conditions)["Reconciling"] == ("True", "Starting")
    half = running(preferring_b200())
    half = changed(half, pods=tuple(p for p in half.pods if p.accelerator == "b200"))
    status = of_pool(half)
    assert said(status.conditions)["Ready"] == ("False", "ReplicasNotReady")
    assert message(status.conditions, "Ready").startswith("4 of 6 replicas are ready")
    assert (status.ready_summary, status.replicas) == ("4/6", 4)


def test_a_pool_is_not_ready_before_every_replica_runs_what_the_spec_says() -> None:
    snapshot = running(preferring_b200())
    rolling = summarise_pool(snapshot, plan_of(snapshot), NOTHING_KNOWN, outdated=4)
    assert rolling.ready_replicas == 6
    assert said(rolling.conditions)["Ready"] == ("False", "RollingOut")
    assert said(rolling.conditions)["Reconciling"] == ("True", "RollingOut")
    assert message(rolling.conditions, "Ready").startswith("4 replicas, of 6 planned, are still")
    missing = changed(snapshot, pods=snapshot.pods[1:])
    still = summarise_pool(missing, plan_of(missing), NOTHING_KNOWN, outdated=3)
    assert said(still.conditions)["Ready"] == ("False", "RollingOut"), "it does not flip"


@pytest.mark.parametrize(
    ("holder", "told"),
    [
        (("inference", "small"), "h100: pool small still asks for more such devices"),
        (("other", "small"), "h100: pool small of namespace other still asks"),
        (("inference", "pool"), "h100: the replicas of before, under another name, have to go"),
    ],
)
def test_a_pool_that_waits_for_devices_says_for_whom(holder: PoolKey, told: str) -> None:
    snapshot = preferring_b200()
    status = summarise_pool(snapshot, plan_of(snapshot), NOTHING_KNOWN, held={"h100": holder})
    assert said(status.conditions)["Ready"] == ("False", "DevicesHeld")
    assert message(status.conditions, "Ready").startswith(f"0 of 6 replicas are ready. {told}")
    assert said(status.conditions)["Reconciling"] == ("True", "DevicesHeld")


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (
            Trouble(Fault.IMAGE, "engine", "vllm:9"),
            "the image vllm:9 of container engine cannot be",
        ),
        (Trouble(Fault.CONFIGURATION, "engine", 'secret "x" not found'), 'secret "x" not found.'),
        (
            Trouble(Fault.CRASH, "engine", "2"),
            "ends with status 2 again and again. `kubectl logs",
        ),
    ],
)
def test_what_keeps_replicas_from_starting_is_told(trouble: Trouble, told: str) -> None:
    snapshot = running(preferring_b200())
    stuck = changed(
        snapshot, pods=tuple(replace(p, ready=False, trouble=trouble) for p in snapshot.pods)
    )
    status = of_pool(stuck)
    assert said(status.conditions)["Ready"] == ("False", "CannotStart")
    assert said(status.conditions)["Reconciling"] == ("True", "CannotStart")
    sentence = message(status.conditions, "Ready")
    assert sentence.startswith("0 of 6 replicas are ready. Pod pool-")
    assert told in sentence
    assert "5 more have such trouble." in sentence
    rolling = summarise_pool(stuck, plan_of(stuck), NOTHING_KNOWN, outdated=4)
    assert said(rolling.conditions)["Ready"] == ("False", "CannotStart"), "also of a new template"
    served = changed(snapshot, pods=tuple(replace(p, trouble=trouble) for p in snapshot.pods))
    assert said(of_pool(served).conditions)["Ready"] == ("True", "Ready")


def test_replicas_that_are_going_are_not_counted() -> None:
    leaving = replica("pool", "h100", "nvidia-h100-80gb-hbm3-0", 1, ready=True, terminating=True)
    status = of_pool(world(pool(), nodes=FLEET, pods=(leaving,)))
    assert (status.replicas, status.ready_replicas) == (0, 0)


def test_a_replica_where_none_is_planned_does_not_make_up_for_a_missing_one() -> None:
    surplus = tuple(
        replica("pool", "h100", "nvidia-h100-80gb-hbm3-0", 4, ready=True, name=f"p{i}")
        for i in range(2)
    )
    status = of_pool(changed(preferring_b200(replicas=2), pods=surplus))
    assert status.placement_summary == "b200:2"
    assert said(status.conditions)["Ready"] == ("False", "Starting")


def test_missing_devices_are_told_with_what_was_wanted_and_found() -> None:
    found = preferring_b200()
    busy = changed(
        found,
        nodes=nodes(B200, 2, schedulable=False) | nodes(H100, 2),
        pods=(stranger("nvidia-h100-80gb-hbm3-0", 5),),
    )
    status = of_pool(busy)
    assert said(status.conditions)["Placed"] == ("False", "InsufficientDevices")
    assert said(status.conditions)["Ready"] == ("False", "InsufficientDevices")
    assert message(status.conditions, "Placed") == (
        "2 of 6 replicas placed: h100:2. "
        "b200: 4 replicas wanted with 2 nvidia.com/gpu on one node each, room found for 0. "
        "2 nodes take no new pods (not ready, cordoned or tainted). "
        "h100: 6 replicas wanted with 4 nvidia.com/gpu on one node each, room found for 2. "
        "3 free are on nodes that have too few left. "
        "Free devices, add nodes, or lower spec.replicas."
    )


def test_an_accelerator_that_no_node_has_is_named_with_its_label() -> None:
    selected = accelerator(nodeSelector={"zone": "a"})
    status = of_pool(world(pool("pool", selected), nodes=FLEET))
    assert said(status.conditions)["Placed"] == ("False", "NoSuchAccelerator")
    assert message(status.conditions, "Placed") == (
        "0 of 1 replica placed: none. h100: No node has "
        "nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3 and zone=a; 1 replica wanted. "
        "Add such nodes, or correct products."
    )


def test_replicas_beyond_every_maximum_are_no_lack_of_devices() -> None:
    status = of_pool(world(pool("pool", accelerator(maxReplicas=1), replicas=2), nodes=FLEET))
    assert said(status.conditions)["Placed"] == ("False", "MaxReplicas")
    assert message(status.conditions, "Placed").endswith(
        "Raise maxReplicas, or lower spec.replicas."
    )


def test_a_pool_scaled_to_zero_is_ready() -> None:
    status = of_pool(world(pool(replicas=0), nodes=FLEET))
    assert said(status.conditions)["Placed"] == ("True", "ScaledToZero")
    assert said(status.conditions)["Ready"] == ("True", "Ready")
    assert status.placement_summary == "none"


def test_a_pod_that_the_scheduler_refuses_although_devices_are_free_is_named() -> None:
    refused = replica(
        "pool", "h100", None, 1, name="p1", unschedulable=True, message="Insufficient memory."
    )
    fleet = world(pool(), nodes=FLEET, pods=(refused,))
    status = of_pool(fleet)
    assert said(status.conditions)["Placed"] == ("False", "Unschedulable")
    assert message(status.conditions, "Placed") == (
        "There are devices for h100, but the scheduler finds no node for pod p1: "
        "Insufficient memory."
    )


@pytest.mark.parametrize("beside", [{"terminating": True}, {}])
def test_a_pod_that_waits_for_its_predecessor_or_is_surplus_is_no_problem(
    beside: dict[str, Any],
) -> None:
    waiting = replica("pool", "h100", None, 1, name="p1", unschedulable=True)
    other = replica("pool", "h100", "nvidia-h100-80gb-hbm3-0", 1, name="p0", **beside)
    fleet = world(pool(), nodes=FLEET, pods=(waiting, other))
    assert said(of_pool(fleet).conditions)["Placed"] == ("True", "Placed")


def test_an_unknown_capacity_is_said_and_keeps_nobody_from_serving() -> None:
    status = of_pool(running(world(pool("pool", accelerator(rate=None)), nodes=FLEET)))
    assert said(status.conditions)["CapacityKnown"] == ("False", "NotDeclared")
    assert said(status.conditions)["Ready"] == ("True", "Ready")


WITH_FLOOR = policy(
    {"name": "enterprise", "priority": 1}, {"name": "retail", "priority": 0, "minimumPercent": 20}
)


def test_parts_of_a_rate_that_is_not_known_are_said_not_to_be_in_force() -> None:
    serving = pool(
        "pool",
        accelerator(rate=1000, maxReplicas=1),
        accelerator("b200", B200, rate=None),
        replicas=2,
        partitioning={"lendablePercent": 50, "spareReplicas": 0},
    )
    contract = reservation("acme", 100, lending={"lendablePercent": 0})
    status = of_pool(world(WITH_FLOOR, serving, contract, nodes=nodes(H100, 1) | nodes(B200, 1)))
    assert said(status.conditions)["CapacityKnown"] == ("False", "NotDeclared")
    assert message(status.conditions, "CapacityKnown") == (
        "The capacity of b200 is not known, so those replicas count nothing towards promises, and "
        "a part of a rate is not in force: minimumPercent of tier 'retail', "
        "partitioning.lendablePercent, lending.lendablePercent of reservation 'acme'. Declare "
        "capacity.serviceTokensPerSecond of the accelerator."
    )
    assert status.capacity is not None
    assert status.capacity.promised == 100


@pytest.mark.parametrize(
    ("replicas", "told"),
    [
        (
            10,
            (
                "10000 service tokens/s as declared, of which 8100 can be sold. Floors "
                "(minimumPercent) take 2000 of that."
            ),
        ),
        (
            1,
            (
                "1000 service tokens/s as declared, of which 100 can be sold. Floors take 200, so "
                "nothing is left to reserve: lower minimumPercent of the tiers, or add replicas."
            ),
        ),
    ],
)
def test_a_pool_says_what_floors_take_of_what_can_be_sold(replicas: int, told: str) -> None:
    sellable = {"sellablePercent": 90 if replicas > 1 else 10}
    status = of_pool(
        world(
            WITH_FLOOR,
            pool(replicas=replicas, partitioning=sellable),
            nodes=nodes(H100, replicas, devices=1),
        )
    )
    assert message(status.conditions, "CapacityKnown") == told
    assert status.capacity is not None
    assert status.capacity.promised == (2000 if replicas > 1 else 200)


def test_a_pool_whose_policy_is_deleted_says_so_and_shows_what_still_runs() -> None:
    fleet = written(running(preferring_b200()))
    gone = changed(
        fleet, policies={}, replicas={POOL: {"b200": 4, "h100": 2}}, now=NOW + timedelta(days=1)
    )
    status = of_pool(gone)
    assert said(status.conditions)["Accepted"] == ("False", "PolicyNotFound")
    assert said(status.conditions)["Placed"] == ("True", "Placed")
    assert said(status.conditions)["Ready"] == ("False", "PolicyNotFound")
    assert "Stalled" not in said(status.conditions)
    assert status.plan.version == fleet.recorded_of(POOL).version
    assert status.ready_summary == "6/6"


def test_a_new_pool_without_its_policy_waits_for_it() -> None:
    status = of_pool(world(pool(policyRef={"name": "later"}), nodes=FLEET))
    assert said(status.conditions)["Placed"] == ("Unknown", "Pending")
    assert message(status.conditions, "Placed") == (
        "0 of 1 replica placed; nothing is added before the pool is accepted."
    )
    assert status.plan is None


def test_what_only_a_person_can_change_is_stalled() -> None:
    status = of_pool(world(pool(partitioning={"mode": "Dedicated"}), nodes=FLEET))
    assert said(status.conditions)["Stalled"] == ("True", "RoutingRequired")


def test_a_status_does_not_change_while_the_facts_do_not() -> None:
    fleet = written(
        running(world(pool(replicas=2), policy(), reservation("acme", "30%"), nodes=FLEET))
    )

    def with_status(snapshot: Snapshot, **more: Any) -> Snapshot:
        pools = {POOL: snapshot.pools[POOL].model_copy(update={"status": of_pool(snapshot)})}
        acme = (NAMESPACE, "acme")
        contract = snapshot.reservations[acme].model_copy(
            update={"status": of_reservation(snapshot)}
        )
        rules = snapshot.policies[POLICY].model_copy(
            update={"status": summarise_policy(snapshot, POLICY)}
        )
        return changed(
            snapshot, pools=pools, policies={POLICY: rules}, reservations={acme: contract}, **more
        )

    first = with_status(fleet)
    later = changed(first, now=NOW + timedelta(days=3), pods=first.pods[::-1])
    assert of_pool(later) == first.pools[POOL].status
    assert of_reservation(later) == first.reservations[(NAMESPACE, "acme")].status
    assert summarise_policy(later, POLICY) == first.policies[POLICY].status


def test_a_reservation_that_is_kept_tells_its_numbers() -> None:
    status = of_reservation(
        world(pool(replicas=10), reservation("acme", "30%"), nodes=nodes(H100, 2))
    )
    assert said(status.conditions) == {
        "Accepted": ("True", "Fits"),
        "Active": ("True", "InTerm"),
        "Enforced": ("Unknown", "NoReports"),
        "Degraded": ("False", "CapacitySufficient"),
        "Ready": ("True", "Ready"),
    }
    assert (status.guarantee, status.granted, status.requested, status.short_by) == (
        "30%",
        3000,
        3000,
        0,
    )


def test_a_reservation_that_does_not_fit_is_not_ready_and_promises_nothing() -> None:
    status = of_reservation(
        world(pool(replicas=10), reservation("acme", 9000), nodes=nodes(H100, 2))
    )
    assert said(status.conditions) == {
        "Accepted": ("False", "InsufficientCapacity"),
        "Active": ("False", "NotAccepted"),
        "Enforced": ("False", "NotAccepted"),
        "Degraded": ("False", "NotAccepted"),
        "Ready": ("False", "InsufficientCapacity"),
    }
    assert (status.guarantee, status.granted, status.short_by) == ("9000/s", 0, 900)


def test_while_a_change_is_refused_what_is_promised_is_told_and_not_what_is_asked() -> None:
    term = {"end": NOW + timedelta(days=1)}
    fleet = world(pool(replicas=10), reservation("acme", 2000, term=term), nodes=nodes(H100, 2))
    asked = reservation("acme", 9000, term={"end": NOW + timedelta(days=9)})
    status = of_reservation(changed(written(fleet), reservations={asked.key: asked}))
    assert said(status.conditions)["Accepted"] == ("False", "InsufficientCapacity")
    assert (status.guarantee, status.granted, status.requested) == ("2000/s", 2000, 9000)
    assert status.term_end == term["end"]


def test_a_reservation_before_and_after_its_term_is_ready_and_not_active() -> None:
    term = {"start": NOW + timedelta(days=1), "end": NOW + timedelta(days=2)}
    fleet = world(pool(replicas=10), reservation("acme", 900, term=term), nodes=nodes(H100, 2))
    before = of_reservation(fleet)
    assert said(before.conditions)["Active"] == ("False", "NotStarted")
    assert message(before.conditions, "Active") == "Its term starts at 2026-06-02T12:00:00Z."
    assert said(before.conditions)["Ready"] == ("True", "Ready")
    during = of_reservation(changed(fleet, now=term["start"]))
    assert said(during.conditions)["Active"] == ("True", "InTerm")
    after = of_reservation(changed(fleet, now=term["end"]))
    assert said(after.conditions) == {
        "Accepted": ("True", "Fits"),
        "Active": ("False", "Expired"),
        "Enforced": ("False", "Expired"),
        "Degraded": ("False", "Expired"),
        "Ready": ("True", "Ready"),
    }


def test_a_reservation_in_a_pool_that_lost_replicas_is_degraded_with_numbers() -> None:
    full = written(
        world(
            pool(replicas=10),
            reservation("acme", "30%"),
            reservation("globex", 5000),
            nodes=nodes(H100, 10, devices=1),
        )
    )
    lost = changed(full, nodes=nodes(H100, 6, devices=1))
    share, fixed = of_reservation(lost), of_reservation(lost, "globex")
    assert said(share.conditions)["Degraded"] == ("True", "CapacityLost")
    assert message(share.conditions, "Degraded") == (
        "30% of the pool is 1800 service tokens/s, because only 6 of its 10 replicas are placed. "
        "Placed of the InferencePool says what it waits for."
    )
    assert message(fixed.conditions, "Degraded") == (
        "The pool has lost capacity: 2700 of 5000 service tokens/s are guaranteed until it is "
        "back. Placed of the InferencePool says what it waits for."
    )
    assert said(fixed.conditions)["Accepted"] == ("True", "Fits")


def test_a_reservation_whose_part_a_floor_has_taken_says_so() -> None:
    first = written(
        world(pool(replicas=10), reservation("acme", 8000), nodes=nodes(H100, 10, devices=1))
    )
    status = of_reservation(changed(first, policies={WITH_FLOOR.key: WITH_FLOOR}))
    assert said(status.conditions)["Accepted"] == ("True", "Fits")
    assert said(status.conditions)["Degraded"] == ("True", "CapacityLost")
    assert message(status.conditions, "Degraded") == (
        "The pool has lost capacity, or floors have taken it: 6100 of 8000 service tokens/s are "
        "guaranteed. Of 8100 that can be sold floors (minimumPercent) take 2000."
    )


def test_a_reservation_of_no_pool_says_which_is_missing() -> None:
    status = of_reservation(world(reservation("acme", 100)))
    assert said(status.conditions)["Accepted"] == ("False", "PoolNotFound")
    assert message(status.conditions, "Accepted") == (
        "There is no InferencePool 'pool' in namespace 'inference'. Create it, or make a new "
        "reservation that names another one."
    )


def test_a_reservation_that_contradicts_itself_is_stalled() -> None:
    backwards = {"start": NOW, "end": NOW - timedelta(days=1)}
    status = of_reservation(world(pool(), reservation("acme", 100, term=backwards), nodes=FLEET))
    assert said(status.conditions)["Stalled"] == ("True", "Invalid")


def test_a_policy_counts_tenants_and_keys_and_says_who_uses_it() -> None:
    people = (secret("a", "pro", "1", "2"), secret("b", "pro"), secret("c", "retail"))
    fleet = world(
        pool("one"),
        pool("two", partitioning={"mode": "Dedicated"}),
        pool("else", policyRef={"name": "other"}),
        policy(),
        tenants=people,
    )
    status = summarise_policy(fleet, POLICY)
    assert said(status.conditions) == {
        "Accepted": ("True", "Accepted"),
        "Ready": ("True", "Ready"),
    }
    assert (status.tenant_count, status.key_count, status.ancestor_count) == (3, 4, 2)
    assert [(t.name, t.tenants, t.keys) for t in status.tiers] == [
        ("enterprise", 0, 0),
        ("pro", 2, 3),
        ("retail", 1, 1),
    ]
    assert [(a.name, said(a.conditions)["Accepted"]) for a in status.ancestors] == [
        ("one", ("True", "Accepted")),
        ("two", ("False", "RoutingRequired")),
    ]


def test_a_policy_lists_the_first_sixteen_pools_and_counts_all() -> None:
    status = summarise_policy(world(*(pool(f"p{i:02}") for i in range(20))), POLICY)
    assert status.ancestor_count == 20
    assert [a.name for a in status.ancestors] == [f"p{i:02}" for i in range(16)]


def test_a_policy_with_wrong_tenants_says_so_and_is_not_stalled() -> None:
    people = (secret("a", "pro", "k"), secret("b", "pro", "k"))
    status = summarise_policy(world(policy(), tenants=people), POLICY)
    assert said(status.conditions) == {
        "Accepted": ("False", "DuplicateKey"),
        "Ready": ("False", "DuplicateKey"),
    }
    many = tuple(secret(f"t{i}", "gold") for i in range(8))
    told = summarise_policy(world(policy(), tenants=many), POLICY)
    assert message(told.conditions, "Accepted").endswith(
        "3 more problems follow once these are solved."
    )


def test_in_shadow_all_is_accepted_and_nothing_enforced() -> None:
    shadow = written(
        world(policy(enforcement="Shadow"), pool(), reservation("acme", 100), nodes=FLEET)
    )
    assert said(summarise_policy(shadow, POLICY).conditions)["Ready"] == ("True", "Ready")
    serving, contract = of_pool(running(shadow)), of_reservation(shadow)
    for status in (serving, contract):
        assert said(status.conditions)["Accepted"][0] == "True"
        assert said(status.conditions)["Enforced"] == ("False", "Shadow")
        assert said(status.conditions)["Ready"] == ("True", "Ready")
        assert "TierPolicy 'standard' says Shadow" in message(status.conditions, "Enforced")


def test_a_policy_that_is_not_built_is_stalled() -> None:
    gateway = {"gateway": {"secretRef": {"name": "gateway"}}}
    status = summarise_policy(world(policy(identification=gateway)), POLICY)
    assert said(status.conditions)["Accepted"] == ("False", "NotImplemented")
    assert said(status.conditions)["Stalled"] == ("True", "NotImplemented")


def test_how_many_replicas_report_the_plan_is_told_and_stands_until_they_are_asked_again() -> None:
    serving = running(preferring_b200())
    plan = plan_of(serving).plan
    assert plan is not None
    serving = given(serving, plan)
    names = [pod.name for pod in serving.pods]
    told = reported(serving, {name: Report(0, 0, NOW, plan.version) for name in names[1:]})
    status = of_pool(told)
    assert (status.plan.version, status.plan.enforced_replicas) == (plan.version, 5)
    assert said(status.conditions)["Enforced"] == ("True", "PerReplicaShares")
    assert said(status.conditions)["Ready"] == ("True", "Ready")
    known = serving.pools[POOL].model_copy(update={"status": status})
    restarted = changed(serving, pools={POOL: known})
    assert of_pool(restarted) == status
    other = status.model_copy(update={"plan": PlanStatus(version="older", enforced_replicas=5)})
    known = known.model_copy(update={"status": other})
    assert of_pool(changed(serving, pools={POOL: known})).plan.enforced_replicas == 0
