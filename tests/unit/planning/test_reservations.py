"""Contracts: which are accepted, what each is granted, and what happens when capacity is lost.

The pool of these stories has ten replicas of 1000 service tokens/s: total 10,000, survivable 9,000,
sellable 8,100.
"""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.planning.world import (
    B200,
    H100,
    NAMESPACE,
    NOW,
    accelerator,
    changed,
    nodes,
    plan_of,
    policy,
    pool,
    reservation,
    secret,
    world,
    written,
)
from tierfleet.api import CapacityReservation
from tierfleet.api.conditions import Status
from tierfleet.plan import Guarantee, Prepaid
from tierfleet.planning.published import Recorded
from tierfleet.planning.reservations import Verdict
from tierfleet.planning.snapshot import Snapshot


def fleet(*reservations: CapacityReservation, replicas: int = 10, **more: Any) -> Snapshot:
    spec = more.pop("spec", {})
    return world(
        pool("pool", accelerator(rate=1000), replicas=replicas, **spec),
        *reservations,
        nodes=nodes(H100, replicas, devices=1),
        **more,
    )


def verdicts(snapshot: Snapshot) -> dict[str, Verdict]:
    """By the reservation's name."""
    return {uid[4:]: verdict for uid, verdict in plan_of(snapshot).reservations.items()}


def granted(snapshot: Snapshot) -> dict[str, int]:
    found = verdicts(snapshot).items()
    return {name: v.contract.granted for name, v in found if v.contract is not None}


def reason(snapshot: Snapshot, name: str) -> str:
    verdict = verdicts(snapshot)[name]
    assert (verdict.accepted.status is Status.TRUE) is (verdict.accepted.reason == "Fits")
    return verdict.accepted.reason


def edited(snapshot: Snapshot, *reservations: CapacityReservation) -> Snapshot:
    """With these added or replaced, and a Secret for every tenant that they name."""
    tenants = {t for r in reservations for t in r.spec.tenants} - {
        found.tenant for found in snapshot.tenants
    }
    return changed(
        snapshot,
        reservations={**snapshot.reservations, **{r.key: r for r in reservations}},
        tenants=(*snapshot.tenants, *(secret(tenant) for tenant in sorted(tenants))),
    )


def shrunk(snapshot: Snapshot, replicas: int) -> Snapshot:
    return changed(snapshot, nodes=nodes(H100, replicas, devices=1))


def days(start: int | None, end: int | None) -> dict[str, Any]:
    edges = {"start": start, "end": end}
    return {name: NOW + timedelta(days=day) for name, day in edges.items() if day is not None}


def test_percent_and_absolute_promises_fit_together_up_to_what_can_be_sold() -> None:
    found = fleet(reservation("a", "30%", age=9), reservation("b", 5100))
    assert granted(found) == {"a": 3000, "b": 5100}
    assert plan_of(found).promised == 8100


def test_one_service_token_more_is_refused_and_the_numbers_are_told() -> None:
    found = fleet(reservation("a", "30%", age=9), reservation("b", 5101))
    verdict = verdicts(found)["b"]
    assert (verdict.accepted.reason, verdict.requested, verdict.short_by) == (
        "InsufficientCapacity",
        5101,
        1,
    )
    assert verdict.accepted.message == (
        "5101/s is asked for; of 8100 service tokens/s that can be sold 3000 are promised already "
        "within its term: short by 1. Ask for less, choose another term, or add replicas to the "
        "pool."
    )
    assert granted(found) == {"a": 3000}


def test_what_was_accepted_stays_accepted_whoever_is_older() -> None:
    first = written(fleet(reservation("young", 5000, age=1)))
    both = edited(first, reservation("old", 5000, age=99))
    assert (reason(both, "young"), reason(both, "old")) == ("Fits", "InsufficientCapacity")


def test_among_new_ones_the_older_and_then_the_name_comes_first() -> None:
    assert granted(fleet(reservation("a", 5000, age=1), reservation("b", 5000, age=2))) == {
        "b": 5000
    }
    assert granted(fleet(reservation("b", 5000), reservation("a", 5000))) == {"a": 5000}


