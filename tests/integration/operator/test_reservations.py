"""Contracts: accepted in order, recorded in the plan, mirrored in status, ended in time."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from e2e.wait import wait_until
from e2e.world import (
    H100,
    PATIENCE_SECONDS,
    World,
    policy,
    pool,
    reservation,
    tenant,
)
from tests.integration.operator.process import Operator


def plan(world: World, pool: str) -> dict[str, Any]:
    """The index of the pool's plan in force."""
    data = world.get("secret", f"{pool}-plan")["data"]["index.json"]
    index: dict[str, Any] = json.loads(base64.b64decode(data))
    return index


def granted(world: World, pool: str) -> dict[str, int]:
    """Service tokens/s by reservation, as the plan in force has them."""
    return {r["name"]: r["granted"] for r in plan(world, pool).get("reservations", [])}


def small(name: str = "llama") -> dict[str, Any]:
    """A pool of 28,000 service tokens/s, of which 12,600 can be sold."""
    return pool(name, 2, H100)


def at(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_what_does_not_fit_is_refused_with_numbers_and_heals_when_there_is_room(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(policy(), tenant("acme"), tenant("globex"), small())
    fleet.wait_ready("llama", "h100:2")
    fleet.apply(reservation("acme", "llama", ["acme"], {"serviceTokensPerSecond": 9000}))
    fleet.wait_for_condition("capres", "acme", "Accepted", "True", "Fits")
    fleet.apply(reservation("globex", "llama", ["globex"], {"serviceTokensPerSecond": 9000}))
    refused = fleet.wait_for_condition(
        "capres", "globex", "Accepted", "False", "InsufficientCapacity"
    )
    for number in ("9000", "12600", "5400"):
        assert number in refused["message"]
    assert fleet.status("capres", "globex")["shortBy"] == 5400
    assert granted(fleet, "llama") == {"acme": 9000}

    fleet.kubectl("scale", "tpool", "llama", "--replicas=3")
    fleet.wait_for_condition("capres", "globex", "Accepted", "True", "Fits")
    assert granted(fleet, "llama") == {"acme": 9000, "globex": 9000}


def test_missing_pools_and_tenants_are_named_and_heal(operator: Operator, fleet: World) -> None:
    fleet.apply(policy(), reservation("acme", "llama", ["acme"], {"percent": 30}))
    refused = fleet.wait_for_condition("capres", "acme", "Accepted", "False", "PoolNotFound")
    assert "'llama'" in refused["message"]
    fleet.apply(small())
    refused = fleet.wait_for_condition("capres", "acme", "Accepted", "False", "TenantNotFound")
    assert "'acme'" in refused["message"]
    fleet.apply(tenant("acme"))
    fleet.wait_for_condition("capres", "acme", "Ready", "True")
    shown = fleet.kubectl("get", "capres", "acme", "--no-headers").split()
    assert shown[:6] == ["acme", "llama", "30%", "8400", "True", "True"]


def accepted_in_another_order_than_made(world: World) -> Any:
    """Two contracts of which one fits, the younger one; returns what is on record.

    The older one has no tenant yet when the other is judged.
    """
    world.apply(policy(), tenant("globex"), small())
    world.wait_ready("llama", "h100:2")
    rate = {"serviceTokensPerSecond": 9000}
    world.apply(reservation("a-older", "llama", ["acme"], rate))
    world.wait_for_condition("capres", "a-older", "Accepted", "False", "TenantNotFound")
    world.apply(reservation("b-younger", "llama", ["globex"], rate))
    world.wait_for_condition("capres", "b-younger", "Accepted", "True")
    world.apply(tenant("acme"))
    world.wait_for_condition("capres", "a-older", "Accepted", "False", "InsufficientCapacity")
    recorded = plan(world, "llama")["reservations"]
    assert [contract["name"] for contract in recorded] == ["b-younger"]
    return recorded


def test_a_promise_outlives_edits_of_its_record(operator: Operator, fleet: World) -> None:
    recorded = accepted_in_another_order_than_made(fleet)
    empty = base64.b64encode(b"{}").decode()
    for vandalism in (
        ("patch", "secret", "llama-plan", f'-p={{"data":{{"index.json":"{empty}"}}}}'),
        ("delete", "secret", "llama-plan"),
    ):
        fleet.kubectl(*vandalism)
        wait_until(
            lambda: (
                fleet.find("secret", "llama-plan") is not None
                and plan(fleet, "llama").get("reservations") == recorded
            ),
            timeout=PATIENCE_SECONDS,
            why=f"the record to survive kubectl {' '.join(vandalism)}",
        )
    assert fleet.condition("capres", "a-older", "Accepted")["status"] == "False"


def test_who_came_first_outlives_a_crash_and_edits_of_status(
    operator: Operator, fleet: World
) -> None:
    """The one that was made first has been accepted last, and does not come first after it."""
    recorded = accepted_in_another_order_than_made(fleet)
    statuses = {name: fleet.status("capres", name) for name in ("a-older", "b-younger")}
    operator.kill()
    for name, another in (("a-older", "b-younger"), ("b-younger", "a-older")):
        edited = json.dumps({"status": statuses[another]})
        fleet.kubectl(
            *("patch", "capres", name, "--subresource=status", "--type=merge", f"-p={edited}")
        )
    fleet.wait_for_condition("capres", "a-older", "Accepted", "True")
    operator.start()
    refused = fleet.wait_for_condition(
        "capres", "a-older", "Accepted", "False", "InsufficientCapacity"
    )
    assert "5400" in refused["message"]
    fleet.wait_for_condition("capres", "b-younger", "Accepted", "True", "Fits")
    assert fleet.status("capres", "b-younger")["granted"] == 9000
    assert plan(fleet, "llama")["reservations"] == recorded

    # What is there for both is given to both, and what is there for one to who was accepted first.
    for replicas, both in ((3, 9000), (2, 3600)):
        fleet.kubectl("scale", "tpool", "llama", f"--replicas={replicas}")
        wait_until(
            lambda n=both: granted(fleet, "llama") == {"b-younger": 9000, "a-older": n},  # type: ignore[misc]
            timeout=PATIENCE_SECONDS,
            why=f"the older one to be granted {both}",
        )


def test_a_term_begins_and_ends_by_itself_and_gives_back_what_it_took(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(policy(), tenant("acme"), tenant("globex"), small())
    fleet.wait_ready("llama", "h100:2")
    rate = {"serviceTokensPerSecond": 9000}

    def hold(start: datetime, end: datetime) -> None:
        term = {"start": at(start), "end": at(end)}
        fleet.apply(reservation("acme", "llama", ["acme"], rate, term=term))

    # Every state that is waited for lasts until the term is changed: no race with the clock.
    now = datetime.now(UTC)
    hold(now + timedelta(hours=1), now + timedelta(hours=2))
    fleet.wait_for_condition("capres", "acme", "Active", "False", "NotStarted")
    fleet.apply(reservation("globex", "llama", ["globex"], rate))
    fleet.wait_for_condition("capres", "globex", "Accepted", "False", "InsufficientCapacity")
    start = datetime.now(UTC) + timedelta(seconds=3)
    hold(start, now + timedelta(hours=2))
    fleet.wait_for_condition("capres", "acme", "Active", "True", "InTerm")
    assert datetime.now(UTC) >= start - timedelta(seconds=1)
    end = datetime.now(UTC) + timedelta(seconds=3)
    hold(start, end)
    fleet.wait_for_condition("capres", "acme", "Active", "False", "Expired")
    assert datetime.now(UTC) >= end - timedelta(seconds=1)
    fleet.wait_for_condition("capres", "globex", "Accepted", "True", "Fits")


def test_a_changed_limit_reaches_the_plan_without_touching_a_pod(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(policy(), tenant("acme"), small())
    fleet.wait_ready("llama", "h100:2")
    pods = {pod["metadata"]["uid"] for pod in fleet.pods("llama")}
    changed = policy()
    changed["spec"]["tiers"][0]["limits"] = {"requestsPerMinute": 7}
    fleet.apply(changed)
    wait_until(
        lambda: "7" in json.dumps([t.get("limits") for t in plan(fleet, "llama")["tiers"]]),
        timeout=PATIENCE_SECONDS,
        why="the limit to be in the plan",
    )
    assert {pod["metadata"]["uid"] for pod in fleet.pods("llama")} == pods


def test_what_tiers_and_contracts_say_beyond_a_rate_reaches_the_plan(
    operator: Operator, fleet: World
) -> None:
    rules = policy("standard", "enterprise", "retail", "flex")
    own: dict[str, dict[str, Any]] = {
        "enterprise": {"weight": 5},
        "retail": {
            "minimumPercent": 10,
            "longContext": {"aboveTokens": 32000, "maxConcurrentRequests": 4},
            "preemption": "BeforeFirstByte",
        },
        "flex": {"preemption": "Anytime"},
    }
    for tier in rules["spec"]["tiers"]:
        tier.update(own[tier["name"]])
    fleet.apply(
        rules,
        tenant("acme", weight="3"),
        tenant("globex"),
        pool("llama", 2, H100, partitioning={"lendablePercent": 50}),
        reservation(
            "acme",
            "llama",
            ["acme"],
            {"percent": 20},
            spillover={"tier": "flex"},
            lending={"lendablePercent": 0, "reclaim": "Abort"},
        ),
        reservation("globex", "llama", ["globex"], {"percent": 10}, spillover={"action": "Queue"}),
    )
    for name in ("acme", "globex"):
        fleet.wait_for_condition("capres", name, "Ready", "True")
    fleet.wait_for_condition("tpol", "standard", "Accepted", "True")
    found = plan(fleet, "llama")
    tiers = {tier["name"]: tier for tier in found["tiers"]}
    assert {name: {key: tiers[name][key] for key in told} for name, told in own.items()} == own
    assert found["lendablePercent"] == 50
    contracts = {contract["name"]: contract for contract in found["reservations"]}
    assert contracts["acme"]["spillover"] == {"tier": "flex"}
    assert contracts["acme"]["lending"] == {"lendablePercent": 0, "reclaim": "Abort"}
    assert contracts["globex"]["spillover"] == {"action": "Queue"}
    weights = {
        entry["name"]: entry.get("weight")
        for shard in "0123456789abcdef"
        for entry in json.loads(
            base64.b64decode(
                fleet.get("secret", f"llama-plan-{shard}")["data"][f"tenants-{shard}.json"]
            )
        )
    }
    assert weights == {"acme": 3, "globex": None}

    # 28,000 in all: of the 12,600 that can be sold the floor takes 2,800 and contracts 8,400.
    fleet.apply(tenant("initech"), reservation("more", "llama", ["initech"], {"percent": 6}))
    refused = fleet.wait_for_condition("capres", "more", "Accepted", "False")
    assert refused["reason"] == "InsufficientCapacity"
    assert (
        "11200 are promised already within its term (2800 of them to floors" in refused["message"]
    )


def test_what_a_contract_lacks_beyond_a_rate_is_named_and_heals(
    operator: Operator, fleet: World
) -> None:
    balance = {"serviceTokens": 10**9, "period": "Month", "serviceTokensPerSecond": 1000}
    fleet.apply(
        policy(),
        tenant("acme", weight="heavy"),
        tenant("globex"),
        small(),
        reservation("spill", "llama", ["acme"], {"percent": 10}, spillover={"tier": "flex"}),
        reservation("balance", "llama", ["globex"], {"prepaid": balance}),
    )
    refused = fleet.wait_for_condition("capres", "spill", "Accepted", "False", "TierNotFound")
    assert "no tier 'flex'" in refused["message"]
    fleet.wait_for_condition("capres", "balance", "Accepted", "False", "LedgerRequired")
    wrong = fleet.wait_for_condition("tpol", "standard", "Accepted", "False", "InvalidSecret")
    assert "'tenant-acme' has annotation tierfleet.dev/weight" in wrong["message"]

    fleet.apply(policy("standard", "enterprise", "retail", "flex"), tenant("acme", weight="3"))
    fleet.wait_for_condition("capres", "spill", "Accepted", "True", "Fits")
    fleet.wait_for_condition("tpol", "standard", "Accepted", "True")
    fleet.kubectl("scale", "tpool", "llama", "--replicas=1")
    fleet.wait_for_condition("capres", "balance", "Accepted", "True", "Fits")
    assert granted(fleet, "llama") == {"spill": 1400, "balance": 1000}
