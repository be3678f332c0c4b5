"""Taking seats back: who is thrown out, how many, at what price (invariants 1 and 7)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission import inside
from tests.property.admission.driver import SECOND, drive, make_plan
from tests.property.admission.traces import LENGTHS, SEEDS, plans, stir
from tests.property.admission.world import RATE, Size, World
from tierfleet.admission.reclaim import LOST_PERCENT, PATIENCE
from tierfleet.admission.types import Abort, Outcome, Settled
from tierfleet.plan import MICRO, Plan, Preemption


@given(plans(), SEEDS, LENGTHS, st.integers(1, 5), st.sampled_from([None, 9000]))
def test_7_no_more_seats_are_taken_back_than_guarantees_wait_for(
    plan: Plan, seed: int, length: int, seats: int, kv_tokens: int | None
) -> None:
    """Pending aborts count as seats already: at any time they are at most those waited for.

    Only for reservations that say `Abort`, only from tiers that allow it, never what is served as
    reserved, each request once in its life, and nothing of which the caller has seen a part from
    `BeforeFirstByte`.
    """
    driver = drive(seats, plan, kv_tokens)
    core = driver.core
    thrown: set[int] = set()
    looked = 0
    for _ in stir(driver, seed, length):
        fresh = [one for _, one in driver.log[looked:] if isinstance(one, Abort)]
        looked = len(driver.log)
        for one in fresh:
            assert one.id not in thrown
            thrown.add(one.id)
            assert driver.last[one.id].reservation is None
            tier = plan.tier(driver.last[one.id].tier)
            assert tier.preemption is not Preemption.NEVER
            if inside.is_known(core, one.id):
                sent = inside.seen(core, one.id).sent
                assert one.requeued is not sent
                assert tier.preemption is Preemption.ANYTIME or not sent
        seen = [inside.seen(core, request) for request in driver.waiting]
        wanted = sum(request.seats for request in seen if request.reclaims)
        if fresh:
            assert len(driver.aborting) <= max(1, wanted)
        assert inside.on_their_way_back(core) == len(driver.aborting)


def reclaiming(preemption: str, granted: int = 500) -> Plan:
    contract: dict[str, Any] = {
        "uid": "1",
        "name": "contract",
        "tenants": ["gold-0"],
        "declared": {"percent": 50},
        "granted": granted,
        "burstWindowMilliseconds": 20_000,
        "lending": {"reclaim": "Abort"},
    }
    tiers = [
        {"name": "gold", "priority": 100},
        {"name": "silver", "priority": 50},
        {"name": "bronze", "priority": 0, "preemption": preemption},
    ]
    return make_plan(reservations=[contract], tiers=tiers)


@given(SEEDS, st.integers(1, 12), st.integers(1, 12), st.integers(0, SECOND), st.integers(0, 3))
def test_7_a_conforming_burst_waits_patience_and_the_time_that_the_engine_takes_to_let_go(
    seed: int, seats: int, burst: int, let_go: int, events: int
) -> None:
    """All seats lent to `Anytime` work, a burst of n: min(n, W) seats after τ + abort-to-free.

    Other events while aborts are under way take nothing back twice.
    """
    driver = drive(seats, reclaiming("Anytime"))
    lent = [driver.arrive("bronze-0", prompt_tokens=10, max_tokens=10) for _ in range(seats)]
    assert set(lent) == set(driver.running)
    owed = [driver.arrive("gold-0", prompt_tokens=10, max_tokens=10) for _ in range(burst)]
    driver.pass_time(PATIENCE)
    need = min(burst, seats)
    assert len(driver.aborting) == need
    assert {*driver.aborting} == {*lent[-need:]}
    for _ in range(events):
        driver.pass_time(let_go // 4)
        driver.arrive("bronze-1", prompt_tokens=10)
        assert len(driver.aborting) == need
    driver.pass_time(let_go - events * (let_go // 4))
    for request in sorted(driver.aborting):
        driver.release(request)
    started = [one for one in driver.dispatched if one.id in owed]
    assert [one.id for one in started] == owed[:need]
    assert all(one.waited == PATIENCE + let_go for one in started)
    assert set(lent[-need:]) <= set(driver.waiting)


@given(SEEDS, st.integers(2, 6), st.integers(200, 4000))
def test_at_most_a_twentieth_of_a_minutes_work_is_thrown_away(
    seed: int, seats: int, prompt: int
) -> None:
    """Lost in any 60 s <= 5 % of the larger of the work of that time and a minute at the rate."""
    driver = drive(seats, reclaiming("Anytime"))
    world = World(driver, seed)
    world.keep_waiting("bronze-0", 2, lambda _: Size(prompt, 1, 1))
    lost: list[tuple[int, int]] = []
    looked = 0
    for step in range(60):
        world.run(step * SECOND)
        if step % 3 == 0:
            world.send("gold-0", Size(100, 1, 1))
        world.run(step * SECOND + 2 * PATIENCE)
        for now, one in driver.log[looked:]:
            if isinstance(one, Abort):
                lost.append((now, prompt * MICRO))
        looked = len(driver.log)
        for request in sorted(driver.aborting):
            driver.release(request)
    # One minute in all, so one window; the work of it is no more than the rate.
    done = sum(one.cost for one in driver.settled) + sum(cost for _, cost in lost)
    assert sum(cost for _, cost in lost) * 100 <= LOST_PERCENT * max(done, 60 * RATE * MICRO)


@given(SEEDS, st.integers(1, 4), st.booleans(), st.booleans())
def test_1_what_was_thrown_away_costs_its_caller_nothing(
    seed: int, seats: int, sent: bool, hangs_up: bool
) -> None:
    """Neither bill nor share nor limit; what its caller saw nothing of waits at its old place."""
    driver = drive(seats, reclaiming("Anytime"))
    for _ in range(seats):
        driver.arrive("bronze-0")
    behind = driver.arrive("bronze-0")
    victim = max(driver.running)
    place = "bronze-0", "bronze"
    before = inside.places(driver.core)[place].v - inside.charged(driver.core, victim)
    if sent:
        driver.first_byte(victim)
    driver.arrive("gold-0")
    driver.pass_time(PATIENCE)
    assert list(driver.aborting.values()) == [Abort(victim, requeued=not sent)]
    if hangs_up:
        driver.abort(victim)
    else:
        driver.release(victim)
    after = inside.places(driver.core)[place]
    assert after.v == max(before, after.base)
    if sent or hangs_up:
        assert Settled(victim, 0, 0, conforming=False, conforms_settled=False) in driver.settled
    else:
        assert victim in driver.waiting
        driver.finish(driver.dispatched[-1].id, outcome=Outcome.FAILED)
        assert driver.dispatched[-1].id == victim
        assert behind in driver.waiting
