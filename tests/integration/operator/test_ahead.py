"""Terms that begin soon: replicas and devices come as long before them as the engine loads."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from e2e import nodes
from e2e.wait import wait_until
from e2e.world import (
    H100,
    PATIENCE_SECONDS,
    POOL_LABEL,
    World,
    policy,
    pool,
    reservation,
    tenant,
)
from tests.integration.operator.process import Operator

LOADS = timedelta(minutes=10)
"""What the engines here may take to load. Nothing waits for it: it is how far one looks ahead."""

ENGINE = {
    "image": "vllm/vllm-openai:v0.32.0",
    "startupTimeoutSeconds": int(LOADS.total_seconds()),
}


def patch(world: World, kind: str, name: str, spec: dict[str, Any]) -> None:
    world.kubectl("patch", kind, name, "--type=merge", f"-p={json.dumps({'spec': spec})}")


def test_replicas_for_a_term_are_there_before_it_begins_and_not_much_sooner(
    operator: Operator, world: World
) -> None:
    world.cluster.add_nodes([nodes.h100("h100-0"), nodes.h100("h100-1")])
    bounds = {"mode": "Automatic", "minReplicas": 3, "maxReplicas": 3}
    llama = pool("llama", 1, H100, engine=ENGINE, scaling=bounds)
    # 25,200 can be sold of three replicas, and 12,600 of one.
    contract = reservation("acme", "llama", ["acme"], {"serviceTokensPerSecond": 20_000})
    world.apply(policy(), tenant("acme"), llama)
    world.wait_ready("llama", "h100:3")
    world.apply(contract)
    world.wait_for_condition("capres", "acme", "Accepted", "True", "Fits")
    patch(world, "tpool", "llama", {"scaling": {"minReplicas": 1, "maxReplicas": 1}})
    world.wait_ready("llama", "h100:1")
    before = {pod["metadata"]["uid"] for pod in world.pods("llama")}

    # The contract is put off until a moment after an engine that is started now has loaded.
    start = (datetime.now(UTC) + LOADS + timedelta(seconds=6)).replace(microsecond=0)
    patch(world, "capres", "acme", {"term": {"start": start.isoformat()}})
    world.wait_for_condition("capres", "acme", "Active", "False", "NotStarted")
    patch(world, "tpool", "llama", {"scaling": {"maxReplicas": 3}})
    world.wait_ready("llama", "h100:3")

    assert world.condition("capres", "acme", "Active")["reason"] == "NotStarted"
    added = [pod for pod in world.pods("llama") if pod["metadata"]["uid"] not in before]
    assert len(added) == 2
    for pod in added:
        made = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
        assert start - LOADS <= made < start


def test_the_last_node_goes_to_the_pool_whose_term_begins_before_an_engine_could_load(
    operator: Operator, world: World
) -> None:
    world.cluster.add_nodes([nodes.h100("h100-0"), nodes.h100("h100-1")])
    # As long as nothing is promised, age and then the name decide: for the first one.
    pools = [pool(name, 2, H100, engine=ENGINE) for name in ("first", "second")]
    world.apply(policy(), tenant("acme"), *pools)
    for name in ("first", "second"):
        world.wait_ready(name, "h100:2")
    start = (datetime.now(UTC) + LOADS - timedelta(seconds=1)).replace(microsecond=0)
    soon = {"start": start.isoformat()}
    rate = {"serviceTokensPerSecond": 9000}
    world.apply(reservation("acme", "second", ["acme"], rate, term=soon))
    world.wait_for_condition("capres", "acme", "Accepted", "True", "Fits")

    world.cluster.cordon("h100-0", "h100-1")
    world.kubectl("delete", "pods", f"--selector={POOL_LABEL}", "--wait=false")
    wait_until(
        lambda: {world.placement("first"), world.placement("second")} == {"none"},
        timeout=PATIENCE_SECONDS,
        why="both pools to have lost everything",
    )
    world.cluster.uncordon("h100-0")
    world.wait_ready("second", "h100:2")
    assert world.nodes_of("second") == ["h100-0", "h100-0"]
    assert world.condition("capres", "acme", "Active")["reason"] == "NotStarted"
    world.wait_for_condition("tpool", "first", "Placed", "False", "InsufficientDevices")
    assert world.nodes_of("first") == []
