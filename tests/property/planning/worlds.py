"""Random worlds: pools that share products, nodes in every state, strangers, contracts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.unit.planning.world import (
    B200,
    GPU,
    H100,
    NAMESPACE,
    NOW,
    PRODUCT,
    accelerator,
    pool,
    replica,
    reservation,
    secret,
    world,
)
from tierfleet.api import CapacityReservation, InferencePool
from tierfleet.planning.nodes import carries
from tierfleet.planning.snapshot import Node, Pod, Snapshot, Taint

TENANTS = "abcde"
NAMES = ("alpha", "beta", "gamma")
SIZES = st.sampled_from([1, 2, 3, 4, 8])
TAINTS = st.sampled_from(
    [(), (Taint(GPU, "NoSchedule"),), (Taint("team", "NoSchedule", "x"),)],
)


@st.composite
def accelerators(draw: st.DrawFn) -> list[Any]:
    found = []
    for name, product in draw(st.permutations([("b200", B200), ("h100", H100)])):
        low = draw(st.integers(0, 2))
        high = draw(st.none() | st.integers(low, 6))
        limits = {"minReplicas": low} | ({} if high is None else {"maxReplicas": high})
        rate = draw(st.sampled_from([0, 500, 1000, 2400]))
        found.append(accelerator(name, product, draw(SIZES), rate=rate, **limits))
    return found[: draw(st.integers(1, 2))]


@st.composite
def pools(draw: st.DrawFn, name: str) -> InferencePool:
    return pool(
        name,
        *draw(accelerators()),
        age=draw(st.integers(0, 3)),
        replicas=draw(st.integers(0, 8)),
        placementWeight=draw(st.integers(1, 2)),
        policyRef={"name": draw(st.sampled_from(["standard"] * 7 + ["gone"]))},
        partitioning={
            "spareReplicas": draw(st.integers(0, 2)),
            "sellablePercent": draw(st.sampled_from([1, 50, 90, 100])),
        },
    )


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Node:
    return Node(
        name,
        {PRODUCT: draw(st.sampled_from([B200, H100, f"{H100}-SHARED"]))},
        draw(TAINTS),
        ready=draw(st.sampled_from([True, True, True, False])),
        schedulable=draw(st.sampled_from([True, True, True, False])),
        allocatable={GPU: draw(st.integers(0, 8))},
    )


@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(st.none() | st.integers(-4, 4))
    length = draw(st.none() | st.integers(1, 5))
    term = {} if start is None else {"start": NOW + timedelta(days=start)}
    if length is not None:
        term["end"] = (term.get("start") or NOW) + timedelta(days=length)
    return term


@st.composite
def contracts(draw: st.DrawFn, number: int) -> CapacityReservation:
    return reservation(
        f"r{number}",
        draw(st.integers(1, 60).map(lambda n: f"{n}%") | st.integers(1, 5000)),
        draw(st.lists(st.sampled_from(TENANTS), min_size=1, max_size=2, unique=True)),
        age=draw(st.integers(0, 3)),
        pool=draw(st.sampled_from(NAMES)),
        term=draw(terms()),
        burst={"windowMilliseconds": 1},
    )


@st.composite
def snapshots(draw: st.DrawFn, *, reservations: int = 6) -> Snapshot:
    """Up to three pools that may share devices, and whatever may stand on their nodes."""
    found = {name: draw(nodes(name)) for name in [f"n{i}" for i in range(draw(st.integers(0, 5)))]}
    own = [draw(pools(name)) for name in NAMES[: draw(st.integers(1, 3))]]
    return world(
        *own,
        *(draw(contracts(i)) for i in range(draw(st.integers(0, reservations)))),
        tenants=tuple(secret(tenant) for tenant in TENANTS),
        nodes=found,
        pods=tuple(draw(pods(own, found))),
        replicas={
            p.key: {a.name: draw(st.integers(0, 2)) for a in p.spec.accelerators} for p in own
        },
    )


@st.composite
def pods(draw: st.DrawFn, own: list[InferencePool], found: dict[str, Node]) -> list[Pod]:
    """Pods that fit on their nodes, as the scheduler would have bound them at some time."""
    placed = []
    for node in found.values():
        left = node.allocatable[GPU]
        for number in range(draw(st.integers(0, 3))):
            name = f"p-{node.name}-{number}"
            here = [
                replica(p.metadata.name, a.name, node.name, a.devices_per_replica, name=name)
                for p in own
                for a in p.spec.accelerators
                if carries(node, a)
            ]
            other = Pod("default", name, name, node.name, requests={GPU: draw(st.integers(1, 8))})
            pod = draw(st.sampled_from([other, *here]))
            if pod.requests[GPU] > left:
                continue
            left -= pod.requests[GPU]
            state = draw(st.sampled_from(["live", "live", "terminating", "finished"]))
            placed.append(
                replace(pod, terminating=state == "terminating", finished=state == "finished")
            )
    if draw(st.booleans()):
        waiting = draw(st.sampled_from(own))
        on = waiting.spec.accelerators[0]
        placed.append(
            replica(
                waiting.metadata.name,
                on.name,
                None,
                on.devices_per_replica,
                name="waiting",
                unschedulable=True,
            )
        )
    return placed


def key(name: str) -> tuple[str, str]:
    return (NAMESPACE, name)