def test_rank_and_time_of_acceptance_are_kept() -> None:
    first = written(fleet(reservation("a", 1000), reservation("b", 1000, age=9)))
    later = changed(
        edited(first, reservation("c", 1000, age=99)), now=NOW + timedelta(days=1, microseconds=5)
    )
    contracts = {v.contract.name: v.contract for v in verdicts(later).values() if v.contract}
    assert {name: c.rank for name, c in contracts.items()} == {"b": 0, "a": 1, "c": 2}
    assert contracts["a"].accepted_at == NOW
    assert contracts["c"].accepted_at == NOW + timedelta(days=1)


def test_a_deleted_reservation_frees_what_it_had() -> None:
    first = written(fleet(reservation("a", 5000)))
    after = changed(first, reservations={(NAMESPACE, "b"): reservation("b", 8100)})
    assert granted(changed(after, tenants=(secret("b"),))) == {"b": 8100}


def test_a_reservation_made_again_under_its_name_is_a_new_one() -> None:
    first = written(fleet(reservation("a", 5000), reservation("b", 3000)))
    again = reservation("b", 4000, age=0)
    again = again.model_copy(
        update={"metadata": again.metadata.model_copy(update={"uid": "uid-b2"})}
    )
    assert reason(edited(first, again), "b2") == "InsufficientCapacity"


def test_terms_that_do_not_meet_can_have_the_same_capacity() -> None:
    found = fleet(
        reservation("now", 8000, term=days(None, 10)),
        reservation("then", 8000, term=days(10, 20)),
        reservation("across", 200, term=days(9, 11), age=1),
    )
    assert granted(found) == {"now": 8000, "then": 8000}
    assert verdicts(found)["across"].short_by == 100
    assert plan_of(found).promised == 8000


def test_a_term_that_is_over_is_accepted_and_promises_nothing() -> None:
    found = fleet(reservation("past", 99999, term=days(-20, -10)), reservation("b", 8100))
    assert reason(found, "past") == "Fits"
    assert granted(found) == {"b": 8100}


def test_a_term_that_ends_frees_what_it_had_by_itself() -> None:
    first = written(fleet(reservation("a", 8000, term=days(-1, 1), age=9)))
    both = edited(first, reservation("b", 8000))
    assert reason(both, "b") == "InsufficientCapacity"
    after = changed(both, now=NOW + timedelta(days=1))
    assert granted(after) == {"b": 8000}
    assert plan_of(both).next_change == NOW + timedelta(days=1)
    assert plan_of(after).next_change is None


def test_a_raise_that_does_not_fit_leaves_the_old_contract_and_says_so() -> None:
    first = written(fleet(reservation("a", 5000, age=9), reservation("b", 2000)))
    raised = edited(first, reservation("b", 4000))
    verdict = verdicts(raised)["b"]
    assert granted(raised) == {"a": 5000, "b": 2000}
    assert verdict.accepted.reason == "InsufficientCapacity"
    assert verdict.short_by == 900
    assert verdict.accepted.message.endswith(
        "What was agreed before stays in force: 2000/s, of which 2000 service tokens/s are granted."
    )
    assert granted(edited(raised, reservation("b", 3100))) == {"a": 5000, "b": 3100}


def test_a_raise_is_judged_before_whoever_is_new_however_old() -> None:
    first = written(fleet(reservation("b", 2000)))
    both = edited(first, reservation("b", 5000), reservation("c", 4000, age=99))
    assert granted(both) == {"b": 5000}


def test_a_contract_that_is_renewed_after_its_end_is_a_new_one() -> None:
    first = written(
        fleet(reservation("a", 100, term=days(-1, 1), age=9), reservation("b", 100, age=8))
    )
    later = changed(first, now=NOW + timedelta(days=2))
    renewed = verdicts(edited(later, reservation("a", 100, term=days(-1, 9), age=9)))["a"].contract
    assert renewed is not None
    assert (renewed.rank, renewed.accepted_at) == (2, later.now)


def test_a_contract_may_always_be_made_smaller() -> None:
    first = written(fleet(reservation("a", 5000, age=9), reservation("b", "30%", tenants=["b"])))
    lost = shrunk(first, 3)
    assert reason(lost, "b") == "Fits"
    smaller = edited(lost, reservation("b", "20%", term=days(None, 5)))
    assert reason(smaller, "b") == "Fits"
    assert verdicts(smaller)["b"].owed == 600


