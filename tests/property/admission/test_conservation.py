"""Nothing is lost and nothing is counted twice: invariants 1 and 13 of the admission design."""

from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission import inside
from tests.property.admission.driver import SECOND, TENANTS, Driver, drive, make_plan
from tests.property.admission.traces import LENGTHS, SEEDS, plans, stir
from tierfleet.admission.cost import Rates
from tierfleet.admission.types import Outcome, Partition
from tierfleet.plan import MICRO, Plan, SpilloverAction


def check_counts(driver: Driver) -> None:
    """The core's counts are those of what it has decided."""
    load = driver.core.load()
    assert sum(tier.queued for tier in load) == len(driver.waiting)
    assert inside.room(driver.core).taken == driver.seats_taken <= driver.seats
    for tier in load:
        running = [*driver.running, *driver.aborting]
        assert tier.in_flight == sum(driver.last[request].tier == tier.tier for request in running)


@given(plans(), SEEDS, LENGTHS, st.integers(1, 4), st.sampled_from([None, 6000]))
def test_1_at_the_end_nothing_is_in_flight_and_every_request_has_ended_once(
    plan: Plan, seed: int, length: int, seats: int, kv_tokens: int | None
) -> None:
    """In flight 0 and KV 0 at quiescence after any mix of aborts, hang-ups, crashes, repeats.

    12: the tier that a dispatch reports is the one that is charged with it, at every moment.
    """
    driver = drive(seats, plan, kv_tokens)
    for _ in stir(driver, seed, length, sequences=3):
        check_counts(driver)
    driver.drain()
    assert inside.leftovers(driver.core) == {}
    ends = [decision.id for decision in driver.settled]
    assert len(ends) == len(set(ends))
    assert not set(ends) & {decision.id for decision in driver.shed}


@given(plans(terms=False), SEEDS, LENGTHS, st.integers(1, 4))
def test_1_what_was_counted_is_what_is_charged_and_billed(
    plan: Plan, seed: int, length: int, seats: int
) -> None:
    """Σ charges = Σ actual costs, request by request; what nobody counted is never billed more."""
    driver = drive(seats, plan)
    billing = Rates.of(plan.burndown)
    scheduling = Rates.of(plan.scheduling) if plan.scheduling is not None else billing
    for _ in stir(driver, seed, length):
        for request in driver.running:
            prompt, cached, output = driver.tokens[request]
            if output:
                # Estimated, or as it has come: never less than what is known.
                known = scheduling.cost(prompt, cached, output)
                assert inside.charged(driver.core, request) >= known
                assert inside.charged_tokens(driver.core, request) >= prompt + output
    driver.drain()
    for settled in driver.settled:
        tokens = driver.tokens[settled.id]
        if tokens[2] and settled.cost:
            assert settled.cost == scheduling.cost(*tokens)
            assert settled.billed == billing.cost(*tokens)
        assert settled.billed <= billing.cost(*tokens)


def contract(number: int, tenant: str, **changes: Any) -> dict[str, Any]:
    """A reservation whose burst is so large that its balance is never at its cap."""
    return {
        "uid": str(number),
        "name": f"contract-{number}",
        "tenants": [tenant],
        "declared": {"percent": 1},
        "granted": 300,
        "burstWindowMilliseconds": 10**9,
        "lending": {"reclaim": "Abort"},
    } | changes


@given(SEEDS, LENGTHS, st.integers(1, 4), st.sampled_from(["Shared", "Queue"]))
def test_1_a_reservation_pays_for_just_what_was_served_under_it(
    seed: int, length: int, seats: int, spillover: str
) -> None:
    """Its balance moves by earnings - Σ settled costs of `reserved` dispatches, nothing else.

    One has much left and is always owed; one is deep in debt and only ever borrows or competes.
    What was borrowed, aborted or answered in the shared part leaves both where they were.
    """
    reservations = [
        contract(0, "silver-0"),
        contract(1, "bronze-0", maxWaitMilliseconds=10**12, spillover={"action": spillover}),
    ]
    preempted = [
        {"name": "gold", "priority": 100, "preemption": "BeforeFirstByte"},
        {"name": "silver", "priority": 50, "preemption": "Anytime"},
        {"name": "bronze", "priority": 0, "preemption": "Anytime"},
    ]
    driver = drive(seats, make_plan(reservations=reservations, tiers=preempted))
    # In a stall nothing is earned; that is another rule's test.
    inside.never_stall(driver.core)
    for tenant, prompt in (("silver-0", 10**8), ("bronze-0", 2 * 10**9)):
        driver.finish(driver.arrive(tenant, prompt_tokens=prompt), outcome=Outcome.FAILED)
    names = [reservation["name"] for reservation in reservations]
    before = [inside.balance(driver.core, driver.now, name) for name in names]
    since, first = driver.now, len(driver.settled)
    for _ in stir(driver, seed, length):
        pass
    driver.drain()
    # What is borrowed is shared capacity, whoever it is that borrows.
    assert all(one.partition is Partition.SHARED for one in driver.dispatched if one.borrowed)
    earned = Fraction(300 * MICRO * (driver.now - since), SECOND)
    for name, balance in zip(names, before, strict=True):
        paid = sum(
            settled.cost
            for settled in driver.settled[first:]
            if driver.last[settled.id].reservation == name
        )
        assert inside.balance(driver.core, driver.now, name) == balance + earned - paid


