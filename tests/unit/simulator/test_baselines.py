from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.simulator.worlds import MILLISECOND, SECOND, engine, flood, merged, plan, setup
from tierfleet.admission.types import (
    Arrival,
    Dispatch,
    EngineLimits,
    Outcome,
    Progress,
    Shed,
    ShedReason,
    TierLoad,
)
from tierfleet.plan import MICRO
from tierfleet.simulator import measure, simulate
from tierfleet.simulator.baselines import Fcfs, PredictingVtc, Vtc
from tierfleet.simulator.baselines.memory import Context, peak
from tierfleet.simulator.simulation import MakeCore

LIMITS = EngineLimits("h100", 1)


def vtc(**weights: object) -> Vtc:
    return Vtc(plan(), LIMITS, **weights)  # type: ignore[arg-type]


def dispatched(decisions: object) -> list[int]:
    assert isinstance(decisions, list | tuple)
    return [decision.id for decision in decisions if isinstance(decision, Dispatch)]


def test_first_come_is_first_served_whatever_the_tier() -> None:
    core = Fcfs(plan(), LIMITS)
    assert dispatched(core.arrive(0, Arrival(1, "hobby", 10))) == [1]
    core.arrive(1, Arrival(2, "hobby", 10))
    core.arrive(2, Arrival(3, "acme", 10))
    assert dispatched(core.finish(3, 1, Outcome.COMPLETED)) == [2]
    assert dispatched(core.abort(4, 2)) == [3]


def test_a_waiting_request_whose_caller_leaves_is_forgotten() -> None:
    core = Fcfs(plan(), LIMITS)
    for number in (1, 2, 3):
        core.arrive(0, Arrival(number, "acme", 10))
    core.abort(1, 2)
    assert core.load() == (TierLoad("enterprise", 1, 1), TierLoad("retail", 0, 0))
    assert dispatched(core.finish(2, 1, Outcome.COMPLETED)) == [3]


def test_a_head_that_needs_more_seats_is_waited_for_unless_it_never_fits() -> None:
    core = Fcfs(plan(), EngineLimits("h100", 2))
    core.arrive(0, Arrival(1, "acme", 10))
    assert core.arrive(0, Arrival(2, "acme", 10, sequences=2)) == []
    assert core.arrive(0, Arrival(3, "acme", 10)) == []
    assert dispatched(core.finish(1, 1, Outcome.COMPLETED)) == [2]
    (shed,) = core.arrive(1, Arrival(4, "acme", 10, sequences=3))
    assert isinstance(shed, Shed)
    assert shed.reason is ShedReason.TOO_MANY_SEATS


def test_what_is_unknown_or_repeated_changes_nothing() -> None:
    core = Fcfs(plan(), LIMITS)
    core.arrive(0, Arrival(1, "acme", 10))
    assert core.arrive(0, Arrival(1, "acme", 10)) == ()
    assert core.finish(0, 7, Outcome.COMPLETED) == ()
    assert core.abort(0, 7) == ()
    assert core.progress(0, [Progress(7, output_tokens=1)]) == ()


def test_counters_go_up_by_prompt_at_dispatch_and_by_output_as_it_comes() -> None:
    core = vtc()
    core.arrive(0, Arrival(1, "acme", 10))
    core.arrive(0, Arrival(2, "acme", 10))
    core.progress(1, [Progress(1, output_tokens=3)])
    assert core.counters == {"acme": 10 + 2 * 3}


def test_the_client_with_the_least_counter_is_next() -> None:
    core = vtc()
    for number, tenant in enumerate(["acme", "acme", "acme", "hobby", "hobby"], start=1):
        core.arrive(0, Arrival(number, tenant, 10))
    order = [1]
    for _ in range(4):
        order += dispatched(core.finish(0, order[-1], Outcome.COMPLETED))
    # hobby was lifted to acme's 10 on arrival; ties go to who queues longest.
    assert order == [1, 2, 4, 3, 5]


def test_who_comes_back_is_lifted_to_the_least_of_those_who_wait() -> None:
    core = vtc()
    for number in range(1, 6):
        core.arrive(0, Arrival(number, "acme", 100))
    for number in range(1, 4):
        core.finish(0, number, Outcome.COMPLETED)
    core.arrive(0, Arrival(6, "hobby", 1))
    assert core.counters == {"acme": 400, "hobby": 400}


def test_with_nobody_waiting_the_lift_is_to_the_last_one_who_left() -> None:
    core = vtc()
    core.arrive(0, Arrival(1, "acme", 100))
    core.arrive(1, Arrival(2, "hobby", 1))
    assert core.counters["hobby"] == 100
    core.arrive(1, Arrival(3, "acme", 1))
    assert core.counters["acme"] == 100