@pytest.mark.parametrize(
    "change",
    [
        {"term": days(None, 20)},
        {"burst": {"windowMilliseconds": 600}},
        {"maxWaitMilliseconds": 99},
        {"tenants": ["b", "c"]},
        {"guarantee": "21%"},
    ],
)
def test_a_contract_that_asks_for_more_of_anything_is_judged_anew(change: dict[str, Any]) -> None:
    base: dict[str, Any] = {"guarantee": "20%", "tenants": ["b"], "term": days(None, 10)}
    first = written(fleet(reservation("a", 6000, age=9), reservation("b", **base)))
    lost = shrunk(first, 5)
    assert reason(lost, "b") == "Fits"
    assert reason(edited(lost, reservation("b", **base | change)), "b") == "InsufficientCapacity"


def test_a_percent_and_a_rate_cannot_be_taken_for_each_other() -> None:
    first = written(fleet(reservation("a", 6000, age=9), reservation("b", "20%")))
    lost = shrunk(first, 5)
    assert reason(edited(lost, reservation("b", 1)), "b") == "InsufficientCapacity"


def test_lost_capacity_takes_from_absolute_promises_the_last_accepted_first() -> None:
    full = written(
        fleet(
            reservation("first", 3000, age=9),
            reservation("second", 2000, age=8),
            reservation("share", "30%", age=7),
        )
    )
    assert granted(full) == {"first": 3000, "second": 2000, "share": 3000}
    # Seven of ten: sellable is 6000 * 0.9 = 5400, of which the percent takes 2100.
    assert granted(shrunk(full, 7)) == {"first": 3000, "second": 300, "share": 2100}
    # Four: sellable is 3000 * 0.9 = 2700, of which the percent takes 1200.
    assert granted(shrunk(full, 4)) == {"first": 1500, "second": 0, "share": 1200}
    assert granted(shrunk(full, 0)) == {"first": 0, "second": 0, "share": 0}
    assert all(reason(shrunk(full, 0), name) == "Fits" for name in ("first", "second", "share"))
    assert granted(shrunk(written(shrunk(full, 0)), 10)) == granted(full)


def test_percents_too_shrink_once_they_alone_are_more_than_can_be_sold() -> None:
    full = written(fleet(reservation("a", "40%", age=9), reservation("b", "40%")))
    less = changed(full, pools=fleet(spec={"partitioning": {"sellablePercent": 50}}).pools)
    assert granted(less) == {"a": 4000, "b": 500}


def test_one_replica_can_sell_as_much_as_two_with_a_spare_and_percents_take_half_of_it() -> None:
    """The last replica is never set aside: what was refused may fit after a loss."""
    two = written(fleet(reservation("share", "30%", age=9), reservation("rate", 400), replicas=2))
    assert granted(two) == {"share": 600}
    assert granted(shrunk(two, 1)) == {"share": 300, "rate": 400}
    assert plan_of(two).capacity.sellable == plan_of(shrunk(two, 1)).capacity.sellable == 900


def test_a_second_loss_may_give_back_what_the_first_took_since_percents_shrink_with_it() -> None:
    """And never more than was granted while all was there: `tests/property` has that."""
    contracts = (reservation("share", "30%", age=9), reservation("rate", 900))
    three = written(fleet(*contracts, replicas=3))
    assert granted(three) == {"share": 900, "rate": 900}
    two = written(shrunk(three, 2))
    assert granted(two) == {"share": 600, "rate": 300}
    assert granted(shrunk(two, 1)) == {"share": 300, "rate": 600}


def test_nothing_new_is_promised_while_capacity_is_lost() -> None:
    full = written(fleet(reservation("first", 3000, age=9), reservation("second", 2000, age=8)))
    lost = shrunk(edited(full, reservation("third", 1)), 5)
    assert granted(lost) == {"first": 3000, "second": 600}
    assert reason(lost, "third") == "InsufficientCapacity"


def test_a_tenant_that_nobody_has_is_named() -> None:
    found = fleet(reservation("a", 100, tenants=["known", "ghost"]), tenants=(secret("known"),))
    assert reason(found, "a") == "TenantNotFound"
    assert "no tenant 'ghost'" in verdicts(found)["a"].accepted.message


