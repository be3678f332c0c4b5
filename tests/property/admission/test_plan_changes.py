"""A new plan under load: nothing is lost, debts stay what they were in service tokens."""

from math import floor
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission import inside
from tests.property.admission.driver import SECOND, TENANTS, TIERS, drive, make_plan
from tests.property.admission.test_conservation import check_counts
from tests.property.admission.traces import LENGTHS, SEEDS, plans, stir
from tierfleet.plan import Plan


@given(
    plan=plans(),
    other=plans(),
    seed=SEEDS,
    length=LENGTHS,
    seats=st.integers(2, 4),
    later=st.integers(1, 4),
)
def test_plans_that_change_under_load_lose_nothing(
    *, plan: Plan, other: Plan, seed: int, length: int, seats: int, later: int
) -> None:
    """1: counts hold at every moment; what waits goes on waiting under the rules of now.

    A plan that leaves out nearly everybody keeps what they have here until it has ended.
    """
    few = make_plan(tenants=[{"name": TENANTS[seed % 6], "tier": TENANTS[seed % 6].split("-")[0]}])
    driver = drive(seats, plan)
    changes = [(plan, seats), (other, seats), (other, max(later, seats)), (few, seats)]
    for kind in stir(driver, seed, length, replans=changes):
        load = driver.core.load()
        assert inside.waiting(driver.core) == len(driver.waiting)
        assert inside.room(driver.core).taken == driver.seats_taken
        if kind == "replan":
            continue
        assert sum(tier.queued for tier in load) <= len(driver.waiting)
    driver.replan(plan, 4 + seats)
    check_counts(driver)
    driver.drain()
    assert inside.leftovers(driver.core) == {}


@given(plans(terms=False), SEEDS, LENGTHS, st.integers(1, 4))
def test_the_same_plan_again_changes_no_debt_and_no_decision(
    plan: Plan, seed: int, length: int, seats: int
) -> None:
    driver = drive(seats, plan)
    for _ in stir(driver, seed, length):
        pass

    def state() -> object:
        core = driver.core
        return inside.places(core), inside.guarantees(core, driver.now), core.load()

    before, decided = state(), len(driver.dispatched) + len(driver.shed) + len(driver.aborted)
    driver.replan(plan, seats)
    assert len(driver.dispatched) + len(driver.shed) + len(driver.aborted) == decided
    assert state() == before


@given(SEEDS, st.integers(0, 3000), st.integers(0, 3), st.integers(1, 900))
def test_a_reservation_that_is_deleted_and_made_again_finds_its_debt(
    seed: int, prompt: int, away: int, rate: int
) -> None:
    """And one whose rate changes owes the same service tokens as before."""
    contract = {"uid": "1", "name": "c", "tenants": ["gold-0"], "declared": {"percent": 1}}
    plan = make_plan(reservations=[{**contract, "granted": 300}])
    driver = drive(1, plan)
    driver.finish(driver.arrive("gold-0", prompt_tokens=prompt), 1)
    owed = inside.balance(driver.core, driver.now, "c")
    driver.replan(make_plan(), 1)
    driver.pass_time(away * SECOND)
    driver.replan(plan, 1)
    assert inside.balance(driver.core, driver.now, "c") == owed
    balance = floor(inside.balance(driver.core, driver.now, "c"))
    driver.replan(make_plan(reservations=[{**contract, "granted": rate}]), 1)
    assert floor(inside.balance(driver.core, driver.now, "c")) == balance


@given(SEEDS, LENGTHS, st.integers(1, 3), st.integers(0, 40), st.integers(1, 6))
def test_9_a_tenant_that_a_plan_leaves_out_for_a_while_is_the_same_after(
    seed: int, length: int, seats: int, away: int, left: int
) -> None:
    """What is forgotten changes nothing: neither what a limit leaves, nor who is next.

    But for what had been learned of its answers' lengths: here nobody asks for any output.
    """
    limits = {"requestsPerMinute": 6, "tokensPerMinute": 4000}
    tiers = [{"name": t, "priority": p, "limits": limits} for t, p in TIERS.items()]
    tenants = [{"name": name, "tier": name.split("-")[0]} for name in TENANTS]
    plan = make_plan(tiers=tiers, tenants=tenants)

    def play(between: Plan) -> object:
        driver, random = drive(seats, plan), Random(seed)
        for _ in range(2):
            for _ in range(length):
                prompt = random.choice((1, 50, 500))
                driver.arrive(random.choice(TENANTS), prompt_tokens=prompt, max_tokens=0)
                driver.pass_time(random.choice((0, 0, SECOND)))
                if random.random() < 0.5 and driver.running:
                    driver.finish(min(driver.running))
            driver.drain()
            driver.replan(between, seats)
            driver.pass_time(away * SECOND)
            driver.replan(plan, seats)
        return driver.dispatched, driver.shed

    assert play(make_plan(tiers=tiers, tenants=tenants[:left])) == play(plan)
