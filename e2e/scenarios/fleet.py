"""A fleet on the real node, in the words of the scenarios: policy, tenants, pools."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from e2e.images.build import tag
from e2e.realcluster import RealCluster
from e2e.scenarios.clients import Clients
from e2e.wait import wait_until
from e2e.world import Document, World

START_SECONDS = 180.0
MODEL = "llama-3.1-8b"
SEATS = 8

TIERS: tuple[Mapping[str, Any], ...] = (
    {"name": "enterprise", "priority": 100, "limits": {"requestsPerMinute": 10_000}},
    {"name": "pro", "priority": 50},
    {"name": "retail", "priority": 0, "queue": {"maxRequests": 200, "maxWaitMilliseconds": 60_000}},
)

H100 = {
    "name": "h100",
    "products": ["NVIDIA-H100-80GB-HBM3"],
    "devicesPerReplica": 1,
    "capacity": {"serviceTokensPerSecond": 4000},
}


def policy(**tiers: Mapping[str, Any]) -> Document:
    """The policy of a scenario; by tier's name, what it says beside `TIERS`."""
    return {
        "apiVersion": "tierfleet.dev/v1alpha1",
        "kind": "TierPolicy",
        "metadata": {"name": "standard"},
        "spec": {
            "burndown": {"version": "2026-11", "input": "1", "cachedInput": "0.1", "output": "4"},
            "tiers": [{**tier, **tiers.get(str(tier["name"]), {})} for tier in TIERS],
        },
    }


def pool(
    name: str, replicas: int, engine: Mapping[str, Any] | None = None, **spec: Any
) -> Document:
    """A pool of our images: a sidecar and a simulated engine a replica, restricted and small."""
    small = {"requests": {"cpu": "20m", "memory": "64Mi"}}
    return {
        "apiVersion": "tierfleet.dev/v1alpha1",
        "kind": "InferencePool",
        "metadata": {"name": name},
        "spec": {
            "policyRef": {"name": "standard"},
            "model": {"name": MODEL, "source": "hf://some/model", "aliases": ["default"]},
            "engine": {
                "type": "VLLM",
                "image": tag("engine"),
                "maxSequences": SEATS,
                "sharedMemory": "16Mi",
                "resources": small,
                **(engine or {}),
            },
            "sidecar": {"image": tag("sidecar"), "resources": small},
            "accelerators": [H100],
            "drainTimeoutSeconds": 30,
            "replicas": replicas,
            **spec,
        },
    }


@dataclass(frozen=True)
class Fleet:
    """A namespace of the real cluster that the operator serves."""

    real: RealCluster
    world: World

    def up(self, pool: str, replicas: int) -> None:
        """Return once the pool is ready and every replica of it is behind the Service."""
        self.world.wait_for_condition("tpool", pool, "Ready", "True")
        wait_until(
            lambda: self.world.endpoints(pool) == replicas,
            timeout=START_SECONDS,
            why=f"{replicas} endpoints of {pool}; {self.describe(pool)}",
        )

    def version(self, pool: str) -> str:
        """Of the plan that the pool's replicas are given."""
        return str(self.world.status("tpool", pool)["plan"]["version"])

    def enforced(self, pool: str, replicas: int, *, other_than: str = "") -> None:
        """Return once so many replicas report the plan in force, which is another one than that."""

        def reported() -> bool:
            plan = self.world.status("tpool", pool).get("plan", {})
            condition = self.world.condition("tpool", pool, "Enforced")
            return bool(
                plan.get("enforcedReplicas") == replicas
                and plan["version"] != other_than
                and plan["version"] in condition["message"]
                and condition["status"] == "True"
            )

        wait_until(
            reported,
            timeout=START_SECONDS,
            why=f"{replicas} replicas to report another plan than {other_than!r}; it is "
            f"{self.world.status('tpool', pool)}",
        )

    def clients(self, pool: str) -> Clients:
        """Callers of the pool, through its Service."""
        return Clients(self.real.url(self.world.namespace, pool), MODEL)

    def describe(self, pool: str) -> str:
        """What is known about a pool's pods, for a failure's message."""
        return "; ".join(
            f"{pod['metadata']['name']}: {pod['status'].get('phase')} "
            f"{[c.get('state') for c in pod['status'].get('containerStatuses', [])]}"
            for pod in self.world.pods(pool)
        )

    def remove(self, *pools: str) -> None:
        """Delete pools and return once their pods are gone, so that the next has the devices."""
        for pool in pools:
            self.world.kubectl("delete", "tpool", pool, "--ignore-not-found")
        wait_until(
            lambda: not self.world.all("pods", "--selector=tierfleet.dev/pool"),
            timeout=START_SECONDS,
            why="the pods to be gone",
        )
