"""LeaderWorkerSet comes, goes, and is not served for a moment, while an operator runs."""

import json
from collections.abc import Iterator

import pytest

from e2e import leaderworkersets
from e2e.cluster import Cluster
from e2e.leaderworkersets import KIND
from e2e.wait import wait_until
from e2e.world import B200, PATIENCE_SECONDS, World, policy, pool
from tests.integration.operator.groups import WIDE, made
from tests.integration.operator.process import Operator


def test_without_their_kind_what_fits_runs_and_the_rest_follows_once_it_is_there(
    operator: Operator, fleet: World, cluster: Cluster
) -> None:
    narrow = B200 | {"maxReplicas": 1}
    fleet.apply(policy(), pool("llama", 2, WIDE, narrow))
    said = fleet.wait_for_condition("tpool", "llama", "Placed", "False", "LeaderWorkerSetMissing")
    assert KIND in said["message"]
    assert fleet.condition("tpool", "llama", "Accepted")["status"] == "True"
    assert fleet.condition("tpool", "llama", "Stalled") == {}
    wait_until(
        lambda: fleet.status("tpool", "llama").get("readySummary") == "1/2",
        timeout=PATIENCE_SECONDS,
        why="the replica of one node to serve",
    )
    with leaderworkersets.running(cluster):
        made(fleet, "llama-h100", 1)
        fleet.wait_ready("llama", "h100:1 b200:1")
    # Whoever collects garbage may not be able to tell any more whose they are.
    fleet.kubectl("delete", "statefulsets", "--all")
    fleet.wait_for_condition("tpool", "llama", "Placed", "False", "LeaderWorkerSetMissing")
    assert operator.running


@pytest.fixture
def leader_worker_sets(cluster: Cluster) -> Iterator[None]:
    """Their kind and its controller, for as long as the test."""
    with leaderworkersets.running(cluster):
        yield


def test_what_runs_outlives_a_moment_in_which_the_kind_is_not_served(
    operator: Operator, four: World, leader_worker_sets: None
) -> None:
    four.apply(policy(), pool("llama", 1, WIDE))
    made(four, "llama-h100", 1)
    four.wait_ready("llama", "h100:1")
    before = four.get(KIND, "llama-h100")["metadata"]

    def serve(served: bool) -> None:
        change = [{"op": "replace", "path": "/spec/versions/0/served", "value": served}]
        four.cluster.kubectl("patch", "crd", KIND, "--type=json", f"--patch={json.dumps(change)}")

    def lists() -> int:
        done = [r for r in operator.requests() if r.get("responseStatus", {}).get("code") == 200]
        asked = ((r["verb"], r.get("objectRef", {}).get("resource")) for r in done)
        return sum(one == ("list", "leaderworkersets") for one in asked)

    def look(percent: int) -> None:
        """Have the pool looked at: once this percentage is told, it has been."""
        four.apply(pool("llama", 1, WIDE, partitioning={"sellablePercent": percent}))
        wait_until(
            lambda: four.status("tpool", "llama")["capacity"]["sellable"] == 300 * percent,
            timeout=PATIENCE_SECONDS,
            why="the pool to be looked at",
        )

    def gone_for_a_moment() -> None:
        before = lists()
        serve(False)
        serve(True)
        wait_until(lambda: lists() > before, timeout=PATIENCE_SECONDS, why="a new list of them")

    for percent in (50, 60):
        gone_for_a_moment()
        look(percent)
        now = four.get(KIND, "llama-h100")["metadata"]
        assert (now["uid"], now["generation"]) == (before["uid"], before["generation"])
    four.wait_ready("llama", "h100:1")
