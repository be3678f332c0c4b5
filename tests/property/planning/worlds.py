"""Random worlds: pools that share products, nodes in every state, strangers, contracts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.unit.planning.world import (
    B200,
    GPU,
    H100,
    NOW,
    PRODUCT,
    accelerator,
    policy,
    pool,
    replica,
    reservation,
    secret,
    worker,
    world,
)
from tierfleet.api import CapacityReservation, InferencePool, TierPolicy
from tierfleet.planning.nodes import carries
from tierfleet.planning.snapshot import Node, Pod, Snapshot, Taint

POOLS = ("alpha", "beta", "gamma")
TENANTS = "abcdefgh"
SECRETS = tuple(secret(tenant) for tenant in TENANTS)
POLICY = policy()

# Made once: hypothesis validates every strategy anew that is made while it draws.
_FEW = st.integers(0, 2)
_SOME = st.integers(0, 4)
_MANY = st.integers(0, 8)
_ANY = st.integers(0, 99)
_AGE = st.integers(0, 3)
_BOOL = st.booleans()
_MOSTLY = st.sampled_from([True, True, True, False])
_KINDS = st.sampled_from([[("b200", B200)], [("h100", H100)], [("b200", B200), ("h100", H100)]])
_FAST = st.sampled_from([2400, 2400, 2400, 0])
_SIZE = st.sampled_from([1, 1, 2, 3, 4, 8])
_NODES = st.sampled_from([1, 1, 1, 2, 2, 3])
_RATE = st.sampled_from([500, 1000, 1000, 2400, 0])
_MORE_THAN_MINIMUM = st.none() | _SOME
_POLICY = st.sampled_from(["standard"] * 7 + ["gone"])
_SELLABLE = st.sampled_from([90, 100, 50, 10])
_PRODUCT = st.sampled_from([H100, B200, H100, B200, f"{H100}-SHARED"])
_TAINTS = st.sampled_from(
    [(), (Taint(GPU, "NoSchedule"),), (Taint("team", "NoSchedule", "x"),)],
)
_PREPAID = {"serviceTokens": 10**9, "period": "Month", "serviceTokensPerSecond": 500}
_GUARANTEE = (
    st.integers(1, 60).map(lambda n: f"{n}%")
    | st.integers(1, 3000)
    | st.just({"prepaid": _PREPAID})
)
_HOLDERS = st.lists(st.sampled_from(TENANTS), min_size=1, max_size=2, unique=True)
_POOL = st.sampled_from(POOLS)
_DAY = st.none() | st.integers(-4, 4)
_LENGTH = st.none() | st.integers(1, 5)
_FLOOR = st.sampled_from([0, 0, 10, 40, 100])
_LENDABLE = st.sampled_from([100, 100, 50, 0])
_SPILLOVER = st.sampled_from(
    [{}, {"action": "Reject"}, {"action": "Queue"}, {"tier": "retail"}, {"tier": "flex"}]
)
_RECLAIM = st.sampled_from(["NextSeat", "Abort"])
_STATE = st.sampled_from(["live", "live", "terminating", "finished"])


@st.composite
def accelerators(draw: st.DrawFn) -> list[Any]:
    found = []
    for name, product in draw(_KINDS):
        low, more = draw(_FEW), draw(_MORE_THAN_MINIMUM)
        limits = {"minReplicas": low} | ({} if more is None else {"maxReplicas": low + more})
        places = {"nodesPerReplica": draw(_NODES)}
        found.append(accelerator(name, product, draw(_SIZE), rate=draw(_RATE), **limits, **places))
    return found


@st.composite
def pools(draw: st.DrawFn, name: str) -> InferencePool:
    return pool(
        name,
        *draw(accelerators()),
        age=draw(_AGE),
        replicas=draw(_MANY),
        placementWeight=1 + draw(_FEW),
        policyRef={"name": draw(_POLICY)},
        partitioning={"spareReplicas": draw(_FEW), "sellablePercent": draw(_SELLABLE)},
    )


@st.composite
def policies(draw: st.DrawFn) -> TierPolicy:
    """Tiers that contracts may spill over into come and go, and floors rise and fall."""
    tiers = [
        {"name": "enterprise", "priority": 9, "weight": 1 + draw(_FEW)},
        {"name": "retail", "priority": 0, "minimumPercent": draw(_FLOOR)},
        {"name": "flex", "priority": -9, "preemption": "Anytime"},
    ]
    return policy(*tiers[: 2 + draw(_BOOL)])


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Node:
    return Node(
        name,
        {PRODUCT: draw(_PRODUCT)},
        draw(_TAINTS),
        ready=draw(_MOSTLY),
        schedulable=draw(_MOSTLY),
        allocatable={GPU: draw(_MANY)},
    )


@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    start, length = draw(_DAY), draw(_LENGTH)
    term = {} if start is None else {"start": NOW + timedelta(days=start)}
    if length is not None:
        term["end"] = (term.get("start") or NOW) + timedelta(days=length)
    return term


@st.composite
def contracts(draw: st.DrawFn, number: int, pool: str | None = None) -> CapacityReservation:
    return reservation(
        f"r{number}",
        draw(_GUARANTEE),
        draw(_HOLDERS),
        age=draw(_AGE),
        pool=pool or draw(_POOL),
        term=draw(terms()),
        burst={"windowMilliseconds": 1},
        spillover=draw(_SPILLOVER),
        lending={"lendablePercent": draw(_LENDABLE), "reclaim": draw(_RECLAIM)},
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Up to three pools that may share devices, and whatever may stand on their nodes."""
    found = {name: draw(nodes(name)) for name in [f"n{i}" for i in range(draw(_SOME))]}
    own = [draw(pools(name)) for name in POOLS[: 1 + draw(_FEW)]]
    return world(
        *own,
        POLICY,
        *(draw(contracts(number)) for number in range(2)),
        tenants=SECRETS,
        nodes=found,
        pods=tuple(draw(pods(own, found))),
        leader_worker_sets=draw(_MOSTLY),
        replicas={p.key: {a.name: draw(_FEW) for a in p.spec.accelerators} for p in own},
    )


