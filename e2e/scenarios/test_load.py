"""Load: a flood, scaling and a rolling update, with clients that count."""

import statistics
import threading
from collections.abc import Iterable

from e2e.scenarios.clients import Attempt, Group
from e2e.scenarios.conftest import Serve
from e2e.scenarios.fleet import H100, SEATS, START_SECONDS, Fleet, pool
from e2e.wait import wait_until
from e2e.world import reservation

ACCELERATOR = "tierfleet.dev/accelerator"
ENTERPRISE = Group("key-of-acme", callers=2, tokens=(8, 24), pause=0.1)
STEADY = (
    Group("key-of-acme", callers=3, pause=0.05),
    Group("key-of-globex", callers=3, stream=False, pause=0.05),
)


def first_tokens(attempts: Iterable[Attempt]) -> str:
    """Times to first token, for people: nothing passes or fails by them."""
    waits = [1000 * (a.first - a.sent) for a in attempts if a.first is not None]
    if len(waits) < 2:
        return f"{len(waits)} served"
    cuts = statistics.quantiles(waits, n=100)
    return f"{len(waits)} served, TTFT p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms"


def test_a_flood_of_retail_costs_enterprise_nothing_but_time(fleet: Fleet, serve: Serve) -> None:
    followed = serve(
        pool("flood", 2),
        reservation("acme", "flood", ["acme"], {"percent": 30}, burst={"windowMilliseconds": 50}),
    )
    fleet.world.wait_for_condition("capres", "acme", "Ready", "True")
    clients = fleet.clients("flood")
    floods = [Group(f"key-of-{name}", callers=15 * SEATS) for name in ("initech", "hooli")]
    with clients.calling(ENTERPRISE, *floods):
        wait_until(
            lambda: sum(a.served for a in clients.of(ENTERPRISE.key)) >= 150,
            timeout=START_SECONDS,
            why="enterprise to have 150 answers",
        )
    ours, theirs = clients.of(ENTERPRISE.key), clients.of(*(f.key for f in floods))
    print(f"enterprise: {first_tokens(ours)}\nretail: {first_tokens(theirs)}")

    assert all(attempt.served for attempt in ours), "enterprise is served, always"
    assert not [a for a in theirs if a.lost], "retail is served or told to come back"
    refused = [a for a in theirs if a.refused]
    assert refused, "the flood is larger than what fits"
    assert all(a.retry_after for a in refused)
    agreed = followed.agree(clients.attempts)
    assert agreed.pods == 2
    reserved = [line for line in agreed.lines if line["reservation"] == "acme"]
    assert reserved, "what was reserved is told apart"
    assert {line["tenant"] for line in reserved} == {"acme"}


def test_scaled_from_two_to_three_to_one_under_load_nobody_is_lost(
    fleet: Fleet, serve: Serve
) -> None:
    followed = serve(pool("scaled", 2))
    clients = fleet.clients("scaled")
    with clients.calling(*STEADY):
        for replicas in (3, 1):
            fleet.world.kubectl("scale", "tpool/scaled", f"--replicas={replicas}")
            fleet.up("scaled", replicas)
            before = clients.served()
            wait_until(
                lambda n=before: clients.served() > n + 60,  # type: ignore[misc]
                timeout=START_SECONDS,
                why="60 more answers",
            )
        wait_until(
            lambda: len(followed.pods()) == 1, timeout=START_SECONDS, why="two pods to be gone"
        )
    assert [a for a in clients.attempts if not a.served] == []
    agreed = followed.agree(clients.attempts)
    assert agreed.outcomes() == {"served": len(clients.attempts)}


def test_a_rolling_update_under_load_takes_one_replica_at_a_time_and_loses_nobody(
    fleet: Fleet, serve: Serve
) -> None:
    # A Deployment each: neither knows of the other, the operator has to.
    two = [{**H100, "name": "near", "maxReplicas": 1}, {**H100, "name": "far"}]
    followed = serve(pool("rolled", 2, accelerators=two))
    before = {pod["metadata"]["uid"] for pod in fleet.world.pods("rolled")}
    fewest: list[int] = []
    done = threading.Event()

    def count() -> None:
        while not done.wait(0.2):
            fewest.append(fleet.world.endpoints("rolled"))

    counter = threading.Thread(target=count)
    clients = fleet.clients("rolled")
    counter.start()
    try:
        with clients.calling(*STEADY):
            env = [{"name": "GENERATION", "value": "2"}]
            fleet.world.apply(pool("rolled", 2, {"env": env}, accelerators=two))
            wait_until(
                lambda: before.isdisjoint(_uids(followed)) and fleet.world.endpoints("rolled") == 2,
                timeout=START_SECONDS,
                why=f"two new replicas; {fleet.describe('rolled')}",
            )
    finally:
        done.set()
        counter.join()
    assert len({pod["metadata"]["labels"][ACCELERATOR] for pod in fleet.world.pods("rolled")}) == 2
    assert min(fewest) >= 1, "disruption.maxUnavailable is 1"
    assert [a for a in clients.attempts if not a.served] == []
    assert followed.agree(clients.attempts).outcomes() == {"served": len(clients.attempts)}


def _uids(followed: object) -> set[str]:
    return {pod["metadata"]["uid"] for pod in followed.pods()}  # type: ignore[attr-defined]