def test_a_tenant_without_access_to_the_pool_is_named() -> None:
    only = {"access": {"tenantSelector": {"matchLabels": {"team": "x"}}}}
    found = fleet(reservation("a", 100), spec=only)
    assert reason(found, "a") == "TenantNotFound"
    assert "Tenant 'a' may not use the pool" in verdicts(found)["a"].accepted.message


def test_a_tenant_that_goes_does_not_take_what_was_accepted_with_it() -> None:
    first = written(fleet(reservation("a", 100)))
    assert granted(changed(first, tenants=())) == {"a": 100}


def test_a_tenant_has_at_most_one_reservation_in_a_pool_at_a_time() -> None:
    found = fleet(
        reservation("one", 100, tenants=["x", "y"], term=days(None, 10), age=9),
        reservation("two", 100, tenants=["y"], term=days(5, 20)),
        reservation("three", 100, tenants=["y"], term=days(10, 20), age=1),
    )
    assert granted(found) == {"one": 100, "three": 100}
    assert reason(found, "two") == "Conflict"
    assert "'y' has reservation 'one'" in verdicts(found)["two"].accepted.message


def test_a_pool_that_can_serve_nothing_promises_no_percent_either() -> None:
    empty = shrunk(fleet(reservation("a", "30%")), 0)
    assert reason(empty, "a") == "InsufficientCapacity"
    assert "none of its replicas has devices" in verdicts(empty)["a"].accepted.message
    unknown = world(
        pool("pool", accelerator(rate=None)), reservation("a", "30%"), nodes=nodes(H100, 1)
    )
    assert "'h100' declares no capacity" in verdicts(unknown)["a"].accepted.message


def test_a_burst_that_seats_cannot_start_in_time_is_refused_with_the_largest_that_they_can() -> (
    None
):
    small: dict[str, Any] = {"engine": {"image": "vllm:1", "maxSequences": 32}}
    long: dict[str, Any] = {"burst": {"windowMilliseconds": 60_000}}
    assert reason(fleet(reservation("a", 3000, **long)), "a") == "Fits"
    found = fleet(reservation("a", 3000, **long), spec=small)
    assert reason(found, "a") == "BurstNotBacked"
    message = verdicts(found)["a"].accepted.message
    largest = int(message.split("windowMilliseconds to ")[1].split()[0])
    backed: dict[str, Any] = {"burst": {"windowMilliseconds": largest}}
    assert reason(fleet(reservation("a", 3000, **backed), spec=small), "a") == "Fits"
    beyond: dict[str, Any] = {"burst": {"windowMilliseconds": largest + 1}}
    assert reason(fleet(reservation("a", 3000, **beyond), spec=small), "a") == "BurstNotBacked"


def test_a_burst_is_judged_by_the_replica_with_the_fewest_seats() -> None:
    few = accelerator("few", rate=1000, minReplicas=1, engine={"maxSequences": 16})
    many = accelerator("many", B200, rate=1000)
    long: dict[str, Any] = {"burst": {"windowMilliseconds": 30_000}}
    found = [
        world(
            pool("pool", *accelerators, replicas=2),
            reservation("a", 800, **long),
            nodes={**nodes(H100, 2, devices=1), **nodes(B200, 2, devices=1)},
        )
        for accelerators in ((many,), (many, few))
    ]
    assert [reason(one, "a") for one in found] == ["Fits", "BurstNotBacked"]


def test_a_burst_is_judged_by_the_replica_that_has_the_largest_part_of_it() -> None:
    fast = accelerator("fast", rate=9000, maxReplicas=1, engine={"maxSequences": 16})
    slow = accelerator("slow", B200, rate=1000, engine={"maxSequences": 16})
    found = world(
        pool("pool", fast, slow, replicas=10),
        reservation("a", 5000, burst={"windowMilliseconds": 3000}),
        nodes={**nodes(H100, 1, devices=1), **nodes(B200, 9, devices=1)},
    )
    assert reason(found, "a") == "BurstNotBacked"
    message = verdicts(found)["a"].accepted.message
    cost = "2,000 service tokens each, as assumed"
    assert f"is 6 requests at once on one replica ({cost}), of which 4 can start" in message


