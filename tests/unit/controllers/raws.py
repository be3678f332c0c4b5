"""Objects as an API server sends them, and a store that holds them."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.unit.kube.fake import FakeCluster
from tierfleet.api import Key
from tierfleet.controllers import child
from tierfleet.controllers.store import Store
from tierfleet.kube.resources import DEPLOYMENTS, Raw, ResourceType
from tierfleet.manifests import labels, names
from tierfleet.plan.parts import INDEX

NAMESPACE = "inference"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
PRODUCT = "nvidia.com/gpu.product"
H100 = "NVIDIA-H100-80GB-HBM3"


class Changes:
    """Edges that only keep what they were told, by kind."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def pool(self, key: Key, *_: Any) -> None:
        self.told.append(("pool", key[1]))

    def policy(self, key: Key, *_: Any) -> None:
        self.told.append(("policy", key[1]))

    def reservation(self, key: Key, *_: Any) -> None:
        self.told.append(("reservation", key[1]))

    def tenant(self, key: Key, *_: Any) -> None:
        self.told.append(("tenant", key[1]))

    def child(self, key: Key, *_: Any) -> None:
        self.told.append(("child", key[1]))

    def served(self, type_: ResourceType) -> None:
        self.told.append(("served", type_.kind))

    def node(self, key: Key, *_: Any) -> None:
        self.told.append(("node", key[1]))

    def pod(self, key: Key, *_: Any) -> None:
        self.told.append(("pod", key[1]))


def store(changes: Changes | None = None) -> Store:
    """An empty store whose clock stands at `NOW`."""
    return Store(FakeCluster(), changes or Changes(), [NAMESPACE], lambda: NOW)


_versions = iter(range(1, 1_000_000))


def metadata(name: str, **more: Any) -> Raw:
    """Metadata that is younger than any before."""
    return {
        "namespace": NAMESPACE,
        "name": name,
        "uid": f"uid-{name}",
        "generation": 1,
        "resourceVersion": str(next(_versions)),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **more,
    }


def policy(name: str = "standard") -> Raw:
    """A policy with one tier."""
    spec = {"tiers": [{"name": "retail", "priority": 0}]}
    return {"kind": "TierPolicy", "metadata": metadata(name), "spec": spec}


def pool(name: str, replicas: int, product: str = H100, **more: Any) -> Raw:
    """A pool on one accelerator, `gpu`, with one device per replica."""
    return {
        "kind": "InferencePool",
        "metadata": metadata(name, **more),
        "spec": {
            "policyRef": {"name": "standard"},
            "model": {"name": "m", "source": "/m"},
            "engine": {"image": "vllm:1"},
            "sidecar": {"image": "tierfleet:1"},
            "accelerators": [{"name": "gpu", "products": [product]}],
            "replicas": replicas,
        },
    }


def reservation(name: str, pool: str, term: Raw) -> Raw:
    """A reservation of 10 % for the tenant of its name."""
    return {
        "kind": "CapacityReservation",
        "metadata": metadata(name),
        "spec": {
            "poolRef": {"name": pool},
            "tenants": [name],
            "guarantee": {"percent": 10},
            "maxWaitMilliseconds": 100,
            "term": term,
        },
    }


def node(name: str, devices: int, product: str = H100) -> Raw:
    """A ready node."""
    own = metadata(name, labels={PRODUCT: product})
    del own["namespace"]
    return {
        "metadata": own,
        "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "allocatable": {"nvidia.com/gpu": str(devices)},
        },
    }


def index(pool: str, owner: str = "", manager: str = child.MANAGER, **document: Any) -> Raw:
    """The index of the pool's plan, as that manager wrote it last."""
    text = json.dumps(document).encode()
    raw = {
        "metadata": metadata(
            names.plan_index(pool),
            labels=labels.selector(pool),
            ownerReferences=[{"uid": owner or f"uid-{pool}", "controller": True}],
        ),
        "data": {INDEX: base64.b64encode(text).decode()},
    }
    return as_applied(raw, {"f:data": {f"f:{INDEX}": {}}}, manager)


def deployment(
    pool: str,
    replicas: int,
    accelerator: str = "gpu",
    product: str = H100,
    /,
    **status: Any,
) -> Raw:
    """A pool's Deployment as we applied it; rolled out unless `status` says otherwise."""
    where = {"key": PRODUCT, "operator": "In", "values": [product]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [where]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    done = {
        "observedGeneration": 1,
        "updatedReplicas": replicas,
        "availableReplicas": replicas,
    }
    return {
        "kind": "Deployment",
        "metadata": metadata(
            names.replicas(pool, accelerator),
            labels=labels.selector(pool) | {labels.ACCELERATOR: accelerator},
            ownerReferences=[{"uid": f"uid-{pool}", "controller": True}],
        ),
        "spec": {"replicas": replicas, "template": {"spec": {"affinity": affinity}}},
        "status": done | status,
    }


def leader_worker_set(pool: str, replicas: int, accelerator: str = "gpu", /, **status: Any) -> Raw:
    """The same of replicas of several nodes."""
    raw = deployment(pool, replicas, accelerator)
    done = {"observedGeneration": 1, "updatedReplicas": replicas, "readyReplicas": replicas}
    templates = {"leaderTemplate": raw["spec"]["template"], "workerTemplate": {"spec": {}}}
    return raw | {
        "kind": "LeaderWorkerSet",
        "spec": {"replicas": replicas, "leaderWorkerTemplate": templates},
        "status": {"replicas": replicas} | done | status,
    }


def worker(pool: str, name: str) -> Raw:
    """A pod that works for a replica of the pool on `gpu`, with one device."""
    own = metadata(name, labels={labels.WORKER_OF: pool, labels.ACCELERATOR: "gpu"})
    devices = {"limits": {"nvidia.com/gpu": "1"}}
    return {
        "metadata": own,
        "spec": {"nodeName": "n", "containers": [{"name": "engine", "resources": devices}]},
        "status": {},
    }


def pod(pool: str, name: str, *, ready: bool = True) -> Raw:
    """A replica of the pool on `gpu`, bound to node `n`."""
    own = metadata(name, labels={labels.POOL: pool, labels.ACCELERATOR: "gpu"})
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": own, "spec": {"nodeName": "n"}, "status": {"conditions": conditions}}


def as_applied(raw: Raw, fields: Raw, manager: str = child.MANAGER) -> Raw:
    """The object with managedFields that give `fields` to a manager."""
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    others = raw["metadata"].get("managedFields", [])
    return raw | {"metadata": raw["metadata"] | {"managedFields": [*others, entry]}}


def live(raw: Mapping[str, Any]) -> child.Child:
    """A Deployment as it is kept."""
    return child.project(DEPLOYMENTS, dict(raw))
