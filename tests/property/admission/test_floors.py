"""What the floor of a tier (`minimumPercent`) is served, at least and at most.

A floor is a reservation whose queue is the whole tier, so its bounds are those of
`test_guarantees.py`, with the longest wait of the tier's queue for the ω of a contract. Names as
there: cm, e, T. β is half a second.
"""

from itertools import accumulate
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission.driver import SECOND, drive, make_plan
from tests.property.admission.traces import SEEDS
from tests.property.admission.world import (
    PATIENT,
    RATE,
    Size,
    World,
    largest_window,
    lateness,
    sizes,
)
from tierfleet.admission.entitlements import FLOOR_BURST
from tierfleet.plan import MICRO, Plan

SIZES = st.tuples(st.sampled_from([20, 300, 3000]), st.integers(0, 100), st.sampled_from([0, 40]))
"""Largest prompt, output tokens, and how far the output may be from what was expected."""


def floors(percents: tuple[int, int], wait: int) -> Plan:
    """Floors for silver and bronze, in whose queues a request waits so many ms at most."""
    queue = PATIENT | {"maxWaitMilliseconds": wait}
    silver, bronze = percents
    return make_plan(
        tiers=[
            {"name": "gold", "priority": 100, "queue": PATIENT},
            {"name": "silver", "priority": 50, "queue": queue, "minimumPercent": silver},
            {"name": "bronze", "priority": 0, "queue": queue, "minimumPercent": bronze},
        ]
    )


@given(
    seed=SEEDS,
    seats=st.integers(1, 4),
    size=SIZES,
    percents=st.sampled_from([(0, 10), (0, 40), (20, 10), (30, 30)]),
    longer=st.sampled_from([1, 10]),
)
def test_a_backlogged_tier_is_served_its_floor_under_a_flood_from_above(
    *, seed: int, seats: int, size: tuple[int, int, int], percents: tuple[int, int], longer: int
) -> None:
    """Served >= r·Δt - (cm + e + r·D) in every window, D = T + (Σcm + e)/R, if nothing in the
    tier's queue may wait less than D: a floor loses nothing by waiting for a seat that long.
    """
    prompt, output, error = size
    cm = Size(prompt, output + error + 1).cost
    most_error = 2 * seats * 4 * (output + error + 256) * MICRO
    delay = -(-(seats * cm + 2 * cm + most_error) * 1000 // (RATE * MICRO))  # milliseconds
    world = World(drive(seats, floors(percents, longer * delay)), seed)
    draw = sizes(*size)
    world.keep_waiting("gold-0", 2, draw)
    tenants = ("silver-0", "bronze-0")
    for tenant in tenants:
        world.keep_waiting(tenant, 3, draw)
    until = 100 * cm * SECOND // (RATE * MICRO)
    world.run(until)
    for tenant, percent in zip(tenants, percents, strict=True):
        mine = [one for one in world.served if one.tenant == tenant]
        rate = RATE * percent // 100
        bound = cm + 2 * world.error + rate * delay * MICRO // 1000
        assert lateness(mine, rate, 0, until) <= bound


@given(
    seed=SEEDS,
    seats=st.integers(1, 4),
    prompt=st.sampled_from([30, 300]),
    percent=st.sampled_from([10, 30]),
    wait=st.sampled_from([1000, 4000]),
    waits=st.booleans(),
)
def test_a_floor_catches_up_no_more_than_its_burst_and_the_wait_of_its_tier(
    *, seed: int, seats: int, prompt: int, percent: int, wait: int, waits: bool
) -> None:
    """Served <= r·Δt + r·(2β + ω) + cm + e in every window, while others want every seat.

    Here after 8 s without a free seat, for a tier that `waits` meanwhile. One that does not has
    saved no more than r·β, and earns on from when it begins to wait until it finds its first seat:
    from there on it is served <= r·Δt + r·(β + that wait) + cm + e.
    """
    world = World(drive(seats, floors((0, percent), wait)), seed)
    for _ in range(seats):
        world.send("gold-0", Size(8 * RATE // seats, 1, 1))

    def draw(random: Random) -> Size:
        return Size(random.randint(prompt // 2, prompt), 1, 1)

    world.keep_waiting("gold-0", 2, draw)
    world.run(0 if waits else 8 * SECOND)
    world.keep_waiting("bronze-0", 3, draw)
    world.run(20 * SECOND)
    rate = RATE * percent // 100
    changes, then = [], 0
    for one in world.served:
        if one.tenant == "bronze-0":
            changes += [-((one.at - then) * rate * MICRO // SECOND), one.cost]
            then = one.at
    assert changes
    rest = Size(prompt, 1).cost + world.error
    assert largest_window(changes) <= rate * (2 * FLOOR_BURST + wait) * MICRO // 1000 + rest
    if not waits:
        first = next(one.at for one in world.served if one.tenant == "bronze-0")
        saved = FLOOR_BURST * SECOND // 1000 + first - 8 * SECOND
        assert max(accumulate(changes[1:])) <= rate * saved * MICRO // SECOND + rest
