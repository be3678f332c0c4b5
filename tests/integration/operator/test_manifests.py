"""What the operator would write is accepted by a real API server, to the last field."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from e2e.world import World
from tests.unit.api.documents import changed, examples, full
from tierfleet.api import InferencePool, TierPolicy
from tierfleet.api.implemented import not_implemented
from tierfleet.controllers.child import stamped
from tierfleet.manifests import REPLICAS, Tokens, children
from tierfleet.plan import sha256_hex
from tierfleet.planning.placement import AcceleratorPlacement, Placement
from tierfleet.planning.pool import TokenHashes, plan_pool
from tierfleet.planning.snapshot import Snapshot

ALL_THAT_IS_BUILT = changed(
    full()["InferencePool"],
    scaling={"mode": "Manual"},
    partitioning={},
    gateway=...,
)
POOLS = {
    **{d["metadata"]["name"]: d for d in examples() if d["kind"] == "InferencePool"},
    "every field": ALL_THAT_IS_BUILT,
}
UID = "5ce1b8c4-3a6b-4a0b-8a69-1f9f6d2f3c11"


@pytest.mark.parametrize("name", POOLS)
def test_every_child_passes_a_strict_dry_run(
    world: World, leader_worker_sets: None, name: str
) -> None:
    manifests = [stamped(manifest) for manifest in _children(POOLS[name], world.namespace)]
    kinds = {m["kind"] for m in manifests}
    assert kinds - set(REPLICAS) == {"PodDisruptionBudget", "Secret", "Service"}
    assert kinds & set(REPLICAS)
    for manifest in list(manifests):
        if manifest["kind"] == "LeaderWorkerSet":
            manifests += _pods(manifest)
    done = world.cluster.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-"),
        stdin="\n---\n".join(json.dumps(manifest) for manifest in manifests),
    )
    assert done.stdout.count("serverside-applied (server dry run)") == len(manifests)
    assert done.stderr == ""


def _pods(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """One pod of each of its templates, because its own definition checks less than a pod's."""
    templates = manifest["spec"]["leaderWorkerTemplate"]
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **template["metadata"],
                "name": name.lower(),
                "namespace": manifest["metadata"]["namespace"],
            },
            "spec": template["spec"],
        }
        for name in ("leaderTemplate", "workerTemplate")
        for template in [templates[name]]
    ]


def _children(document: dict[str, Any], namespace: str) -> tuple[dict[str, Any], ...]:
    """The children of a pool with a policy that this version can do."""
    metadata = document["metadata"] | {"namespace": namespace, "uid": UID}
    pool = InferencePool.model_validate(document | {"metadata": metadata})
    name = pool.spec.policy_ref.name
    policy = TierPolicy.model_validate(
        {
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"tiers": [{"name": "retail", "priority": 0}]},
        }
    )
    assert not_implemented(pool) == ()
    placement = Placement(2, tuple(AcceleratorPlacement(a.name, 1) for a in pool.spec.accelerators))
    snapshot = Snapshot(
        now=datetime(2026, 11, 1, tzinfo=UTC),
        pools={pool.key: pool},
        policies={policy.key: policy},
    )
    tokens = Tokens("admin", "hook")
    hashes = TokenHashes(sha256_hex(tokens.admin), sha256_hex(tokens.hook))
    return children(pool, plan_pool(snapshot, pool.key, placement, hashes), tokens)
