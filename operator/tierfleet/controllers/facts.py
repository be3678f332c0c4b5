"""A snapshot of objects that are at hand, from files or from lists; the operator's is `store.py`.

The same projections, without caches: nothing is followed. It must not know where the objects come
from. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tierfleet.api import GROUP, KINDS, Key
from tierfleet.api.common import POLICY_LABEL, Resource
from tierfleet.controllers import own
from tierfleet.kube import project
from tierfleet.kube.resources import (
    NODES,
    PODS,
    POLICIES,
    POOLS,
    REPLICAS,
    RESERVATIONS,
    SECRETS,
    Raw,
    ResourceType,
    key_of,
)
from tierfleet.manifests import labels, names
from tierfleet.plan.parts import INDEX
from tierfleet.planning import record
from tierfleet.planning.published import Recorded
from tierfleet.planning.snapshot import Node, Pod, Snapshot
from tierfleet.planning.tenancy import TenantSecret

USED = (POLICIES, POOLS, RESERVATIONS, SECRETS, NODES, PODS, *REPLICAS)
"""What a plan is made from."""

_MODELS: dict[str, type[Resource]] = {kind.definition.kind: kind for kind in KINDS}


def type_of(raw: Raw) -> ResourceType | None:
    """The resource type, if a plan is made from such objects."""
    version, kind = raw.get("apiVersion"), raw.get("kind")
    return next((t for t in USED if (t.api_version, t.kind) == (version, kind)), None)


def model_of(type_: ResourceType) -> type[Resource] | None:
    """The model of one of our kinds."""
    return _MODELS[type_.kind] if type_.group == GROUP else None


def snapshot(objects: Iterable[Raw], now: datetime, *, leader_worker_sets: bool = True) -> Snapshot:
    """What planning knows if these objects are all there are; others than `USED` are left out.

    Without what they are made from a pool asks for as many replicas as there are of it.
    `leader_worker_sets` is whether the cluster knows that kind.
    """
    found: dict[ResourceType, dict[Key, Any]] = {type_: {} for type_ in USED}
    nodes: dict[str, Node] = {}
    pods: list[Pod] = []
    tenants: list[TenantSecret] = []
    recorded: dict[Key, Recorded] = {}
    replicas: dict[Key, dict[str, int]] = defaultdict(dict)
    for raw in objects:
        type_ = type_of(raw)
        if type_ is None:
            continue
        key, own_labels = key_of(raw), raw["metadata"].get("labels") or {}
        pool = (key[0], own_labels.get(labels.POOL, ""))
        model = model_of(type_)
        if model is not None:
            kept = own.projection(model)(raw)
            if kept is not None:
                found[type_][key] = kept.object
        elif type_ == NODES:
            nodes[key[1]] = project.node(raw)
        elif type_ == PODS:
            pods += [pod] if (pod := project.pod(raw)) is not None else []
        elif type_ in REPLICAS and pool[1]:
            accelerator = own_labels.get(labels.ACCELERATOR, "")
            replicas[pool][accelerator] = (raw.get("spec") or {}).get("replicas", 0)
        elif type_ == SECRETS and POLICY_LABEL in own_labels:
            tenants.append(project.tenant(raw))
        elif type_ == SECRETS and pool[1] and key[1] == names.plan_index(pool[1]):
            recorded[pool] = record.read(project.decoded(raw).get(INDEX, b""))
    return Snapshot(
        now=now,
        pools=found[POOLS],
        policies=found[POLICIES],
        reservations=found[RESERVATIONS],
        tenants=tuple(tenants),
        nodes=nodes,
        pods=tuple(pods),
        recorded=recorded,
        replicas=_counted(pods) | replicas,
        leader_worker_sets=leader_worker_sets,
    )


def _counted(pods: Iterable[Pod]) -> dict[Key, dict[str, int]]:
    counts: dict[Key, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for pod in pods:
        if pod.pool is not None and pod.accelerator is not None:
            counts[pod.pool][pod.accelerator] += not (pod.finished or pod.terminating)
    return {pool: dict(of_pool) for pool, of_pool in counts.items()}
