"""What a real API server and its garbage collector do too seldom to wait for."""

from typing import Any, cast

import pytest

from tests.unit.controllers import raws
from tests.unit.kube.fake import FakeCluster
from tierfleet.api import InferencePool
from tierfleet.controllers.apply import Applier
from tierfleet.controllers.events import Events
from tierfleet.kube.cluster import Cluster, ConflictError
from tierfleet.kube.resources import POOLS, Raw


def child(api_version: str, kind: str, name: str) -> Raw:
    metadata = {"namespace": "default", "name": name, "uid": f"uid-{name}"}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


SHARD = child("v1", "Secret", "llama-tenants-0")
INDEX = child("v1", "Secret", "llama-plan")
DEPLOYMENT = child("apps/v1", "Deployment", "llama-h100") | {"spec": {"template": {}}}


def applier(**metadata: Any) -> tuple[Applier, InferencePool, FakeCluster]:
    """With a pool as our watches know it, and as the API server does: None, or changed so."""
    server = FakeCluster()
    raw = raws.pool("llama", 1, namespace="default")
    if metadata:
        server.put(POOLS, "llama")
        stored = server._objects[POOLS, ("default", "llama")]["metadata"]
        stored |= {**raw["metadata"], **metadata}
    cluster = cast("Cluster", server)
    made = Applier(cluster, raws.store(), Events(cluster, "test"))
    return made, InferencePool.model_validate(raw), server


@pytest.mark.parametrize(
    "metadata", [{}, {"uid": "uid-next"}, {"deletionTimestamp": "2026-11-01T00:00:00Z"}]
)
@pytest.mark.parametrize(("manifest", "unchanged"), [(INDEX, True), (DEPLOYMENT, False)])
async def test_no_promise_and_no_pod_is_made_for_a_pool_whose_end_we_have_not_heard_of(
    metadata: dict[str, str], manifest: Raw, unchanged: bool
) -> None:
    """Its children may go before it for us: they would be made anew, with devices of others."""
    ours, pool, server = applier(**metadata)
    with pytest.raises(ConflictError):
        await ours.ensure(pool, manifest, unchanged=unchanged)
    assert "apply" not in server.requests


async def test_what_nobody_relies_on_is_made_without_asking_for_the_pool() -> None:
    """Twenty objects a pool: its owner takes them with it."""
    ours, pool, server = applier()
    await ours.ensure(pool, SHARD)
    assert server.requests == ["get", "apply"]


@pytest.mark.parametrize(("manifest", "unchanged"), [(INDEX, True), (DEPLOYMENT, False)])
async def test_what_is_missing_of_a_pool_that_is_there_is_made(
    manifest: Raw, unchanged: bool
) -> None:
    ours, pool, server = applier(labels={})
    await ours.ensure(pool, manifest, unchanged=unchanged)
    assert server.requests == ["get", "get", "apply"]