@st.composite
def markets(draw: st.DrawFn) -> Snapshot:
    """One pool that has something to sell, and contracts that want about as much."""
    fast = accelerator("b200", B200, rate=draw(_FAST), maxReplicas=draw(_FEW))
    serving = pool(
        POOLS[0],
        *([fast] if draw(_BOOL) else []),
        accelerator("h100", H100, rate=1000),
        replicas=1 + draw(_MANY),
        partitioning={
            "spareReplicas": draw(_FEW),
            "sellablePercent": draw(_SELLABLE),
            "lendablePercent": draw(_LENDABLE),
        },
    )
    products = {f"n{i}": B200 if i < 2 else H100 for i in range(12)}
    return world(
        serving,
        draw(policies()),
        *(draw(contracts(number, serving.metadata.name)) for number in range(5)),
        tenants=SECRETS,
        nodes={
            name: Node(name, {PRODUCT: product}, allocatable={GPU: 1})
            for name, product in products.items()
        },
    )


@st.composite
def pods(draw: st.DrawFn, own: list[InferencePool], found: dict[str, Node]) -> list[Pod]:
    """Pods that fit on their nodes, as the scheduler would have bound them at some time."""
    placed = []
    for node in found.values():
        left = node.allocatable[GPU]
        for number in range(draw(_FEW)):
            name = f"p-{node.name}-{number}"
            here = [
                part(p.metadata.name, a.name, node.name, a.devices_per_replica, name=name)
                for p in own
                for a in p.spec.accelerators
                if carries(node, a)
                for part in (replica, worker)[: a.nodes_per_replica]
            ]
            other = Pod("default", name, name, node.name, requests={GPU: 1 + draw(_MANY)})
            pod = [other, *here][draw(_ANY) % (1 + len(here))]
            if pod.requests[GPU] > left:
                continue
            left -= pod.requests[GPU]
            state = draw(_STATE)
            placed.append(
                replace(pod, terminating=state == "terminating", finished=state == "finished")
            )
    if draw(_BOOL):
        of = own[draw(_FEW) % len(own)]
        on = of.spec.accelerators[0]
        waiting = replica(
            of.metadata.name,
            on.name,
            None,
            on.devices_per_replica,
            name="waiting",
            unschedulable=True,
        )
        placed.append(waiting)
    return placed
