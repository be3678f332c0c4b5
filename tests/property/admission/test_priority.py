"""Tiers: strict priority, the seats that are held back, and the order inside one line."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission import inside
from tests.property.admission.driver import SECOND, Driver, drive, make_plan
from tests.property.admission.traces import LENGTHS, SEEDS, plans, stir
from tests.property.admission.world import PATIENT, Size, World
from tierfleet.admission.types import Dispatch, Partition
from tierfleet.plan import Plan


def watch(driver: Driver) -> Callable[[Dispatch], None]:
    """Checks at each dispatch that nothing of a higher tier was passed over without a reason."""
    core = driver.core

    def look(decision: Dispatch) -> None:
        mine = inside.seen(core, decision.id)
        if decision.partition is Partition.RESERVED or decision.borrowed or mine.by_floor:
            return
        for request in driver.waiting:
            other = inside.seen(core, request)
            if other.conforming or other.priority <= decision.priority:
                continue
            if not other.first or not other.may_run or other.long:
                continue
            # It was passed over: with the seat that was given away it would not have fitted.
            room = inside.room(core)
            assert mine.anytime
            assert room.firm + other.seats > room.total - room.held

    return look


@given(plans(terms=False), SEEDS, LENGTHS, st.integers(1, 5), st.sampled_from([None, 9000]))
def test_a_tier_never_waits_for_a_lower_one_but_for_a_floor_or_what_is_held_back(
    plan: Plan, seed: int, length: int, seats: int, kv_tokens: int | None
) -> None:
    """Of higher tiers nothing that may run waits when a lower one is served.

    Unless a floor owes the lower one a seat, or it is `Anytime` work in seats that are held back:
    then the higher one would not have found one, so that flex never takes what pro could use.
    """
    driver = drive(seats, plan, kv_tokens)
    driver.on_dispatch = watch(driver)
    for _ in stir(driver, seed, length):
        pass


@given(SEEDS, st.integers(8, 24), st.integers(1, 20), st.integers(1, 4))
def test_seats_that_are_held_back_are_flexs_only_while_nothing_higher_could_have_them(
    seed: int, seats: int, prompt: int, every: int
) -> None:
    """The simpler rule, held-back seats are for flex, hands the engine to it as pro's work ends."""
    contract = {"uid": "1", "name": "c", "tenants": ["silver-0"], "declared": {"percent": 1}}
    tiers = [
        {"name": "gold", "priority": 100, "queue": PATIENT},
        {"name": "silver", "priority": 50, "queue": PATIENT},
        {"name": "bronze", "priority": 0, "queue": PATIENT, "preemption": "Anytime"},
    ]
    lent = {"granted": 500, "lending": {"reclaim": "Abort"}}
    driver = drive(seats, make_plan(tiers=tiers, reservations=[{**contract, **lent}]))
    world = World(driver, seed)
    started, check = driver.on_dispatch, watch(driver)

    def look(decision: Dispatch) -> None:
        check(decision)
        started(decision)

    driver.on_dispatch = look
    for tenant in ("gold-0", "bronze-0"):
        world.keep_waiting(tenant, 2, lambda random: Size(random.randint(1, 20 * prompt), 1, 1))
    for step in range(20):
        world.run(step * every * SECOND // 4)
        for thrown_out in sorted(driver.aborting):
            driver.release(thrown_out)
        world.send("silver-0", Size(prompt, 1, 1))


@given(plans(), SEEDS, LENGTHS, st.integers(1, 4))
def test_a_tenants_requests_are_served_in_the_order_in_which_they_came(
    plan: Plan, seed: int, length: int, seats: int
) -> None:
    """Within one queue: conforming ones are another queue than the rest, and so is each tier."""
    driver = drive(seats, plan)
    core = driver.core

    def look(decision: Any) -> None:
        line = inside.seen(core, decision.id).line
        assert all(
            request > decision.id
            for request in driver.waiting
            if inside.seen(core, request).line == line
        )

    driver.on_dispatch = look
    for _ in stir(driver, seed, length):
        pass


@given(plans(), SEEDS, LENGTHS, st.integers(1, 4), st.sampled_from([None, 9000]))
def test_a_reservation_is_looked_for_no_later_than_it_is_owed_a_seat(
    plan: Plan, seed: int, length: int, seats: int, kv_tokens: int | None
) -> None:
    """Whatever makes it owed sooner (a refund, a new head, a tenant below its limit) moves it up.

    The core looks at the first of the reservations only, and only when that one is due.
    """
    driver = drive(seats, plan, kv_tokens)
    for _ in stir(driver, seed, length):
        assert inside.found_too_late(driver.core) == []