def test_a_percent_of_less_than_one_service_token_breaks_nothing() -> None:
    tiny = world(pool("pool", accelerator(rate=50)), reservation("a", "1%"), nodes=nodes(H100, 1))
    assert granted(tiny) == {"a": 0}


def test_a_reservation_that_contradicts_itself_is_refused_and_harms_nobody() -> None:
    found = fleet(reservation("bad", 100, term=days(5, 1)), reservation("good", 100))
    assert reason(found, "bad") == "Invalid"
    assert granted(found) == {"good": 100}


def test_while_the_pool_is_not_accepted_contracts_stay_and_none_is_added() -> None:
    first = written(fleet(reservation("a", "30%")))
    gone = changed(
        edited(first, reservation("b", 1)), policies={(NAMESPACE, "other"): policy(name="other")}
    )
    assert (reason(gone, "a"), reason(gone, "b")) == ("Fits", "PoolNotAccepted")
    assert granted(gone) == {"a": 3000}


def test_a_change_is_not_agreed_while_the_pool_is_not_accepted() -> None:
    fleet_ = written(fleet(reservation("acme", "30%")))
    gone = edited(changed(fleet_, policies={}), reservation("acme", "95%"))
    assert reason(gone, "acme") == "PoolNotAccepted"
    message = verdicts(gone)["acme"].accepted.message
    assert "What was agreed before stays in force: 30%" in message
    assert granted(gone) == granted(fleet_)
    assert reason(edited(gone, reservation("acme", "30%")), "acme") == "Fits"


def test_a_lost_record_is_rebuilt_in_the_order_of_creation() -> None:
    full = written(fleet(reservation("a", 5000, age=1), reservation("b", 3000, age=2)))
    lost = changed(full, recorded={(NAMESPACE, "pool"): Recorded()})
    assert granted(lost) == {"a": 5000, "b": 3000}


def test_floors_take_their_part_before_any_contract_and_are_told() -> None:
    rules = policy({"name": "enterprise", "priority": 1, "minimumPercent": 10})
    found = fleet(reservation("a", 7100, age=9), reservation("b", 1), policies={rules.key: rules})
    assert granted(found) == {"a": 7100}
    assert reason(found, "b") == "InsufficientCapacity"
    assert verdicts(found)["b"].accepted.message.startswith(
        "1/s is asked for; of 8100 service tokens/s that can be sold 8100 are promised already "
        "within its term (1000 of them to floors, minimumPercent): short by 1."
    )
    assert plan_of(found).promised == 8100


PREPAID = {"serviceTokens": 10**9, "period": "Month", "serviceTokensPerSecond": 100}


def test_a_prepaid_balance_is_promised_at_its_rate_by_one_replica() -> None:
    found = fleet(reservation("a", {"prepaid": PREPAID}), replicas=1)
    assert granted(found) == {"a": 100}
    contract = verdicts(found)["a"].contract
    assert contract is not None
    assert contract.declared == Guarantee(
        prepaid=Prepaid(service_tokens=10**9, period="Month", service_tokens_per_second=100)
    )
    assert verdicts(found)["a"].accepted.message == (
        "1000000000/Month at 100/s is promised for its whole term."
    )


def test_a_prepaid_balance_needs_a_ledger_on_more_than_one_replica() -> None:
    found = fleet(reservation("a", {"prepaid": PREPAID}), replicas=2)
    assert (reason(found, "a"), granted(found)) == ("LedgerRequired", {})
    assert verdicts(found)["a"].accepted.message == (
        "Each of the pool's 2 replicas would count a prepaid balance for itself: more than one "
        "needs a ledger, which there is not yet. Use serviceTokensPerSecond or percent, or a pool "
        "of one replica."
    )


def test_a_pool_that_grows_keeps_a_prepaid_contract_and_says_that_it_cannot_be_counted() -> None:
    contract = reservation("a", {"prepaid": PREPAID})
    grown = changed(
        written(fleet(contract, replicas=1)),
        pools=fleet(replicas=2).pools,
        nodes=nodes(H100, 2, devices=1),
    )
    assert (reason(grown, "a"), granted(grown)) == ("LedgerRequired", {"a": 100})
    back = changed(written(grown), pools=fleet(replicas=1).pools)
    assert (reason(back, "a"), granted(back)) == ("Fits", {"a": 100})


