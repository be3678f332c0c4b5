"""No seat idles without a reason, and no wait is forgotten: invariants 2 and 7."""

import copy
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission import inside
from tests.property.admission.driver import SECOND, Driver, drive, make_plan
from tests.property.admission.traces import LENGTHS, SEEDS, plans, stir
from tierfleet.admission.reclaim import PATIENCE
from tierfleet.admission.types import Dispatch, Shed
from tierfleet.plan import Plan, Preemption

KV = st.sampled_from([None, 9000])


def may_run(request: inside.Seen, now: int) -> bool:
    """Neither its tenant's concurrency nor its tier's bound on long contexts stands against it."""
    owed = request.due is not None and request.due <= now
    return request.may_run and (owed or not request.too_long)


def heads(driver: Driver) -> list[inside.Seen]:
    """Of each line the oldest: only that may be served."""
    first: dict[tuple[int, bool], inside.Seen] = {}
    for request in sorted(driver.waiting):
        seen = inside.seen(driver.core, request)
        first.setdefault(seen.line, seen)
    return [request for request in first.values() if may_run(request, driver.now)]


@given(plans(), SEEDS, LENGTHS, st.integers(1, 5), KV)
def test_2_no_seat_idles_while_a_request_that_fits_waits(
    plan: Plan, seed: int, length: int, seats: int, kv_tokens: int | None
) -> None:
    """Below W - h and what is not lent, a seat idles only for want of KV cache.

    Or because an eligible reserved head is blocked by it, or the engine has stalled. Requests of
    one sequence: one of several waits for seats that its tier may not lend to those behind it.
    """
    driver = drive(seats, plan, kv_tokens)
    for _ in stir(driver, seed, length):
        room, blocked = inside.room(driver.core), inside.blocked(driver.core)
        found = heads(driver)
        if not found or inside.stalled(driver.core):
            continue
        if blocked is not None:
            assert not blocked.a_seat or not blocked.kv
        elif room.taken < room.total - room.kept and room.firm < room.total - room.held:
            full = room.taken >= room.total - max(room.held, room.kept)
            lent = inside.lends_held(driver.core)
            if full and not lent and any(head.anytime for head in found):
                # It may not sit in what is held back, nor may a lower tier pass it.
                continue
            assert any(not head.finds_kv for head in found)


@given(plans(), SEEDS, LENGTHS, st.integers(1, 4), KV)
def test_2_every_wait_has_a_wake_up_and_nothing_would_be_decided_before_it(
    plan: Plan, seed: int, length: int, seats: int, kv_tokens: int | None
) -> None:
    """A core that is asked more often than it wants to be decides nothing sooner."""
    driver = drive(seats, plan, kv_tokens)
    for _ in stir(driver, seed, length, sequences=2):
        if driver.waiting:
            assert driver.wake is not None
            assert driver.now < driver.wake
    if not driver.waiting or driver.wake is None:
        return
    eager, random = copy.deepcopy(driver), Random(seed)
    eager.wake = None
    first = len(eager.log)
    for now in sorted(random.randrange(driver.now, driver.wake) for _ in range(4)):
        eager.now = now
        eager.tick()
    acts = [decision for _, decision in eager.log[first:] if isinstance(decision, Dispatch | Shed)]
    assert not acts


@given(plans(terms=False), SEEDS, LENGTHS, st.integers(1, 4))
def test_2_a_wait_ends_by_itself_at_the_tiers_bound_at_the_latest(
    plan: Plan, seed: int, length: int, seats: int
) -> None:
    driver = drive(seats, plan)
    for _ in stir(driver, seed, length, sequences=3, without=("engine",)):
        for request in driver.waiting:
            assert driver.now - driver.arrived[request] < 30 * SECOND
    driver.pass_time(30 * SECOND)
    assert not driver.waiting


@given(plans(limited=False), SEEDS, LENGTHS, st.integers(4, 12))
def test_7_what_conforms_and_is_owed_never_waits_while_it_needs_no_more_than_is_held_back(
    plan: Plan, seed: int, length: int, seats: int
) -> None:
    """Need: seats of reserved dispatches since the last ordinary one, and its own.

    h was free when that one was let in. Lent seats are another matter (see reclaim): they are what
    `Anytime` work sits in. Not yet owed (S > now) is not owed a seat.
    """
    driver = drive(seats, plan)
    lends = any(tier.preemption is Preemption.ANYTIME for tier in plan.tiers)
    held = need = 0
    counted = 0
    for _ in stir(driver, seed, length):
        for decision in driver.dispatched[counted:]:
            if decision.reservation is None:
                held, need = driver.core.held_back, 0
            else:
                need += 1
        counted = len(driver.dispatched)
        if lends or inside.stalled(driver.core) or inside.room(driver.core).kept:
            continue
        assert not inside.owed(driver.core, driver.now) or need + 1 > held


@given(SEEDS, st.integers(1, 4), st.integers(0, 40))
def test_7_a_guarantee_that_is_owed_something_takes_a_seat_back_in_time_by_itself(
    seed: int, seats: int, debt: int
) -> None:
    """With `reclaim: Abort`, no later than S + τ, whatever else happens or does not.

    The engine is full of `Anytime` work and silent. S lies ahead, because something was served
    before, so nothing but a wake-up tells the core that the time has come.
    """
    contract = {
        "uid": "1",
        "name": "contract",
        "tenants": ["gold-0"],
        "declared": {"percent": 30},
        "granted": 300,
        "burstWindowMilliseconds": 0,
        "maxWaitMilliseconds": 1000,
        "lending": {"reclaim": "Abort"},
    }
    tiers = [
        {"name": "gold", "priority": 100},
        {"name": "silver", "priority": 50},
        {"name": "bronze", "priority": 0, "preemption": "Anytime"},
    ]
    driver = drive(seats, make_plan(reservations=[contract], tiers=tiers))
    # What it has drawn before: S is `debt` service tokens / r ahead.
    driver.finish(driver.arrive("gold-0", prompt_tokens=debt, max_tokens=0), output=1)
    for _ in range(seats):
        driver.arrive("bronze-0", prompt_tokens=10)
    driver.arrive("gold-0")
    due = max(driver.now, inside.tag(driver.core, "contract"))
    driver.pass_time(due + PATIENCE - driver.now)
    assert len(driver.aborting) == 1
