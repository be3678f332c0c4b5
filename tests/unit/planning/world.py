"""Small worlds to plan for: the kinds as a person writes them, nodes, and a binding scheduler."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tierfleet.api import CapacityReservation, InferencePool, TierPolicy
from tierfleet.plan import Group, Plan, sha256_hex, split
from tierfleet.plan.parts import INDEX
from tierfleet.planning import enforcement, record
from tierfleet.planning import nodes as rules
from tierfleet.planning.devices import device_groups, grant
from tierfleet.planning.measured import MeanCost, Rate
from tierfleet.planning.placement import Placement
from tierfleet.planning.pool import PoolPlan, TokenHashes, plan_pool
from tierfleet.planning.published import NOTHING_RECORDED, Published, Recorded, Report
from tierfleet.planning.snapshot import Node, Pod, PoolKey, Snapshot
from tierfleet.planning.tenancy import TenantSecret

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAMESPACE = "inference"
GPU = "nvidia.com/gpu"
PRODUCT = "nvidia.com/gpu.product"
B200 = "NVIDIA-B200"
H100 = "NVIDIA-H100-80GB-HBM3"
NOTHING_KNOWN = enforcement.Enforcement(NOTHING_RECORDED)
TOKENS = TokenHashes(sha256_hex("admin"), sha256_hex("hook"))


def accelerator(name: str = "h100", product: str = H100, devices: int = 1, **more: Any) -> Any:
    """An accelerator; `rate` is its declared capacity, 1000 unless given, None for undeclared."""
    rate = more.pop("rate", 1000)
    capacity = {"capacity": {"serviceTokensPerSecond": rate}} if rate else {}
    return {
        "name": name,
        "products": [product],
        "devicesPerReplica": devices,
        **capacity,
        **more,
    }


B200_THEN_H100 = (
    accelerator("b200", B200, 2, maxReplicas=4, rate=24000),
    accelerator("h100", H100, 4, maxReplicas=8, rate=14000),
)


def pool(name: str = "pool", *accelerators: Any, age: int = 10, **spec: Any) -> InferencePool:
    """A pool on one kind of H100 unless accelerators are given; `age` in days."""
    return InferencePool.model_validate(
        {
            "metadata": _metadata(name, age),
            "spec": {
                "policyRef": {"name": "standard"},
                "model": {"name": "tiny", "source": "/models/tiny"},
                "engine": {"image": "vllm:1"},
                "sidecar": {"image": "tierfleet:1"},
                "accelerators": list(accelerators or (accelerator(),)),
                **spec,
            },
        }
    )


def policy(*tiers: Any, name: str = "standard", **spec: Any) -> TierPolicy:
    """A policy with the tiers enterprise, pro and retail unless tiers are given."""
    usual = (
        {"name": "enterprise", "priority": 100},
        {"name": "pro", "priority": 50},
        {"name": "retail", "priority": 0},
    )
    return TierPolicy.model_validate(
        {"metadata": _metadata(name, 10), "spec": {"tiers": list(tiers or usual), **spec}}
    )


def reservation(
    name: str, guarantee: Any, tenants: Iterable[str] = (), age: int = 5, **spec: Any
) -> CapacityReservation:
    """A reservation in the pool named `pool`; an int is a rate, `"30%"` a percent."""
    if isinstance(guarantee, int):
        guarantee = {"serviceTokensPerSecond": guarantee}
    elif isinstance(guarantee, str):
        guarantee = {"percent": int(guarantee.removesuffix("%"))}
    return CapacityReservation.model_validate(
        {
            "metadata": _metadata(name, age),
            "spec": {
                "poolRef": {"name": spec.pop("pool", "pool")},
                "tenants": list(tenants or [name]),
                "guarantee": guarantee,
                **spec,
            },
        }
    )


def secret(tenant: str, tier: str = "enterprise", *keys: str, age: int = 9, **more: Any) -> Any:
    """A tenant's Secret; its key is `key-<tenant>` unless keys are given."""
    return TenantSecret(
        namespace=NAMESPACE,
        name=more.pop("name", tenant),
        created=NOW - timedelta(days=age),
        policy="standard",
        tenant=tenant,
        tier=tier,
        keys=tuple(sha256_hex(key) for key in keys or (f"key-{tenant}",)),
        **more,
    )


