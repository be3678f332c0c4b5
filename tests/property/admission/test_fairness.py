"""Who is next among the tenants of a tier, and who is turned away: invariants 5, 6, 9 and 10."""

from collections import defaultdict
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.admission import inside
from tests.property.admission.driver import SECOND, TENANTS, drive, make_plan
from tests.property.admission.traces import LENGTHS, SEEDS
from tests.property.admission.world import PATIENT, RATE, RATES, Size, World, largest_window, sizes
from tierfleet.admission.types import ShedReason
from tierfleet.plan import MICRO, Plan

SIZES = st.tuples(st.integers(1, 200), st.sampled_from([1, 60]), st.sampled_from([0, 0, 50]))


def fair_plan(weights: tuple[int, int]) -> Plan:
    tiers = [
        {"name": "gold", "priority": 100, "queue": PATIENT},
        {"name": "silver", "priority": 50, "queue": PATIENT},
    ]
    tenants: list[dict[str, Any]] = [{"name": "gold-0", "tier": "gold"}]
    tenants += [
        {"name": name, "tier": "silver", "weight": weight}
        for name, weight in zip("fg", weights, strict=True)
    ]
    return make_plan(tiers=tiers, tenants=tenants)


@given(
    seed=SEEDS,
    seats=st.integers(1, 4),
    size_f=SIZES,
    size_g=SIZES,
    weights=st.tuples(st.sampled_from([1, 2, 7]), st.sampled_from([1, 2, 7])),
    idle=st.integers(0, 20),
)
def test_5_while_both_are_backlogged_two_tenants_of_a_tier_get_service_by_their_weights(
    *,
    seed: int,
    seats: int,
    size_f: tuple[int, int, int],
    size_g: tuple[int, int, int],
    weights: tuple[int, int],
    idle: int,
) -> None:
    """|W_f/w_f - W_g/w_g| <= (cm_f + e)/w_f + (cm_g + e)/w_g in every window: SFQ (SIGCOMM'96).

    9: one of them comes late, behind a tier above it that comes and goes: being away has saved up
    nothing, and a clock of its own tier keeps what others were served out of it. e counts both ends
    of the window.
    """
    world = World(drive(seats, fair_plan(weights)), seed)
    draws = sizes(*size_f), sizes(*size_g)
    cm = [Size(one[0], one[1] + one[2] + 1).cost for one in (size_f, size_g)]
    turn = max(cm) * SECOND // (RATE * MICRO)
    world.keep_waiting("g", 2, draws[1])
    world.run(turn)
    world.keep_waiting("gold-0", 1, draws[1])
    world.run(idle * turn)
    world.leave("gold-0")
    world.run(2 * idle * turn)
    first = len(world.served)
    world.keep_waiting("f", 2, draws[0])
    world.run((2 * idle + 30) * turn)
    w = dict(zip("fg", weights, strict=True))
    changes = [
        one.cost // w["f"] if one.tenant == "f" else -one.cost // w["g"]
        for one in world.served[first:]
        if one.tenant in w
    ]
    error = 2 * world.error
    bound = sum((c + error) // weight + 1 for c, weight in zip(cm, weights, strict=True))
    rounding = len(changes)
    assert largest_window(changes) <= bound + rounding
    assert largest_window([-change for change in changes]) <= bound + rounding


@given(SEEDS, st.integers(2, 6), st.integers(1, 200), st.integers(1, 20), st.integers(5, 40))
def test_9_what_was_refunded_for_the_past_gains_nothing_after_a_return(
    seed: int, seats: int, prompt: int, real: int, before: int
) -> None:
    """From its return on a tenant gets at most cm + cm more than one that never left.

    It comes back while requests of before are still running whose estimates were much too high;
    when they end, the refunds would let it run ahead if they took V below the clock of its return.
    """
    world = World(drive(seats, fair_plan((1, 1))), seed)
    driver = world.driver
    old = [world.send("f", Size(prompt, 2000, 256)) for _ in range(seats - 1)]
    exact = Size(prompt, real, real)
    world.keep_waiting("g", 2, lambda _: exact)
    turn = exact.cost * seats * SECOND // (RATE * MICRO)
    world.run(min(before * turn, 2000 * 4 * SECOND // RATE))
    world.keep_waiting("f", 2, lambda _: exact)
    first = len(world.served)
    for request in old:
        if request in driver.running:
            driver.finish(request, 1)
    world.run(driver.now + 30 * turn)
    changes = [
        one.cost if one.tenant == "f" else -one.cost
        for one in world.served[first:]
        if one.tenant in {"f", "g"}
    ]
    # What is charged at first is the estimate of f, which its old answers have changed.
    error = 2 * max([0, *(one.error for one in world.served[first:])]) * seats
    assert largest_window(changes) <= 2 * exact.cost + error


@given(
    SEEDS,
    st.tuples(st.integers(1, 300), st.integers(1, 60)),
    st.tuples(st.integers(1, 300), st.integers(1, 60)),
    st.integers(800, 4000),
)
def test_6_two_equal_tenants_that_are_backlogged_stay_within_the_bound_of_vtc(
    seed: int, size_f: tuple[int, int], size_g: tuple[int, int], kv_tokens: int
) -> None:
    """Gap of served tokens <= 2·max(w_in·L_input, w_out·M): VTC (OSDI'24), theorem 4.4.

    M is the KV cache in tokens, L_input the longest prompt. Service is counted as there: prompts
    when they start, outputs as they are generated.
    """
    driver = drive(64, fair_plan((1, 1)), kv_tokens)
    random = Random(seed)
    size = {"f": size_f, "g": size_g}
    service = {"f": 0, "g": 0}
    left: dict[int, int] = {}
    longest = max(size_f[0], size_g[0])
    bound = 2 * max(longest * RATES.input, kv_tokens * RATES.output)

    def started(decision: Any) -> None:
        prompt = driver.known[decision.id].prompt_tokens
        service[decision.tenant] += RATES.input * prompt
        left[decision.id] = random.randint(1, size[decision.tenant][1])

    driver.on_dispatch = started

    def keep_backlogged() -> None:
        for tenant, (prompt, output) in size.items():
            waiting = sum(one.tenant == tenant for one in driver.waiting.values())
            for _ in range(3 - waiting):
                driver.arrive(tenant, prompt_tokens=random.randint(1, prompt), max_tokens=output)

    for tenant in size:
        driver.arrive(tenant, max_tokens=0, prompt_tokens=1)
    for _ in range(15):
        driver.now += SECOND // 50
        keep_backlogged()
        for request in sorted(left):
            step = min(left[request], random.randint(1, 20))
            left[request] -= step
            service[driver.known[request].tenant or ""] += RATES.output * step
            driver.progress(request, output=step)
            if not left[request]:
                del left[request]
                driver.finish(request, 0)
                keep_backlogged()
        assert abs(service["f"] - service["g"]) <= bound


@given(SEEDS, LENGTHS, st.integers(0, 6), st.integers(1, 3))
def test_10_a_full_queue_turns_away_the_newest_of_the_largest_backlog_for_its_weight(
    seed: int, length: int, bound: int, seats: int
) -> None:
    """No tenant within its fair share loses a request while one above it keeps queued work.

    The fair share of a full queue is by weight; each tier has a bound of its own. What conforms to
    a reservation is never turned away. Costs are those of the prompts alone here.
    """
    tiers = [
        {"name": name, "priority": priority, "queue": {"maxRequests": bound}}
        for name, priority in (("gold", 100), ("silver", 50))
    ]
    weights = {name: 1 + 3 * (number % 2) for number, name in enumerate(TENANTS[:4])}
    tenants = [{"name": n, "tier": n.split("-")[0], "weight": w} for n, w in weights.items()]
    reserved = {"uid": "1", "name": "c", "tenants": ["gold-0"], "declared": {"percent": 1}}
    driver = drive(
        seats, make_plan(tiers=tiers, tenants=tenants, reservations=[{**reserved, "granted": 300}])
    )
    random = Random(seed)
    core = driver.core
    for _ in range(length):
        tenant = random.choice(TENANTS[:4])
        queued: dict[str, int] = defaultdict(int)
        newest: dict[str, int] = {}
        for request, arrival in driver.waiting.items():
            if not inside.seen(core, request).conforming:
                queued[arrival.tenant or ""] += arrival.prompt_tokens
                newest[arrival.tenant or ""] = request
        prompt = random.choice((1, 10, 100, 1000))
        sheds = len(driver.shed)
        request = driver.arrive(tenant, prompt_tokens=prompt, max_tokens=0)
        for shed in driver.shed[sheds:]:
            assert shed.reason is ShedReason.QUEUE_FULL
            queued[tenant] += prompt
            newest[tenant] = request
            loser = driver.known[shed.id].tenant or ""
            assert newest[loser] == shed.id
            same = [n for n in queued if n.split("-")[0] == loser.split("-")[0]]
            share = {n: queued[n] * MICRO // weights[n] for n in same}
            assert share[loser] == max(share.values())
        if driver.running and random.random() < 0.3:
            driver.finish(min(driver.running), 1)


@given(SEEDS, st.integers(1, 4), SIZES, st.sampled_from([1, 2, 7]))
def test_1_a_tenant_that_always_waits_is_charged_what_it_was_served_for_its_weight(
    seed: int, seats: int, size: tuple[int, int, int], weight: int
) -> None:
    """Never away, so neither lifted nor refunded in vain: V = Σ charges / w, to the last unit."""
    world = World(drive(seats, fair_plan((weight, 1))), seed)
    for _ in range(seats):
        world.send("gold-0", Size(500, 1, 1))
    for tenant in "fg":
        world.keep_waiting(tenant, 2, sizes(*size))
    world.run(40 * Size(size[0], size[1]).cost * SECOND // (RATE * MICRO) + 2 * seats * SECOND)
    driver = world.driver
    core = driver.core
    charges = [s.cost for s in driver.settled if driver.known[s.id].tenant == "f"]
    charges += [inside.charged(core, r) for r, one in driver.running.items() if one.tenant == "f"]
    assert inside.places(core)["f", "silver"].v == sum(cost // weight for cost in charges)
