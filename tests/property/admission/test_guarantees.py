"""What a reservation is served, at least and at most: invariants 3, 4 and 11.

`served` counts the real cost of what was dispatched as reserved. cm is the largest cost of one
request, e the largest Σ|actual - charged| over what is in flight, T the time in which each seat
comes free once: W·cm/R with R the engine's rate, since a request of cost c runs c·W/R.
"""

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission import inside
from tests.property.admission.driver import SECOND, drive, make_plan
from tests.property.admission.traces import LENGTHS, SEEDS, plans, stir
from tests.property.admission.world import (
    PATIENT,
    RATE,
    Size,
    World,
    largest_window,
    lateness,
    sizes,
)
from tierfleet.plan import MICRO, Plan, burst_window

TIERS = [
    {"name": "gold", "priority": 100, "queue": PATIENT},
    {"name": "silver", "priority": 50, "queue": PATIENT},
    {"name": "bronze", "priority": 0, "queue": PATIENT},
]
SIZES = st.tuples(st.integers(1, 300), st.sampled_from([0, 1, 60]), st.sampled_from([0, 40]))
"""Largest prompt, output tokens, and how far the output may be from what was expected."""


def contract(number: int, tenants: list[str], rate: int, wait: int, **more: Any) -> dict[str, Any]:
    return {
        "uid": str(number),
        "name": f"contract-{number}",
        "tenants": tenants,
        "declared": {"percent": 1},
        "granted": rate,
        "maxWaitMilliseconds": wait,
        **more,
    }