def nodes(product: str, count: int, devices: int = 8, **changes: Any) -> dict[str, Node]:
    """Nodes of a product, named after it."""
    names = (f"{product.lower()}-{i}" for i in range(count))
    return {
        name: replace(
            Node(name, {PRODUCT: product, "host": name}, allocatable={GPU: devices}), **changes
        )
        for name in names
    }


def stranger(node: str, devices: int) -> Pod:
    """A pod of somebody else."""
    return Pod("default", f"other-{node}", f"other-{node}", node, requests={GPU: devices})


def replica(of: str, on: str, node: str | None, devices: int, **more: Any) -> Pod:
    """A pod of the pool `of` on accelerator `on`."""
    name = more.pop("name", f"{of}-{on}-{node}")
    key = (NAMESPACE, of)
    return Pod(NAMESPACE, name, name, node, key, on, {GPU: devices}, **more)


def worker(of: str, on: str, node: str | None, devices: int, **more: Any) -> Pod:
    """A pod that works for a replica of the pool `of` on accelerator `on`."""
    return as_worker(replica(of, on, node, devices, **more))


def as_worker(pod: Pod) -> Pod:
    """The pod in the other part of a replica of several nodes."""
    return replace(pod, pool=None, worker_of=pod.pool or pod.worker_of)


def as_leader(pod: Pod) -> Pod:
    """The pod in the part of a replica of several nodes that counts."""
    return replace(pod, pool=pod.pool or pod.worker_of, worker_of=None)


def world(*objects: Any, **more: Any) -> Snapshot:
    """A snapshot of these objects, with a Secret for every tenant that a reservation names."""
    found: dict[type, dict[Any, Any]] = {InferencePool: {}, TierPolicy: {}, CapacityReservation: {}}
    for obj in objects:
        found[type(obj)][obj.key] = obj
    tenants = {t for r in found[CapacityReservation].values() for t in r.spec.tenants}
    facts: dict[str, Any] = {
        "now": NOW,
        "tenants": tuple(secret(tenant) for tenant in sorted(tenants)),
    }
    return Snapshot(
        **facts
        | {
            "pools": found[InferencePool],
            "policies": found[TierPolicy] or {(NAMESPACE, "standard"): policy()},
            "reservations": found[CapacityReservation],
            "leader_worker_sets": True,
        }
        | more
    )


