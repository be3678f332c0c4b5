"""A fleet of a given size, in objects: what a large platform team would have. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Any, Final

from e2e import nodes
from e2e.world import Document

NAMESPACES: Final = 10
DEVICES: Final = 8
REPLICAS: Final = 10
POOLS_OF_A_GROUP: Final = 8
"""Pools that share a product, and with it nodes: what one team has in one zone."""
TENANTS_OF_A_POOL: Final = 20


@dataclass(frozen=True)
class Size:
    """How many of what; everything grows with the pools.

    Attributes:
        pools: with ten replicas of one device each. A multiple of 40.
    """

    pools: int

    @property
    def policies(self) -> int:
        """One for ten pools."""
        return self.pools // 10

    @property
    def keys(self) -> int:
        """Each in a Secret of its own."""
        return self.pools * TENANTS_OF_A_POOL

    @property
    def reservations(self) -> int:
        """Two a pool."""
        return self.pools * 2

    @property
    def pods(self) -> int:
        """Of all pools."""
        return self.pools * REPLICAS

    @property
    def nodes(self) -> int:
        """Just as many as the pods fill."""
        return self.pods // DEVICES

    def describe(self) -> str:
        """In words."""
        return (
            f"{self.pools:,} pools, {self.policies:,} policies with {self.keys:,} keys,"
            f" {self.reservations:,} reservations, {self.pods:,} pods on {self.nodes:,} nodes"
        )


def namespace(pool: int) -> str:
    """Where a pool is, with its policy: ten pools after each other are in one."""
    return f"team-{pool // 10 % NAMESPACES}"


def pool_name(pool: int) -> str:
    """What it is called."""
    return f"pool-{pool}"


def product(pool: int) -> str:
    """The product that the pool runs on, a group's own."""
    return f"NVIDIA-H100-80GB-HBM3-G{pool // POOLS_OF_A_GROUP}"


def gpu_nodes(size: Size) -> Iterator[Document]:
    """All nodes, each of the product of one group."""
    each = POOLS_OF_A_GROUP * REPLICAS // DEVICES
    for number in range(size.nodes):
        group = number // each
        yield nodes.gpu_node(
            f"gpu-{number}", product=product(group * POOLS_OF_A_GROUP), devices=DEVICES
        )


def objects(size: Size) -> Iterator[Document]:
    """Everything that people would write: policies, tenants, pools, reservations."""
    numbers = count()
    for pool in range(size.pools):
        there = {"namespace": namespace(pool)}
        policy = f"policy-{pool // 10}"
        if pool % 10 == 0:
            yield _policy(policy, there)
        for _ in range(TENANTS_OF_A_POOL):
            yield _tenant(f"tenant-{next(numbers)}", policy, there)
        yield _pool(pool, policy, there)
        for turn, guarantee in enumerate(({"percent": 20}, {"serviceTokensPerSecond": 20_000})):
            # Of the pool's own twenty, so that no tenant has two contracts in a pool.
            tenant = f"tenant-{pool * TENANTS_OF_A_POOL + turn}"
            yield _reservation(f"{pool_name(pool)}-{turn}", pool, tenant, guarantee, there)


def _policy(name: str, there: dict[str, str]) -> Document:
    tiers = (("enterprise", 100), ("pro", 50), ("retail", 0))
    return {
        "apiVersion": "tierfleet.dev/v1alpha1",
        "kind": "TierPolicy",
        "metadata": {"name": name, **there},
        "spec": {"tiers": [{"name": tier, "priority": number} for tier, number in tiers]},
    }


def _tenant(name: str, policy: str, there: dict[str, str]) -> Document:
    labels = {"policy": policy, "tenant": name, "tier": "enterprise"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": {f"tierfleet.dev/{key}": value for key, value in labels.items()},
            **there,
        },
        "stringData": {"key": f"sha256:{sha256(name.encode()).hexdigest()}"},
    }


def _pool(pool: int, policy: str, there: dict[str, str]) -> Document:
    h100: dict[str, Any] = {
        "name": "h100",
        "products": [product(pool)],
        "capacity": {"serviceTokensPerSecond": 14_000},
    }
    return {
        "apiVersion": "tierfleet.dev/v1alpha1",
        "kind": "InferencePool",
        "metadata": {"name": pool_name(pool), **there},
        "spec": {
            "policyRef": {"name": policy},
            "model": {"name": "llama", "source": "hf://meta-llama/Llama-3.3-70B-Instruct"},
            "engine": {"image": "vllm/vllm-openai:v0.32.0"},
            "sidecar": {"image": "tierfleet/sidecar:0.1.0"},
            "accelerators": [h100],
            "replicas": REPLICAS,
        },
    }


def _reservation(
    name: str, pool: int, tenant: str, guarantee: dict[str, int], there: dict[str, str]
) -> Document:
    return {
        "apiVersion": "tierfleet.dev/v1alpha1",
        "kind": "CapacityReservation",
        "metadata": {"name": name, **there},
        "spec": {
            "poolRef": {"name": pool_name(pool)},
            "tenants": [tenant],
            "guarantee": guarantee,
            "burst": {"windowMilliseconds": 100},
        },
    }