@given(
    seed=SEEDS,
    seats=st.integers(1, 4),
    size=SIZES,
    rates=st.lists(st.sampled_from([100, 200, 300]), min_size=1, max_size=3),
    burst=st.sampled_from([0, 500]),
    at_once=st.booleans(),
)
def test_3_a_backlogged_reservation_is_served_its_rate_under_a_flood_from_above(
    *,
    seed: int,
    seats: int,
    size: tuple[int, int, int],
    rates: list[int],
    burst: int,
    at_once: bool,
) -> None:
    """Served >= r·Δt - (2cm + e + r·ω) in every window: mClock (OSDI'10), tags by arrival time.

    The page has cm, of one balance: each of two may just have paid for a request in advance.
    ω must promise no less than the engine can keep: T + (Σcm + e)/R for reservations together.
    What exceeds the guarantee (all of it sent at once) is served under it once the first balance is
    full, so r·β may be missing besides; it is never stranded.
    """
    cm = Size(size[0], size[1] + size[2] + 1).cost
    most_error = 2 * seats * 4 * (size[2] + 256) * MICRO
    wait = seats * cm + len(rates) * cm + most_error  # micro service tokens, at rate R
    milliseconds = -(-wait * 1000 // (RATE * MICRO))
    reserved = [
        contract(n, [f"silver-{n}"], rate, milliseconds, burstWindowMilliseconds=burst)
        for n, rate in enumerate(rates)
    ]
    tenants = [{"name": f"silver-{n}", "tier": "silver"} for n in range(3)]
    flood = {"name": "gold-0", "tier": "gold"}
    plan = make_plan(tiers=TIERS, reservations=reserved, tenants=[*tenants, flood])
    world = World(drive(seats, plan), seed)
    draw = sizes(*size)
    world.keep_waiting("gold-0", 2, draw)
    for number, rate in enumerate(rates):
        if at_once:
            left = 110 * cm * rate // RATE
            while left > 0:
                one = draw(world.random)
                world.send(f"silver-{number}", one)
                left -= one.cost
        else:
            world.keep_waiting(f"silver-{number}", 3, draw)
    until = 100 * cm * SECOND // (RATE * MICRO)
    world.run(until)
    for number, rate in enumerate(rates):
        mine = [one for one in world.served if one.tenant == f"silver-{number}" and one.reserved]
        late = milliseconds + (burst if at_once else 0)
        bound = 2 * cm + 2 * world.error + rate * late * MICRO // 1000
        assert lateness(mine, rate, 0, until) <= bound


@given(SEEDS, st.integers(1, 300), st.sampled_from([100, 300, 600]), st.sampled_from([0, 20]))
def test_3_waiting_for_a_seat_costs_a_reservation_nothing(
    seed: int, prompt: int, rate: int, burst: int
) -> None:
    """One seat, exact estimates, ω = 2·T: over a long time not even r·ω is missing for good.

    Served >= r·Δt - (3cm + r·T) however often it has waited. Tags by dispatch time lose up to r·T
    each time, a quarter of the rate.
    """
    cm = Size(prompt, 1).cost
    milliseconds = 2 * (cm * 1000 // (RATE * MICRO) + 1)
    reserved = [contract(0, ["silver-0"], rate, milliseconds, burstWindowMilliseconds=burst)]
    world = World(drive(1, make_plan(tiers=TIERS, reservations=reserved)), seed)

    def draw(random: Random) -> Size:
        return Size(random.randint(1, prompt), 1, 1)

    world.keep_waiting("gold-0", 2, draw)
    world.keep_waiting("silver-0", 3, draw)
    until = 150 * cm * SECOND // (RATE * MICRO)
    world.run(until)
    served = sum(one.cost for one in world.served if one.reserved)
    assert served >= rate * MICRO * until // SECOND - (3 * cm + rate * cm // RATE)


@given(plans(terms=False), SEEDS, LENGTHS, st.integers(1, 5), st.integers(1, 3))
def test_4_no_window_serves_a_reservation_more_than_its_cap(
    plan: Plan, seed: int, length: int, seats: int, sequences: int
) -> None:
    """Served under it <= r·Δt + r·(2β + ω) + 2cm + e in any window: two token buckets.

    The page has r·(β + ω) + cm, of one bucket: but what exceeds the guarantee has one of its own,
    and what it earns while it waits for a seat must not be lost either (docs/admission.md).

    Whatever is aborted, refunded, charged late, takes several seats or comes from several tenants.
    """
    driver = drive(seats, plan)
    charged: dict[str, list[tuple[int, int]]] = {}
    known: dict[int, tuple[str, int]] = {}

    def note() -> None:
        """Changes of what each reservation is charged, as they happen."""
        seen = inside.charged_to_reservations(driver.core)
        for settled in driver.settled:
            if settled.id in known and settled.id not in seen:
                seen[settled.id] = (known[settled.id][0], settled.cost)
        for one, (name, cost) in known.items():
            if one not in seen:
                charged[name].append((driver.now, -cost))
        for one, (name, cost) in seen.items():
            before = known[one][1] if one in known else 0
            charged.setdefault(name, []).append((driver.now, cost - before))
        known.clear()
        known.update(seen)

    largest = 0
    for _ in stir(driver, seed, length, sequences=sequences):
        note()
        # One event may dispatch several, so cm is the largest charge of one request at any time.
        largest = max([largest, *(cost for _, cost in known.values())])
    for reservation in plan.reservations:
        share = plan.share("h100")
        rate = reservation.granted * share * MICRO
        burst = burst_window(reservation.burst_window_milliseconds, share)
        slack = 2 * burst + reservation.max_wait_milliseconds
        changes, then = [], 0
        for now, change in charged.get(reservation.name, ()):
            changes += [-int((now - then) * rate / SECOND), change]
            then = now
        # What is charged late while in flight (e): at most all that is in flight, W requests.
        bound = int(rate * slack / 1000) + (2 + seats) * largest
        assert largest_window(changes) <= bound


@given(SEEDS, st.integers(1, 4), st.integers(50, 300), st.sampled_from([0, 500]))
def test_4_idling_saves_up_no_more_than_the_burst(
    seed: int, seats: int, prompt: int, burst: int
) -> None:
    """The same bound after a minute of nothing, at the engine's full rate, with exact estimates."""
    reserved = [contract(0, ["silver-0"], 100, 100, burstWindowMilliseconds=burst)]
    world = World(drive(seats, make_plan(tiers=TIERS, reservations=reserved)), seed)
    exact = Size(prompt, 1, 1)
    world.keep_waiting("gold-0", 2, lambda _: exact)
    world.run(60 * SECOND)
    world.keep_waiting("silver-0", 3, lambda _: exact)
    world.run(65 * SECOND)
    changes, then = [], 0
    for one in world.served:
        if one.reserved:
            changes += [-((one.at - then) * 100 * MICRO // SECOND), one.cost]
            then = one.at
    assert changes
    assert largest_window(changes) <= 100 * MICRO * (2 * burst + 100) // 1000 + 2 * exact.cost


@given(SEEDS, st.integers(1, 3), SIZES, st.sampled_from([100, 200]), st.sampled_from([0, 500]))
def test_11_splitting_a_reservation_changes_its_service_by_no_more_than_four_requests(
    seed: int, seats: int, size: tuple[int, int, int], half: int, burst: int
) -> None:
    """r against r1 + r2 (spillover `Queue`, always backlogged, under a flood from above).

    |difference| <= 4cm + e + r·T: the page has 2cm, of one bucket each; each has two, and each of
    those may be a request ahead. That holds where seats come free at once; who waits for a seat
    does so as one or as two, so the time of one turn of all seats comes on top.
    """
    cm = Size(size[0], size[1] + size[2] + 1).cost
    draw = sizes(*size)
    wait = 2 * ((seats + 3) * cm * 1000 // (RATE * MICRO) + 1) + 4000
    more = {"spillover": {"action": "Queue"}, "burstWindowMilliseconds": burst}
    two = ["silver-0", "silver-1"]
    served, error = [], 0
    for reserved in (
        [contract(0, two, 2 * half, wait, **more)],
        [contract(n, [name], half, wait, **more) for n, name in enumerate(two)],
    ):
        world = World(drive(seats, make_plan(tiers=TIERS, reservations=reserved)), seed)
        world.keep_waiting("gold-0", 2, draw)
        for name in two:
            world.keep_waiting(name, 3, draw)
        world.run(50 * cm * SECOND // (RATE * MICRO))
        served.append(sum(one.cost for one in world.served if one.reserved))
        error = max(error, world.error)
    turn = 2 * half * seats * cm // RATE
    assert abs(served[0] - served[1]) <= 4 * cm + 2 * error + turn
