"""Who is owed a seat goes first (invariant 3 of the design; mClock, OSDI'10, for the order)."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission import inside
from tests.property.admission.driver import Driver, drive, make_plan
from tests.property.admission.traces import LENGTHS, SEEDS, plans, stir
from tierfleet.admission.entitlements import MILLISECOND
from tierfleet.plan import Plan

CONTRACTS = [
    {
        "uid": name,
        "name": name,
        "tenants": [name],
        "declared": {"percent": 1},
        "granted": 20_000,
        "burstWindowMilliseconds": 5000,
        "maxWaitMilliseconds": 3000,
    }
    for name in ("gold-0", "silver-0", "bronze-0")
]
"""Large enough that the KV cache is what is short, not what is owed."""
PLANS = plans(terms=False) | plans(limited=False, terms=False, reservations=CONTRACTS)


def watch(driver: Driver) -> None:
    """Checks each choice of the core."""

    def look(owed: list[inside.Owed], served: str | None) -> None:
        conforming = [one for one in owed if one.conforming]
        if served is None:
            assert not conforming
            return
        mine = next(one for one in owed if one.reservation == served)
        for other in conforming:
            if other.rank < mine.rank:
                assert other.finds_free_seats
                assert not other.finds_seats or (not other.finds_kv and other.passed < 8)

    inside.watch_choices(driver.core, look)


@given(PLANS, SEEDS, LENGTHS, st.integers(1, 5), st.sampled_from([None, 6000, 9000]))
def test_no_seat_goes_to_anybody_but_whom_a_reservation_owes_one_before(
    plan: Plan, seed: int, length: int, seats: int, kv_tokens: int | None
) -> None:
    """While a conforming request is owed a seat, only reservations get one, least S first.

    One of a smaller S is passed by another reservation only for want of KV cache, at most 8 times,
    or because the seats that are free are not lent to it.
    """
    driver = drive(seats, plan, kv_tokens)
    watch(driver)
    for _ in stir(driver, seed, length, sequences=2):
        pass


@given(SEEDS, st.integers(9, 30))
def test_of_whom_a_reservation_owes_one_before_nobody_is_passed_more_than_8_times(
    seed: int, others: int
) -> None:
    """For want of KV cache, which small requests of other reservations leave no room in."""
    random = Random(seed)
    driver = drive(4, make_plan(reservations=CONTRACTS), 3000)
    watch(driver)
    for _ in range(3):
        driver.arrive("silver-0", prompt_tokens=700, max_tokens=0)
    driver.arrive("gold-0", prompt_tokens=2500, max_tokens=0)
    for _ in range(others):
        driver.pass_time(MILLISECOND)
        driver.arrive(random.choice(("silver-0", "bronze-0")), prompt_tokens=400, max_tokens=0)
        driver.finish(random.choice([*driver.running]))