def changed(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """A copy in which these facts are others."""
    return replace(snapshot, **changes)


def placements(
    snapshot: Snapshot, settled: Collection[PoolKey] = frozenset()
) -> dict[PoolKey, Placement]:
    """The grant of every group, together."""
    groups = device_groups(snapshot.pools.values(), snapshot.nodes.values())
    return {
        key: placement
        for group in groups
        for key, placement in grant(snapshot, group, settled).items()
    }


def summaries(snapshot: Snapshot) -> dict[str, str]:
    """Where each pool is placed, by its name."""
    return {key[1]: placement.summary for key, placement in placements(snapshot).items()}


def plans(snapshot: Snapshot) -> dict[PoolKey, PoolPlan]:
    """The plan of every pool."""
    return {
        key: plan_pool(snapshot, key, placement, TOKENS)
        for key, placement in placements(snapshot).items()
    }


def plan_of(snapshot: Snapshot, name: str = "pool") -> PoolPlan:
    """The plan of one pool."""
    return plans(snapshot)[(NAMESPACE, name)]


def written(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """The world after its plans were written: what was promised is on record."""
    written = {
        key: recorded(found.plan)
        for key, found in plans(snapshot).items()
        if found.plan is not None
    }
    return replace(snapshot, **{"recorded": {**snapshot.recorded, **written}, **changes})


def recorded(document: Plan) -> Recorded:
    """What is read back of a plan that is written."""
    read = record.read(split(document)[INDEX])
    assert read == record.of(document)
    return read


def remembered(mean_cost: MeanCost | None = None, **rates: Rate) -> Recorded:
    """The record of a plan whose groups have these rates, as measured since then."""
    return Recorded(
        "v",
        mean_cost=mean_cost,
        groups=tuple(
            Group(
                name=name,
                accelerator=name,
                desired=1,
                service_tokens_per_second=rate.service_tokens_per_second,
                measured_since=rate.since,
                max_sequences=1,
            )
            for name, rate in rates.items()
        ),
    )


def given(snapshot: Snapshot, *plans: Plan, ago: int = 3600, name: str = "pool") -> Snapshot:
    """The world in which a pool's replicas were given these plans, `ago` seconds each; the last is
    in force since then."""
    times = [snapshot.now - timedelta(seconds=ago * n) for n in range(len(plans), 0, -1)]
    published = tuple(
        Published(number, recorded(plan), since)
        for number, (plan, since) in enumerate(zip(plans, times, strict=True))
    )
    return replace(snapshot, published={**snapshot.published, (NAMESPACE, name): published})


def reported(snapshot: Snapshot, said: Mapping[str, Report]) -> Snapshot:
    """The world in which replicas have said that, by the pod's name."""
    uids = {pod.name: pod.uid for pod in snapshot.pods}
    reports = {uids[name]: report for name, report in said.items()}
    return replace(snapshot, reports={**snapshot.reports, **reports})


def bound(snapshot: Snapshot, wanted: Mapping[PoolKey, Placement], *, spread: bool) -> Snapshot:
    """The world after Deployments and scheduler did their work; what found no node is pending.

    Pods beyond what is wanted are gone, the live ones stay, new ones go to the emptiest node
    (`spread`, as the scheduler does by default) or to the fullest that has room. Which pod of a
    replica of several nodes leads is made out anew: here only the places count.
    """
    own = {pod.uid for key in wanted for pod in (*snapshot.pods_of(key), *snapshot.workers_of(key))}
    pods = [pod for pod in snapshot.pods if pod.uid not in own]
    missing: list[tuple[PoolKey, Any, bool]] = []
    for key, placement in wanted.items():
        for spec in snapshot.pools[key].spec.accelerators:
            live = [
                pod
                for pod in (*snapshot.pods_of(key), *snapshot.workers_of(key))
                if pod.accelerator == spec.name
                and pod.node
                and not (pod.terminating or pod.finished)
            ]
            places = placement.desired[spec.name] * spec.nodes_per_replica
            leads = placement.desired[spec.name]
            kept = live[:places]
            pods += [*map(as_leader, kept[:leads]), *map(as_worker, kept[leads:])]
            missing += [(key, spec, number < leads) for number in range(len(kept), places)]
    free = {
        (node.name, resource): count
        - sum(
            pod.requests.get(resource, 0)
            for pod in pods
            if pod.node == node.name and not pod.finished
        )
        for node in snapshot.nodes.values()
        for resource, count in node.allocatable.items()
    }
    for key, spec, leads in missing:
        template = snapshot.pools[key].spec.template
        room = [
            (free[(node.name, spec.resource)], node.name)
            for node in snapshot.nodes.values()
            if free.get((node.name, spec.resource), 0) >= spec.devices_per_replica
            and rules.takes(node, spec, template)
        ]
        node = (max(room) if spread else min(room))[1] if room else None
        if node:
            free[(node, spec.resource)] -= spec.devices_per_replica
        name = f"{key[1]}-{spec.name}-new-{len(pods)}"
        pod = Pod(
            key[0],
            name,
            name,
            node,
            key,
            spec.name,
            {spec.resource: spec.devices_per_replica},
            ready=node is not None,
            unschedulable=node is None,
        )
        pods.append(pod if leads else as_worker(pod))
    asked_for = {key: placement.desired for key, placement in wanted.items()}
    return replace(snapshot, pods=tuple(pods), replicas={**snapshot.replicas, **asked_for})


def _metadata(name: str, age: int) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-{name}",
        "generation": 1,
        "creationTimestamp": NOW - timedelta(days=age),
    }
