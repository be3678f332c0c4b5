"""A namespace with a fleet in it, in the words of the scenarios."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from e2e.cluster import Cluster
from e2e.nodes import LOAD_DURATION
from e2e.wait import wait_until

PATIENCE_SECONDS = 60.0
POOL_LABEL = "tierfleet.dev/pool"

Document = dict[str, Any]


@dataclass(frozen=True)
class World:
    """One namespace of a cluster."""

    cluster: Cluster
    namespace: str

    def apply(self, *documents: Document) -> None:
        """Apply documents in the namespace."""
        self.cluster.apply(
            *(d | {"metadata": d["metadata"] | {"namespace": self.namespace}} for d in documents)
        )

    def kubectl(self, *args: str, check: bool = True) -> str:
        """Run kubectl in the namespace and return what it printed."""
        return self.cluster.kubectl("--namespace", self.namespace, *args, check=check).stdout

    def get(self, kind: str, name: str) -> Document:
        """The object; an error if it is not there."""
        return self.cluster.get(kind, name, "--namespace", self.namespace)

    def find(self, kind: str, name: str) -> Document | None:
        """The object, if it is there."""
        return self.cluster.find(kind, name, "--namespace", self.namespace)

    def all(self, kinds: str, *args: str) -> list[Document]:
        """All objects of the kinds."""
        items: list[Document] = self.cluster.get(kinds, "--namespace", self.namespace, *args)[
            "items"
        ]
        return items

    def placement(self, pool: str) -> str:
        """What `kubectl get tpool` shows as PLACEMENT."""
        summary: str = self.status("tpool", pool).get("placementSummary", "")
        return summary

    def status(self, kind: str, name: str) -> Document:
        """The status of an object of ours."""
        status: Document = self.get(kind, name).get("status", {})
        return status

    def condition(self, kind: str, name: str, type_: str) -> Document:
        """A condition; empty if there is none."""
        conditions = self.status(kind, name).get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), {})

    def wait_for_condition(
        self, kind: str, name: str, type_: str, status: str, reason: str = ""
    ) -> Document:
        """Return the condition once it is judged so for the current generation."""

        def judged() -> Document | None:
            generation = self.get(kind, name)["metadata"]["generation"]
            found = self.condition(kind, name, type_)
            holds = (
                found.get("status") == status
                and reason in {"", found.get("reason")}
                and found["observedGeneration"] == generation
            )
            return found if holds else None

        found = wait_until(
            judged,
            timeout=PATIENCE_SECONDS,
            why=f"{kind} {name} to be {type_}={status} {reason}; it is {self.status(kind, name)}",
        )
        assert found is not None
        return found

    def ready(self, pool: str, placement: str) -> bool:
        """Whether all replicas of the pool are placed so, and ready."""
        return (
            self.placement(pool) == placement
            and self.condition("tpool", pool, "Ready").get("status") == "True"
        )

    def wait_ready(self, pool: str, placement: str) -> None:
        """Return once they are."""
        wait_until(
            lambda: self.ready(pool, placement),
            timeout=PATIENCE_SECONDS,
            why=f"pool {pool} to be ready on {placement}; it is {self.status('tpool', pool)}",
        )

    def pods(self, pool: str) -> list[Document]:
        """The pool's pods that are not going away."""
        pods = self.all("pods", f"--selector={POOL_LABEL}={pool}")
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def endpoints(self, service: str) -> int:
        """How many ready pods a Service has."""
        slices = self.all("endpointslices", f"--selector=kubernetes.io/service-name={service}")
        return sum(
            bool(endpoint["conditions"].get("ready"))
            for one in slices
            for endpoint in one.get("endpoints") or ()
        )

    def nodes_of(self, pool: str) -> list[str]:
        """Where the pool's pods are, sorted; `Pending` for those that are nowhere."""
        return sorted(pod["spec"].get("nodeName", "Pending") for pod in self.pods(pool))

    def events(self, name: str, reason: str) -> list[str]:
        """Notes of the Events about an object, of that reason."""
        return [
            event["note"]
            for event in self.all("events.events.k8s.io")
            if event["regarding"]["name"] == name and event["reason"] == reason
        ]


def policy(name: str = "standard", *tiers: str) -> Document:
    """A policy with tiers, the first is highest."""
    named = tiers or ("enterprise", "retail")
    return {
        "apiVersion": "tierfleet.dev/v1alpha1",
        "kind": "TierPolicy",
        "metadata": {"name": name},
        "spec": {
            "tiers": [
                {"name": tier, "priority": 10 * (len(named) - i)} for i, tier in enumerate(named)
            ]
        },
    }


def tenant(
    name: str, tier: str = "enterprise", policy: str = "standard", **annotations: str
) -> Document:
    """A tenant with one key, `key-of-<name>`; `weight="3"` annotates its Secret so."""
    labels = {
        "tierfleet.dev/policy": policy,
        "tierfleet.dev/tenant": name,
        "tierfleet.dev/tier": tier,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"tenant-{name}",
            "labels": labels,
            "annotations": {f"tierfleet.dev/{name}": text for name, text in annotations.items()},
        },
        "stringData": {"key": f"key-of-{name}"},
    }


B200 = {
    "name": "b200",
    "products": ["NVIDIA-B200"],
    "devicesPerReplica": 2,
    "maxReplicas": 4,
    "capacity": {"serviceTokensPerSecond": 24000},
}
H100 = {
    "name": "h100",
    "products": ["NVIDIA-H100-80GB-HBM3"],
    "devicesPerReplica": 4,
    "maxReplicas": 8,
    "capacity": {"serviceTokensPerSecond": 14000},
}


def pool(
    name: str,
    replicas: int,
    *accelerators: Mapping[str, Any],
    load: str = "",
    **spec: Any,
) -> Document:
    """A pool; `load` is how long its pods take to become ready, for example `20s`."""
    template = {"template": {"annotations": {LOAD_DURATION: load}}} if load else {}
    return {
        "apiVersion": "tierfleet.dev/v1alpha1",
        "kind": "InferencePool",
        "metadata": {"name": name},
        "spec": {
            "policyRef": {"name": "standard"},
            "model": {"name": "llama", "source": "hf://meta-llama/Llama-3.3-70B-Instruct"},
            "engine": {"image": "vllm/vllm-openai:v0.32.0"},
            "sidecar": {"image": "tierfleet:test"},
            "accelerators": [dict(a) for a in accelerators or (B200, H100)],
            "replicas": replicas,
            **template,
            **spec,
        },
    }


def reservation(
    name: str, pool: str, tenants: Iterable[str], guarantee: Mapping[str, Any], **spec: Any
) -> Document:
    """A reservation."""
    return {
        "apiVersion": "tierfleet.dev/v1alpha1",
        "kind": "CapacityReservation",
        "metadata": {"name": name},
        "spec": {
            "poolRef": {"name": pool},
            "tenants": list(tenants),
            "guarantee": dict(guarantee),
            **spec,
        },
    }
