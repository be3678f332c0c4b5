"""The same events, the same decisions: invariant 14, and what must make no difference (9)."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission import inside
from tests.property.admission.driver import SECOND, TENANTS, Driver, drive
from tests.property.admission.traces import LENGTHS, SEEDS, plans, stir
from tierfleet.admission.types import Arrival, WakeAt
from tierfleet.plan import Plan


def decisions(driver: Driver) -> list[Any]:
    return [(now, one) for now, one in driver.log if not isinstance(one, WakeAt)]


@given(plans(), SEEDS, LENGTHS, st.permutations(TENANTS), st.integers(1, 4))
def test_14_neither_a_second_run_nor_the_order_in_which_tenants_came_changes_a_decision(
    plan: Plan, seed: int, length: int, order: list[str], seats: int
) -> None:
    def run(tenants: Sequence[str]) -> list[Any]:
        driver = drive(seats, plan)
        for tenant in tenants:
            inside.meet(driver.core, driver.now, tenant)
        for _ in stir(driver, seed, length, sequences=2):
            pass
        return decisions(driver)

    once = run(TENANTS)
    assert once == run(TENANTS)
    assert once == run(order)


class Renamed(Driver):
    """Ids are the callers' business: here the newest has the least."""

    def __init__(self, like: Driver) -> None:
        super().__init__(like.core, like.seats, wake=like.wake)

    def arrive(self, tenant: str | None, **values: Any) -> int:
        return super().arrive(tenant, **{**values, "id": 10**6 - self.next_id - 1})


@given(plans(), SEEDS, LENGTHS, st.integers(1, 4))
def test_14_ids_decide_nothing_ties_go_by_arrival(
    plan: Plan, seed: int, length: int, seats: int
) -> None:
    one, other = drive(seats, plan), Renamed(drive(seats, plan))
    for driver in (one, other):
        for _ in stir(driver, seed, length, sequences=2, without=("nonsense",)):
            pass

    def told(driver: Driver, name: Any) -> list[Any]:
        return [
            (now, type(found), name(found.id), getattr(found, "cost", None))
            for now, found in decisions(driver)
        ]

    assert told(one, int) == told(other, lambda request: 10**6 - request)


@given(plans(), SEEDS, LENGTHS, st.integers(1, 4), st.integers(0, 10 * SECOND))
def test_14_asking_changes_nothing_and_a_clock_that_goes_back_stands_still(
    plan: Plan, seed: int, length: int, seats: int, off: int
) -> None:
    """Queries, of whatever time, are no events; an event of the past happens now."""
    driver, asked = drive(seats, plan), drive(seats, plan)
    for _ in stir(driver, seed, length):
        pass
    for _ in stir(asked, seed, length):
        for tenant in TENANTS:
            asked.core.headroom(asked.now + off, tenant)
        asked.core.load()
    assert driver.log == asked.log
    request = Arrival(driver.next_id + 1, TENANTS[seed % 6], 10)
    late = driver.core.arrive(driver.now - off, request)
    assert list(late) == list(asked.core.arrive(asked.now, request))