@given(plans(), SEEDS, LENGTHS, st.integers(1, 4))
def test_1_a_borrowed_seat_is_charged_to_the_share_and_lent_to_none_but_conforming(
    plan: Plan, seed: int, length: int, seats: int
) -> None:
    driver = drive(seats, plan)
    for _ in stir(driver, seed, length):
        pass
    for decision in driver.dispatched:
        assert (decision.partition is Partition.RESERVED) == (decision.reservation is not None)
        if decision.borrowed:
            assert decision.conforming
            assert decision.partition is Partition.SHARED


@given(SEEDS, LENGTHS, st.integers(1, 4))
def test_1_limits_are_charged_what_was_really_used(seed: int, length: int, seats: int) -> None:
    """Time stands still, so what is missing from a limit is the sum of all charges.

    Who hangs up without a count of the output is charged the estimate: answers have a count here.
    """
    limits = {"requestsPerMinute": 10**6, "tokensPerMinute": 10**9}
    tiers = [{"name": t, "priority": p, "limits": limits} for t, p in (("gold", 2), ("silver", 1))]
    tenants = [{"name": name, "tier": name.split("-")[0]} for name in TENANTS[:4]]
    driver = drive(seats, make_plan(tiers=tiers, tenants=tenants))
    for _ in stir(driver, seed, length, without=("pass", "abort")):
        pass
    driver.drain()
    for tenant in TENANTS[:4]:
        served = [s for s in driver.settled if driver.known[s.id].tenant == tenant]
        counted = [s for s in served if s.id not in driver.unsent]
        if all(driver.tokens[settled.id][2] for settled in counted):
            used = sum(sum(driver.tokens[s.id][::2]) for s in counted)
            shown = driver.core.headroom(driver.now, tenant)
            assert shown.requests is not None
            assert shown.tokens is not None
            assert shown.requests.remaining == 10**6 - len(counted)
            assert shown.tokens.remaining == 10**9 - used


@given(plans(), plans(), SEEDS, LENGTHS, st.integers(1, 4))
def test_13_clocks_never_go_back_and_no_tenant_falls_below_its_floor(
    plan: Plan, other: Plan, seed: int, length: int, seats: int
) -> None:
    """Vsys of each tier is monotone, through plan changes too; V >= its clock at its return."""
    driver = drive(seats, plan)
    before: dict[str, int] = {}
    for _ in stir(driver, seed, length, replans=[(plan, seats), (other, seats)]):
        clocks = inside.clocks(driver.core)
        assert all(clock >= before.get(tier, 0) for tier, clock in clocks.items())
        before |= clocks
        assert all(place.v >= place.base for place in inside.places(driver.core).values())


@given(plans(limited=False, terms=False), SEEDS)
def test_13_a_trillion_tokens_leave_whole_numbers_of_bounded_size(plan: Plan, seed: int) -> None:
    """Charges stay integers of at most some 100 bits; measured rates (hold-back) are the floats."""
    driver = drive(4, plan)
    for number in range(100):
        request = driver.arrive(TENANTS[(seed + number) % 6], prompt_tokens=3 * 10**10)
        driver.pass_time(SECOND)
        for running in sorted(driver.running):
            driver.finish(running, output=request)
    driver.drain()
    numbers = inside.numbers(driver.core)
    assert all(type(number) is int and abs(number) < 2**110 for number in numbers)
    rejects = any(r.spillover.action is SpilloverAction.REJECT for r in plan.reservations)
    assert rejects or sum(settled.cost for settled in driver.settled) > 10**12 * MICRO
