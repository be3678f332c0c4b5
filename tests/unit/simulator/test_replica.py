"""What a core is told, and when: as the sidecar would tell it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tests.unit.simulator.scripted import Idle, Scripted, scripted
from tests.unit.simulator.worlds import MILLISECOND, SECOND, engine, flood, merged, setup
from tierfleet.admission.core import Core
from tierfleet.admission.types import Abort, EngineLimits, EngineReading, Outcome, Progress, WakeAt
from tierfleet.plan import Plan
from tierfleet.simulator import Setup, TraceRequest, simulate
from tierfleet.simulator.baselines import Fcfs
from tierfleet.simulator.log import NEVER, End, Label
from tierfleet.simulator.simulation import Result

START = datetime(2026, 1, 1, tzinfo=UTC)


def run(
    trace: Sequence[TraceRequest], ran: Setup | None = None, core: Scripted | None = None
) -> tuple[Scripted, Result]:
    ran = ran or setup()
    chosen = core or scripted(ran)
    return chosen, simulate(ran, trace, lambda *_: chosen)


def test_one_request_is_told_as_the_sidecar_tells_it() -> None:
    core, result = run(flood("acme", 1, gap=0, output=15, cached_tokens=4))
    assert core.heard == [
        ("tick", 0, START),
        ("arrive", 0, 1),
        ("first_byte", 20 * MILLISECOND, 1),
        ("progress", 200 * MILLISECOND, Progress(1, output_tokens=10)),
        ("progress", 300 * MILLISECOND, Progress(1, cached_tokens=4, output_tokens=5)),
        ("finish", 300 * MILLISECOND, 1, Outcome.COMPLETED),
    ]
    assert (result.log.wait[0], result.log.ttft[0]) == (0, 20 * MILLISECOND)
    assert (result.log.end[0], result.log.output[0]) == (End.COMPLETED, 15)


def test_the_core_learns_the_seats_of_the_smaller_of_group_and_engine() -> None:
    given: list[EngineLimits] = []

    def make(plan: Plan, limits: EngineLimits, seed: int) -> Scripted:
        given.append(limits)
        return Scripted(plan, limits, seed)

    simulate(setup(engine=engine(seats=3)), [], make)
    simulate(setup(engine=engine(seats=300, max_num_batched_tokens=512)), [], make)
    assert given == [EngineLimits("h100", seats, 1_600_000) for seats in (3, 256)]


def test_a_request_that_comes_during_a_step_joins_the_next_one() -> None:
    trace = merged(flood("acme", 1, gap=0), [TraceRequest(5 * MILLISECOND, "hobby", 10, 1)])
    _, result = run(trace)
    assert result.log.ttft[1] == 35 * MILLISECOND


def test_the_engine_is_read_every_second() -> None:
    core, _ = run(flood("acme", 2, gap=0, output=150))
    readings = [event for event in core.heard if event[0] == "engine"]
    assert [event[1] for event in readings] == [SECOND, 2 * SECOND]
    assert readings[1][2] == EngineReading(running=2, waiting=0, kv_used_permille=0)


def test_the_time_of_day_is_told_every_minute() -> None:
    core, _ = run([*flood("acme", 1, gap=0), TraceRequest(150 * SECOND, "acme", 1, 1)])
    assert [event[1] for event in core.heard if event[0] == "tick"] == [
        0,
        60 * SECOND,
        120 * SECOND,
    ]


def test_the_core_is_woken_when_it_asks_to_be_and_not_before() -> None:
    core = scripted(setup())
    core.on_arrival = {1: [WakeAt(90 * SECOND), WakeAt(70 * SECOND)]}
    run([*flood("acme", 1, gap=0), TraceRequest(80 * SECOND, "acme", 1, 1)], core=core)
    ticks = [event[1] for event in core.heard if event[0] == "tick"]
    assert ticks == [0, 60 * SECOND, 70 * SECOND]


def test_a_wake_up_comes_at_the_next_millisecond_as_timers_do() -> None:
    core = scripted(setup())
    core.on_arrival = {1: [WakeAt(1)]}
    run(flood("acme", 1, gap=0), core=core)
    assert [event[1] for event in core.heard if event[0] == "tick"] == [0, MILLISECOND]


def test_a_client_that_hangs_up_while_it_waits_never_gets_a_seat() -> None:
    trace = merged(
        flood("acme", 1, gap=0),
        [TraceRequest(1, "hobby", 10, 10, hangs_up_after=100 * MILLISECOND)],
    )
    core, result = run(trace, setup(engine=engine(seats=1)))
    assert ("abort", 100 * MILLISECOND + 1, 2) in core.heard
    assert (result.log.end[1], result.log.wait[1], result.log.output[1]) == (End.HUNG_UP, -1, 0)


def test_a_client_that_hangs_up_while_it_runs_has_cost_what_it_got() -> None:
    trace = flood("acme", 1, gap=0, hangs_up_after=110 * MILLISECOND)
    core, result = run(trace)
    assert core.heard[-2:] == [
        ("progress", 110 * MILLISECOND, Progress(1, output_tokens=5)),
        ("abort", 110 * MILLISECOND, 1),
    ]
    assert (result.log.end[0], result.log.output[0]) == (End.HUNG_UP, 5)


def test_a_seat_that_is_given_up_is_free_at_the_next_step() -> None:
    trace = merged(
        flood("acme", 1, gap=0, hangs_up_after=110 * MILLISECOND),
        [TraceRequest(1, "hobby", 10, 1)],
    )
    _, result = run(trace, setup(engine=engine(seats=1)))
    assert result.log.ttft[1] == 140 * MILLISECOND - 1


def test_a_request_aborted_before_its_first_byte_runs_again_and_ends_once() -> None:
    core = scripted(setup())
    core.on_arrival = {1: [Abort(1, requeued=True)]}
    core.requeues = {1}
    _, result = run(flood("acme", 1, gap=0), core=core)
    assert ("finish", 0, 1, Outcome.ABORTED) in core.heard
    assert ("finish", SECOND, 1, Outcome.COMPLETED) in core.heard
    assert (result.log.end[0], result.log.aborts[0]) == (End.COMPLETED, 1)
    assert result.log.output[0] == 50


def test_a_seat_that_was_taken_away_again_was_not_got() -> None:
    """It waits again, behind the other one, and its caller gives up."""
    core = scripted(setup(engine=engine(seats=1)))
    core.on_arrival = {2: [Abort(1, requeued=True)]}
    core.requeues = {1}
    trace = merged(
        flood("acme", 1, gap=0, hangs_up_after=500 * MILLISECOND),
        [TraceRequest(1, "hobby", 10, 100)],
    )
    _, result = run(trace, setup(engine=engine(seats=1)), core)
    assert (result.log.end[0], result.log.aborts[0]) == (End.HUNG_UP, 1)
    assert result.log.wait[0] == NEVER


def test_what_is_too_long_for_the_engine_has_a_label_all_the_same() -> None:
    ran = setup(engine=engine(max_model_len=30))
    result = simulate(ran, flood("acme", 1, gap=0), Core)
    assert (result.log.end[0], result.log.label[0]) == (End.REFUSED, Label.CONFORMING)


def test_a_request_aborted_after_its_first_byte_ends_there() -> None:
    core = scripted(setup())
    core.on_arrival = {2: [Abort(1, requeued=False)]}
    trace = merged(flood("hobby", 1, gap=0), [TraceRequest(100 * MILLISECOND, "acme", 1, 1)])
    core, result = run(trace, core=core)
    assert ("finish", 100 * MILLISECOND, 1, Outcome.ABORTED) in core.heard
    assert (result.log.end[0], result.log.output[0]) == (End.EVICTED, 5)


def test_all_choices_of_a_request_take_a_seat_and_count() -> None:
    _, result = run(flood("acme", 2, gap=0, sequences=3), setup(engine=engine(seats=4)))
    assert list(result.log.output) == [150, 150]
    assert result.log.wait[1] == 50 * 20 * MILLISECOND


def test_what_the_engine_cannot_hold_ends_as_refused() -> None:
    core, result = run(
        flood("acme", 1, gap=0, prompt=100, output=50), setup(engine=engine(max_model_len=149))
    )
    assert core.heard[-1] == ("finish", 0, 1, Outcome.FAILED)
    assert result.log.end[0] == End.REFUSED


def test_a_core_that_never_serves_ends_the_run_all_the_same() -> None:
    result = simulate(setup(), flood("acme", 3, gap=1), Idle)
    assert set(result.log.end) == {End.UNSERVED}


def test_without_draining_the_run_ends_at_its_horizon() -> None:
    _, result = run(flood("acme", 10, gap=SECOND), setup(horizon=5 * SECOND - 1, drain=False))
    assert list(result.log.end) == [End.COMPLETED] * 4 + [End.UNSERVED] * 6
    assert max(result.log.ended) <= 5 * SECOND


def test_replicas_take_the_requests_in_turn() -> None:
    trace = flood("acme", 4, gap=0)
    one = simulate(setup(engine=engine(seats=1)), trace, Fcfs)
    two = simulate(setup(engine=engine(seats=1), replicas=2), trace, Fcfs)
    assert list(one.log.wait) == [0, SECOND, 2 * SECOND, 3 * SECOND]
    assert list(two.log.wait) == [0, 0, SECOND, SECOND]
    assert len(two.usage) == 2


def test_every_request_that_ends_is_watched_once() -> None:
    ended: list[int] = []
    simulate(setup(replicas=3), flood("acme", 7, gap=0), Fcfs, lambda: ended.append(1))
    assert len(ended) == 7