@pytest.mark.parametrize(
    ("spec", "carried"),
    [
        ({"spillover": {"action": "Queue"}}, {"spillover": {"action": "Queue"}}),
        ({"spillover": {"tier": "retail"}}, {"spillover": {"tier": "retail"}}),
        ({"spillover": {"tier": "enterprise"}}, {"spillover": {"tier": "enterprise"}}),
        ({"lending": {"lendablePercent": 0}}, {"lending": {"lendablePercent": 0}}),
        ({"lending": {"reclaim": "Abort"}}, {"lending": {"reclaim": "Abort"}}),
    ],
)
def test_what_is_agreed_beyond_the_rate_reaches_the_plan(
    spec: dict[str, Any], carried: dict[str, Any]
) -> None:
    """Edited without being judged anew too: it asks for no more of the pool."""
    lost = shrunk(written(fleet(reservation("first", 7000), reservation("a", 100))), 3)
    for found in (
        fleet(reservation("a", 100, **spec)),
        edited(lost, reservation("a", 100, **spec)),
    ):
        assert reason(found, "a") == "Fits"
        contract = verdicts(found)["a"].contract
        assert contract is not None
        told = contract.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        assert {name: told[name] for name in told if name in {"spillover", "lending"}} == carried


def test_a_tier_to_spill_over_into_that_the_policy_does_not_have_is_named() -> None:
    asked = reservation("a", 100, spillover={"tier": "flex"})
    found = fleet(asked)
    assert (reason(found, "a"), granted(found)) == ("TierNotFound", {})
    assert verdicts(found)["a"].accepted.message == (
        "TierPolicy 'standard' has no tier 'flex' to spill over into; its tiers are enterprise, "
        "pro, retail. Correct spec.spillover.tier, or leave it out for the tenant's own."
    )
    first = written(fleet(reservation("a", 100)))
    assert (reason(edited(first, asked), "a"), granted(edited(first, asked))) == (
        "TierNotFound",
        {"a": 100},
    )


def test_a_tenant_spills_over_into_no_tier_above_its_own() -> None:
    people = (secret("a", "enterprise"), secret("b", "retail"))
    found = fleet(reservation("x", 100, ["a", "b"], spillover={"tier": "pro"}), tenants=people)
    assert (reason(found, "x"), granted(found)) == ("TierTooHigh", {})
    assert verdicts(found)["x"].accepted.message.startswith(
        "Tenant 'b' is in tier 'retail', and tier 'pro' has a higher priority: "
    )


def test_a_contract_outlives_the_tier_that_it_spills_over_into() -> None:
    with_flex = policy({"name": "enterprise", "priority": 1}, {"name": "flex", "priority": 0})
    without = policy({"name": "enterprise", "priority": 1})
    contract = reservation("a", 100, spillover={"tier": "flex"})
    first = written(fleet(contract, policies={with_flex.key: with_flex}))
    gone = changed(first, policies={without.key: without})
    assert (reason(gone, "a"), granted(gone)) == ("TierNotFound", {"a": 100})
    document = plan_of(gone).plan
    assert document is not None
    assert document.reservations[0].spillover.tier is None
    back = changed(written(gone), policies={with_flex.key: with_flex})
    assert (reason(back, "a"), granted(back)) == ("Fits", {"a": 100})
    contract_again = verdicts(back)["a"].contract
    assert contract_again is not None
    assert contract_again.spillover.tier == "flex"


def test_a_tenant_that_is_moved_down_keeps_what_was_accepted() -> None:
    contract = reservation("a", 100, spillover={"tier": "pro"})
    first = written(fleet(contract))
    moved = changed(first, tenants=(secret("a", "retail"),))
    assert (reason(moved, "a"), granted(moved)) == ("Fits", {"a": 100})


def test_requests_that_cost_nothing_have_no_burst_limit() -> None:
    free = policy(burndown={"input": "0", "cachedInput": "0", "output": "0"})
    long: dict[str, Any] = {"burst": {"windowMilliseconds": 60_000}}
    found = fleet(reservation("a", 3000, **long), policies={free.key: free})
    assert reason(found, "a") == "Fits"
    assert granted(found) == {"a": 3000}
