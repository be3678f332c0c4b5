"""The plan document of a pool."""

from fractions import Fraction
from typing import Any

import pytest

from tests.unit.planning.world import (
    B200,
    B200_THEN_H100,
    H100,
    NAMESPACE,
    NOW,
    TOKENS,
    accelerator,
    changed,
    nodes,
    plan_of,
    policy,
    pool,
    replica,
    reservation,
    secret,
    world,
    written,
)
from tierfleet import plan
from tierfleet.admission.supported import unsupported
from tierfleet.api.conditions import Status
from tierfleet.planning import record
from tierfleet.planning.published import Recorded
from tierfleet.planning.snapshot import Snapshot


def document(snapshot: Snapshot) -> plan.Plan:
    found = plan_of(snapshot).plan
    assert found is not None
    return found


FLEET = nodes(B200, 2) | nodes(H100, 2)


def test_the_plan_carries_the_policy_the_groups_the_contracts_and_the_tenants() -> None:
    tiers = (
        {
            "name": "enterprise",
            "priority": 100,
            "objectives": {"queueP99Milliseconds": 100, "ttftP99Milliseconds": 500},
            "weight": 3,
            "minimumPercent": 10,
            "preemption": "BeforeFirstByte",
            "longContext": {"aboveTokens": 32000, "maxConcurrentRequests": 4},
            "limits": {"requestsPerMinute": 10000},
            "queue": {"maxRequests": 2000, "maxWaitMilliseconds": 20000},
            "price": {"inputPerMillion": "1.50", "outputPerMillion": "3.00"},
        },
        {"name": "retail", "priority": 0},
    )
    rules = policy(
        *tiers,
        burndown={"version": "2026-11", "output": "5"},
        identification={"anonymous": {"action": "Tier", "tier": "retail"}},
    )
    serving = pool(
        "pool",
        {**B200_THEN_H100[0], "engine": {"maxSequences": 128}},
        B200_THEN_H100[1],
        replicas=6,
        partitioning={"lendablePercent": 50},
        model={"name": "llama", "source": "hf://a/b", "aliases": ["default"]},
    )
    contract = reservation("acme", "30%", maxWaitMilliseconds=200, spillover={"action": "Reject"})
    found = document(world(rules, serving, contract, nodes=FLEET))
    assert plan.render(found) == {
        "schemaVersion": "v1",
        "version": found.version,
        "pool": {"namespace": NAMESPACE, "name": "pool"},
        "policy": "standard",
        "model": {"name": "llama", "aliases": ["default"]},
        "engineType": "VLLM",
        "enginePriority": True,
        "burndown": {"version": "2026-11", "output": "5"},
        "identification": {"anonymous": {"action": "Tier", "tier": "retail"}},
        "adminTokenSha256": TOKENS.admin,
        "hookTokenSha256": TOKENS.hook,
        "lendablePercent": 50,
        "tiers": [
            {**tiers[0], "price": {"currency": "USD", **tiers[0]["price"]}},  # type: ignore[dict-item]
            {"name": "retail", "priority": 0},
        ],
        "groups": [
            {
                "name": "b200",
                "accelerator": "b200",
                "desired": 4,
                "serviceTokensPerSecond": 24000,
                "maxSequences": 128,
            },
            {"name": "h100", "accelerator": "h100", "desired": 2, "serviceTokensPerSecond": 14000},
        ],
        "reservations": [
            {
                "uid": "uid-acme",
                "name": "acme",
                "tenants": ["acme"],
                "declared": {"percent": 30},
                "granted": 37200,
                "acceptedAt": "2026-06-01T12:00:00Z",
                "maxWaitMilliseconds": 200,
                "spillover": {"action": "Reject"},
            }
        ],
        "tenants": [{"name": "acme", "tier": "enterprise", "keys": [plan.sha256_hex("key-acme")]}],
    }


def test_an_accelerator_without_replicas_stays_a_group_for_its_last_pods() -> None:
    groups = document(world(pool("pool", *B200_THEN_H100), nodes=nodes(H100, 2))).groups
    assert [(group.name, group.desired) for group in groups] == [("b200", 0), ("h100", 1)]


def test_those_that_are_leaving_share_the_rates_until_they_are_gone_and_promise_nothing() -> None:
    there = tuple(
        replica("pool", "h100", f"n{i}", 1, name=f"p{i}", ready=True, terminating=i > 1)
        for i in range(4)
    )
    key = (NAMESPACE, "pool")
    shrunk = world(pool(replicas=2), nodes=nodes(H100, 1), pods=there, replicas={key: {"h100": 2}})
    found = plan_of(shrunk)
    assert found.plan is not None
    assert [group.desired for group in found.plan.groups] == [4]
    assert found.plan.share("h100") == Fraction(1, 4)
    assert (found.placement.total, found.capacity.total) == (2, 2000)
    asked = plan_of(changed(shrunk, pods=(), replicas={key: {"h100": 3}}))
    assert asked.plan is not None
    assert [group.desired for group in asked.plan.groups] == [3], "a Deployment may still make it"


def test_while_one_leaves_whose_rate_is_unknown_no_part_of_a_rate_is_in_force() -> None:
    floor = policy({"name": "retail", "priority": 0, "minimumPercent": 10})
    fleet = pool("pool", accelerator("b200", B200, rate=None), accelerator("h100", H100))
    going = (replica("pool", "b200", "n", 1, ready=True, terminating=True),)
    found = plan_of(world(fleet, floor, nodes=nodes(H100, 1), pods=going))
    assert found.plan is not None
    assert found.capacity.unknown == ("b200",)
    assert found.suspended
    assert [tier.minimum_percent for tier in found.plan.tiers] == [0], "a sidecar would refuse it"


