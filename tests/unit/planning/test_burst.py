"""The planner accepts the bursts that the admission core can start, and no larger ones."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.simulator.worlds import GROUP, SECOND, engine, flood, merged
from tests.unit.simulator.worlds import plan as plan_of
from tierfleet.admission.core import Core
from tierfleet.plan import burst_window, most_held_back
from tierfleet.planning import burst
from tierfleet.planning.burst import Part, Replica
from tierfleet.simulator import Setup, simulate

COST = 210
"""Service tokens of a request of `flood`, which takes a second."""
SEATS = 16
RATE = SEATS * COST
ALONE = Replica(Part(Fraction(1), SEATS), total=RATE, reserved=RATE * 3 // 10, mean_cost=COST)

SHARES = st.fractions(Fraction(1, 1000), 1, max_denominator=1000)


def test_a_quarter_of_the_seats_backs_a_burst_however_much_is_reserved() -> None:
    """Far more seats than the tail of the wait asks for: 6 at 30 %."""
    large = replace(ALONE, part=Part(Fraction(1), 256))
    assert burst.startable(large, 100) == burst.startable(replace(large, reserved=RATE), 100) == 64
    assert burst.startable(ALONE, 100) == 4


@pytest.mark.parametrize(("wait", "startable"), [(178, 4), (179, 5), (357, 5), (358, 6)])
def test_what_comes_free_in_half_of_the_wait_beyond_reserved_arrivals_counts(
    wait: int, startable: int
) -> None:
    """16 completions and 4.8 reserved arrivals a second: one seat in 89.3 ms."""
    assert burst.startable(ALONE, wait) == startable


def test_one_request_can_start_on_the_smallest_engine() -> None:
    assert burst.startable(replace(ALONE, part=Part(Fraction(1), 1)), 1) == 1


def test_nothing_comes_free_for_a_burst_where_all_is_reserved() -> None:
    assert burst.startable(replace(ALONE, reserved=2 * RATE), 60_000) == 4


def late(requests: int) -> int:
    """Of a burst in the core, under a flood of all seats; ten such bursts, none of them the first.

    Some requests before, so that something is held back at all; all state their length, so that
    nothing is estimated.
    """
    window = -(-requests * COST * 1000 // ALONE.reserved)
    contract = {
        "uid": "acme-1",
        "name": "acme",
        "tenants": ["acme"],
        "declared": {"percent": 30},
        "granted": ALONE.reserved,
        "burstWindowMilliseconds": window,
    }
    group = {"name": GROUP, "accelerator": GROUP, "desired": 1, "serviceTokensPerSecond": RATE}
    bursts = [
        [
            one._replace(arrival=(20 + 10 * number) * SECOND)
            for one in flood("acme", requests, gap=0, max_tokens=50)
        ]
        for number in range(10)
    ]
    trace = merged(
        flood("hobby", 2400, gap=SECOND // 20),
        flood("acme", 3, gap=5 * SECOND, max_tokens=50),
        *bursts,
    )
    plan = plan_of(reservations=[contract], groups=[group])
    ran = simulate(Setup(plan, engine(seats=SEATS), GROUP), trace, Core)
    return sum(
        ran.log.wait[position] > SECOND // 10
        for position, request in enumerate(trace)
        if request.tenant == "acme" and request.arrival >= 20 * SECOND
    )


def test_the_core_starts_the_largest_burst_that_is_accepted_and_none_that_is_larger() -> None:
    largest = burst.startable(ALONE, 100)
    assert late(largest) == 0
    assert late(largest + 1) == 10


@given(
    at=st.builds(
        Replica,
        part=st.builds(Part, SHARES, st.integers(1, 2000)),
        total=st.integers(1, 10**7),
        reserved=st.integers(1, 10**7),
        mean_cost=st.floats(0.5, 10**5),
    ),
    rate=st.integers(1, 10**7),
    wait=st.integers(1, 10**5),
)
@example(at=Replica(Part(Fraction(1), 1), total=176, reserved=1, mean_cost=0.7), rate=1, wait=312)
def test_the_largest_window_is_backed_and_a_longer_one_is_not(
    at: Replica, rate: int, wait: int
) -> None:
    largest = burst.largest_window_milliseconds(at, rate, wait)
    startable = burst.startable(at, wait)
    assert burst.requests(at, rate, largest) <= startable < burst.requests(at, rate, largest + 1)


@given(share=SHARES, rate=st.integers(1, 10**7), window=st.integers(1, 60_000))
def test_what_a_replica_has_to_start_is_what_admission_saves_there(
    share: Fraction, rate: int, window: int
) -> None:
    """But for the millisecond that is rounded."""
    at = Replica(Part(share, 1), total=1, reserved=1, mean_cost=1.0)
    saved = rate * share * burst_window(window, share) / 1000
    assert saved <= burst.requests(at, rate, window) <= saved + rate * share / 1000 + 2


def test_no_more_is_held_back_than_a_burst_may_need() -> None:
    assert [most_held_back(seats) for seats in (3, 4, 255, 256)] == [0, 1, 63, 64]
