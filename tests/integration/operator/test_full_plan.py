"""A pool whose plan is as full as it may be goes on: the API server takes it, and changes of it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from e2e import nodes
from e2e.wait import wait_until
from e2e.world import H100, PATIENCE_SECONDS, Document, World, policy, pool, reservation, tenant
from tests.integration.operator.process import running

MANY = 240
"""With as many tenants as there may be, of the longest names: more than what a Secret holds."""

TENANTS = [f"acme-{n:058}" for n in range(64)]


def test_a_reservation_too_many_is_refused_and_nobody_else_is_held_up(
    world: World, tmp_path: Path
) -> None:
    """The same tenants, hour after hour: what counts here is how much their names take."""
    world.cluster.add_nodes([nodes.h100("h100")])
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    hours = [(tomorrow + timedelta(hours=n)).isoformat() for n in range(MANY + 1)]
    scope = (f"--namespace={world.namespace}", "--no-leader-elect")
    with running(world.cluster, tmp_path / "log", *scope):
        world.apply(policy(), *map(buyer, TENANTS), pool("llama", 2, H100))
        world.wait_ready("llama", "h100:2")
        world.apply(
            *(
                reservation(
                    f"hour-{n:04}",
                    "llama",
                    TENANTS,
                    {"serviceTokensPerSecond": 1_000},
                    term={"start": start, "end": end},
                )
                for n, (start, end) in enumerate(pairwise(hours))
            )
        )
        wait_until(
            lambda: sum(verdicts(world).values()) == MANY,
            timeout=2 * PATIENCE_SECONDS,
            why=f"every reservation to be judged; it is {verdicts(world)}",
        )
        found = verdicts(world)
        assert found.keys() == {"Fits", "PlanFull"}
        assert found["Fits"] > 150
        world.wait_for_condition("tpool", "llama", "Ready", "True")

        world.kubectl("delete", "capres", "hour-0000")
        wait_until(
            lambda: verdicts(world) == {"Fits": found["Fits"], "PlanFull": found["PlanFull"] - 1},
            timeout=2 * PATIENCE_SECONDS,
            why=f"the next one to find room; it is {verdicts(world)}",
        )
    # At once: one by one they would take longer than whoever clears the namespace has patience.
    kind = "apis/tierfleet.dev/v1alpha1/namespaces/{}/capacityreservations"
    world.kubectl("delete", "--raw", f"/{kind.format(world.namespace)}")


def buyer(name: str) -> Document:
    """A tenant whose Secret has a shorter name than it."""
    made = tenant(name)
    return made | {"metadata": made["metadata"] | {"name": name}}


def verdicts(world: World) -> dict[str, int]:
    """How many reservations have been judged so."""
    found: dict[str, int] = {}
    for one in world.all("capres"):
        for condition in one.get("status", {}).get("conditions", []):
            if condition["type"] == "Accepted" and condition["status"] != "Unknown":
                found[condition["reason"]] = found.get(condition["reason"], 0) + 1
    return found