def test_a_prediction_is_charged_at_dispatch_and_corrected_both_ways() -> None:
    core = vtc(predict=lambda _: 5)
    core.arrive(0, Arrival(1, "acme", 10))
    assert core.counters == {"acme": 20}
    core.progress(1, [Progress(1, output_tokens=4)])
    assert core.counters == {"acme": 20}
    core.progress(2, [Progress(1, output_tokens=3)])
    assert core.counters == {"acme": 24}
    core.finish(3, 1, Outcome.COMPLETED)
    core.arrive(4, Arrival(2, "acme", 10))
    core.finish(5, 2, Outcome.COMPLETED)
    assert core.counters == {"acme": 34}


def test_an_answer_is_expected_to_be_as_long_as_the_clients_last_ones() -> None:
    core = PredictingVtc(plan(), LIMITS)
    charged = []
    for number, output in enumerate([100, 50, 50], start=1):
        before = core.counters.get("acme", 0)
        core.arrive(number, Arrival(number, "acme", 10))
        charged.append(core.counters["acme"] - before)
        core.progress(number, [Progress(number, output_tokens=output)])
        core.finish(number, number, Outcome.COMPLETED)
    assert charged == [10, 10 + 2 * 100, 10 + 2 * 90]
    assert core.counters == {"acme": 3 * 10 + 2 * 200}


contexts = st.lists(st.builds(Context, st.integers(0, 50), st.integers(0, 30)), max_size=8)


@given(contexts)
def test_the_peak_is_the_most_that_contexts_hold_as_they_grow_and_end(
    running: list[Context],
) -> None:
    held = (
        sum(one.held + after for one in running if one.left >= after)
        for after in range(max((one.left for one in running), default=0) + 1)
    )
    assert peak(running) == max(held, default=0)


def test_with_memory_reserved_a_request_waits_until_it_fits_beside_the_others_ends() -> None:
    core = Fcfs(plan(), EngineLimits("h100", 10, kv_tokens=100), reserve=True)
    assert dispatched(core.arrive(0, Arrival(1, "acme", 10, max_tokens=40))) == [1]
    # Together they would come to 2 * 50 tokens.
    assert dispatched(core.arrive(1, Arrival(2, "acme", 10, max_tokens=40))) == []
    # Now the first will have gone by then.
    assert dispatched(core.progress(2, [Progress(1, output_tokens=5)])) == [2]
    core.finish(3, 1, Outcome.COMPLETED)
    assert dispatched(core.arrive(4, Arrival(3, "acme", 100, max_tokens=40))) == []
    # An empty engine takes what never fits, and has to refuse it itself.
    assert dispatched(core.finish(5, 2, Outcome.COMPLETED)) == [3]


@pytest.mark.parametrize("make_core", [Fcfs, Vtc])
def test_what_memory_is_reserved_for_is_never_preempted(make_core: type[Fcfs | Vtc]) -> None:
    requests = flood("acme", 60, gap=MILLISECOND, prompt=20, output=30, max_tokens=30)
    small = engine(seats=60, num_blocks=200, block_size=1, max_model_len=100)
    free = simulate(setup(engine=small), requests, make_core)
    reserved = simulate(setup(engine=small), requests, lambda *a: make_core(*a, reserve=True))
    assert free.usage[0].preemptions > 0
    assert reserved.usage[0].preemptions == 0
    assert all(wait >= 0 for wait in reserved.log.wait)


def gap(make_core: MakeCore) -> int:
    """Largest gap, over time, between two backlogged clients, one of which sends twice as much."""
    trace = merged(
        flood("acme", 400, gap=200 * MILLISECOND, prompt=100, output=100),
        flood("hobby", 800, gap=100 * MILLISECOND, prompt=100, output=100),
    )
    fair = plan(burndown={"input": "1", "output": "2"})
    ran = setup(plan=fair, engine=engine(seats=8, step=20 * MILLISECOND), drain=False)
    bins = simulate(ran, trace, make_core).service.bins
    gaps = accumulate(bins["acme"][second] - bins["hobby"][second] for second in range(79))
    return max(map(abs, gaps)) // MICRO


def test_vtc_keeps_backlogged_clients_within_its_bound_and_first_come_does_not() -> None:
    # Theorem 4.4 of the paper: 2 max(w_in L_input, w_out M), M the tokens of a full batch.
    bound = 2 * max(1 * 100, 2 * 8 * 200)
    assert 0 < gap(Vtc) <= bound
    assert gap(Fcfs) > bound


def test_an_oracle_is_fairer_still() -> None:
    assert gap(lambda *core: Vtc(*core, predict=lambda _: 100)) < gap(Vtc)


@pytest.mark.parametrize("make_core", [Fcfs, Vtc])
def test_nothing_is_shed(make_core: MakeCore) -> None:
    result = simulate(setup(engine=engine(seats=1)), flood("hobby", 50, gap=1), make_core)
    assert measure(result).tiers[1].completed == 50
    assert max(result.log.wait) == pytest.approx(49 * SECOND, rel=0.01)