def test_tenants_that_the_pool_does_not_select_are_known_without_access() -> None:
    only = {"tenantSelector": {"matchLabels": {"team": "x"}}}
    people = (secret("in", labels={"team": "x"}), secret("out", labels={"team": "y"}))
    found = document(world(pool(access=only), nodes=FLEET, tenants=people))
    assert {tenant.name: tenant.access for tenant in found.tenants} == {"in": True, "out": False}


def test_what_is_a_part_of_an_unknown_rate_is_left_out_of_the_plan_until_it_is_known() -> None:
    """A sidecar refuses a plan that asks for it, so nothing else would be obeyed either."""
    rules = policy(
        {"name": "enterprise", "priority": 1}, {"name": "low", "priority": 0, "minimumPercent": 9}
    )
    contract = reservation("acme", 100, lending={"lendablePercent": 0, "reclaim": "Abort"})
    spec: dict[str, Any] = {
        "replicas": 2,
        "partitioning": {"lendablePercent": 50, "spareReplicas": 0},
    }
    known = B200_THEN_H100[1] | {"maxReplicas": 1}
    other = B200_THEN_H100[0] | {"capacity": None}
    mixed = document(world(rules, contract, pool("pool", known, other, **spec), nodes=FLEET))
    assert unsupported(mixed) == ()
    assert {tier.name: tier.minimum_percent for tier in mixed.tiers} == {"enterprise": 0, "low": 0}
    assert mixed.lendable_percent == 100
    (kept,) = mixed.reservations
    assert (kept.granted, kept.lending.lendable_percent, kept.lending.reclaim) == (
        100,
        None,
        plan.Reclaim.ABORT,
    )
    whole = document(world(rules, contract, pool("pool", *B200_THEN_H100, **spec), nodes=FLEET))
    assert unsupported(whole) == ()
    assert {tier.name: tier.minimum_percent for tier in whole.tiers} == {"enterprise": 0, "low": 9}
    assert whole.lendable_percent == 50
    assert whole.reservations[0].lending.lendable_percent == 0


def test_a_weight_of_a_secret_goes_into_the_plan_with_its_tenant() -> None:
    people = (secret("heavy", "pro", weight=4), secret("usual", "pro"))
    found = document(world(pool(), nodes=FLEET, tenants=people))
    assert {tenant.name: tenant.weight for tenant in found.tenants} == {"heavy": 4, "usual": None}
    assert plan.join(plan.split(found)) == found


def test_the_same_facts_in_another_order_make_the_same_version() -> None:
    people = tuple(secret(name, "pro", f"{name}1", f"{name}2") for name in "abc")
    fleet = world(pool(), nodes=FLEET, tenants=people)
    backwards = changed(
        fleet, tenants=people[::-1], nodes=dict(reversed(list(fleet.nodes.items())))
    )
    assert document(fleet).version == document(backwards).version


def test_what_is_written_and_read_back_makes_the_same_plan_later() -> None:
    fleet = written(
        world(pool(replicas=4), reservation("a", "30%"), reservation("b", 900), nodes=FLEET)
    )
    index = plan.split(document(fleet))[plan.parts.INDEX]
    later = changed(
        fleet, now=NOW.replace(day=2), recorded={(NAMESPACE, "pool"): record.read(index)}
    )
    assert document(later) == document(fleet)


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"version": 1, "reservations": [7]}'])
def test_a_damaged_record_is_read_as_none(damage: bytes) -> None:
    assert record.read(damage) == Recorded()


@pytest.mark.parametrize(
    ("spec", "reason", "said"),
    [
        (
            {"policyRef": {"name": "gone"}},
            "PolicyNotFound",
            "There is no TierPolicy 'gone' in namespace 'inference'.",
        ),
        (
            {"policyRef": {"name": "gateway"}},
            "PolicyNotAccepted",
            "TierPolicy 'gateway' is not accepted: spec.identification.gateway: ",
        ),
        ({"partitioning": {"mode": "Dedicated"}}, "RoutingRequired", "spec.partitioning.mode: "),
    ],
)
def test_a_pool_that_cannot_be_accepted_is_held_and_says_why(
    spec: dict[str, Any], reason: str, said: str
) -> None:
    gateway = {"gateway": {"secretRef": {"name": "gateway"}}}
    fleet = world(
        pool(**spec), policy(), policy(name="gateway", identification=gateway), nodes=FLEET
    )
    held = plan_of(fleet)
    assert held.plan is None
    assert (held.accepted.status, held.accepted.reason) == (Status.FALSE, reason)
    assert held.accepted.message.startswith(said)


def test_shadow_reaches_the_plan() -> None:
    found = document(world(pool(), policy(enforcement="Shadow"), nodes=FLEET))
    assert found.enforcement is plan.Enforcement.SHADOW


def test_problems_of_single_tenants_do_not_hold_a_pool() -> None:
    people = (secret("a", "gold"), secret("b", "pro", "k"), secret("c", "pro", "k"))
    assert plan_of(world(pool(), nodes=FLEET, tenants=people)).accepted.reason == "Accepted"


def test_a_policy_that_no_plan_can_be_made_of_holds_the_pool() -> None:
    odd = policy(identification={"anonymous": {"action": "Tier", "tier": "nobody"}})
    held = plan_of(world(pool(), odd, nodes=FLEET))
    assert (held.plan, held.accepted.reason) == (None, "Invalid")
    assert "anonymous callers are given tier 'nobody'" in held.accepted.message
