from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from tests.unit.simulator.worlds import MILLISECOND, SECOND, document, engine, flood, merged, plan
from tests.unit.simulator.worlds import setup as made
from tierfleet.admission.core import Core
from tierfleet.simulator import Report, TraceRequest, measure, simulate
from tierfleet.simulator.baselines import Fcfs
from tierfleet.simulator.contracts import conforming
from tierfleet.simulator.service import Price

START = datetime(2026, 1, 1, tzinfo=UTC)


def reserved(**changes: Any) -> list[dict[str, Any]]:
    """The one contract of the tests' plan, changed."""
    return [{**document()["reservations"][0], **changes}]


def owed(trace: list[TraceRequest], part: Fraction = Fraction(1), **changes: Any) -> list[int]:
    (positions,) = conforming(trace, plan(reservations=reserved(**changes)), part, START)
    return positions


# 10 + 4 x 50 = 210 service tokens each: at 300 a second one every 0.7 s.


def test_an_even_stream_at_the_rate_conforms_to_the_last_request() -> None:
    assert owed(flood("acme", 100, gap=700 * MILLISECOND)) == list(range(100))


def test_a_burst_conforms_as_far_as_window_and_longest_wait_reach() -> None:
    # Tags from -0.5 s on, 0.7 s apart, up to half of the longest wait, 0.05 s.
    assert owed(flood("acme", 100, gap=0)) == [0]
    assert owed(flood("acme", 100, gap=0), burstWindowMilliseconds=650) == [0, 1]
    assert owed(flood("acme", 100, gap=0), maxWaitMilliseconds=1800) == [0, 1, 2]


def test_what_does_not_conform_uses_nothing_up() -> None:
    twice = owed(flood("acme", 1000, gap=350 * MILLISECOND))
    assert len(twice) == pytest.approx(500, abs=1)


def test_replicas_owe_their_part_of_the_rate() -> None:
    # Of a half, and of the root of a half more at first: 0.7 s are saved instead of 0.5.
    assert len(owed(flood("acme", 100, gap=700 * MILLISECOND), Fraction(1, 2))) == 51


def test_outside_of_its_term_a_contract_owes_nothing() -> None:
    trace = flood("acme", 10, gap=SECOND)
    term = {"start": "2026-01-01T00:00:03Z", "end": "2026-01-01T00:00:06Z"}
    assert owed(trace, term=term) == [3, 4, 5]
    assert owed(trace, granted=0) == []
    assert owed(flood("hobby", 10, gap=SECOND)) == []


def test_prices_follow_the_burndown() -> None:
    rates = plan(
        burndown={
            "input": "1",
            "cachedInput": "0.1",
            "output": "4",
            "kvResidency": "0.5",
            "longContext": {"aboveTokens": 1000, "input": "2", "output": "8"},
        }
    ).burndown
    price = Price(rates)
    # 60 + 0.1 x 40 + 4 x 10 + 0.5 (100 x 10 + 10 x 10 / 2)
    assert price(100, 40, 10) == 629_000_000
    # 2 x 2000 + 8 x 10 + 0.5 (2000 x 10 + 50)
    assert price(2000, 0, 10) == 14_105_000_000
    assert price.of(TraceRequest(0, None, 100, 5, 40, sequences=2)) == price(100, 40, 10)


def test_every_request_is_in_one_column_of_its_tenant_and_its_tier() -> None:
    busy = plan(tiers=[{"name": "retail", "priority": 0, "queue": {"maxRequests": 3}}, UPPER])
    trace = merged(
        flood("hobby", 10, gap=1),
        flood("acme", 2, gap=5),
        [TraceRequest(9, "hobby", 1, 1, hangs_up_after=1)],
    )
    report = run(trace, plan=busy, engine=engine(seats=1))
    (upper, lower), (acme, hobby) = report.tiers, report.tenants
    assert (upper.name, lower.name) == ("enterprise", "retail")
    assert (acme.name, acme.tier, hobby.name, hobby.tier) == (
        "acme",
        "enterprise",
        "hobby",
        "retail",
    )
    assert acme.completed == acme.requests == upper.requests == 2
    assert hobby.shed == {"queue-full": 7}
    assert (hobby.requests, hobby.completed) == (11, 4)
    assert lower.requests == lower.completed + sum(lower.shed.values()) + lower.hung_up
    assert hobby.output_tokens == 4 * 50


UPPER = {"name": "enterprise", "priority": 100}
LOWER = {"name": "retail", "priority": 0}


def run(trace: list[TraceRequest], contract: Any = None, **changes: Any) -> Report:
    return measure(simulate(made(**changes), trace, Core), contract)


def test_waits_and_first_tokens_are_in_milliseconds_by_the_nearest_rank() -> None:
    report = measure(simulate(made(engine=engine(seats=1)), flood("acme", 4, gap=0), Fcfs))
    row = report.tiers[0]
    assert (row.wait.p50, row.wait.p90, row.wait.max, row.wait.mean) == (1000, 3000, 3000, 1500)
    assert (row.ttft.p50, row.ttft.max) == (1020, 3020)
    assert report.tiers[1].wait.p99 is None
    assert report.waits["enterprise"][0] == 0
    assert report.waits["enterprise"][100] == 3000
    assert report.waits["retail"] == []


def test_shares_and_rates_are_of_the_measured_time() -> None:
    trace = merged(
        flood("acme", 100, gap=SECOND), flood("hobby", 100, gap=SECOND, prompt=110, output=25)
    )
    report = run(trace)
    assert report.seconds == 99
    # In the hundredth second, after the horizon, begins the last one of each.
    assert [row.served for row in report.tiers] == pytest.approx([210, 210], rel=0.02)
    assert [row.share for row in report.tiers] == pytest.approx([0.5, 0.5], abs=0.01)
    assert [row.offered for row in report.tiers] == pytest.approx([210 * 100 / 99] * 2)
    assert sum(report.timeline["enterprise"]) == pytest.approx(99 * report.tiers[0].served)
    assert len(report.timeline["enterprise"]) == 99
    # Each works 50 of 50 steps a second, the other one 25: one of four seats is always taken.
    assert report.utilisation.busy == pytest.approx(1, rel=0.01)


def test_a_contract_is_judged_by_what_its_requests_waited() -> None:
    trace = merged(flood("acme", 50, gap=700 * MILLISECOND), flood("hobby", 400, gap=90_000_000))
    alone = measure(simulate(made(engine=engine(seats=16)), trace, Fcfs)).reservations[0]
    assert (alone.name, alone.guaranteed, alone.max_wait) == ("acme", 300, 100)
    judged = alone.by_true_cost
    assert (judged.conforming, judged.attained, judged.in_time) == (50, 1, 50)
    assert alone.paid_served == pytest.approx(1, abs=0.03)
    crowded = measure(simulate(made(engine=engine(seats=2)), trace, Fcfs)).reservations[0]
    assert crowded.by_true_cost.attained < 0.1
    assert crowded.paid_served < 0.5
    assert crowded.by_true_cost.wait.p99 is not None
    assert crowded.by_true_cost.wait.p99 > 1000
    assert crowded.by_label is None


def test_a_contract_can_be_judged_that_the_plan_does_not_have() -> None:
    trace = flood("acme", 50, gap=700 * MILLISECOND)
    without = plan(reservations=[])
    assert run(trace, plan=without).reservations == ()
    (row,) = run(trace, contract=plan(), plan=without).reservations
    assert (row.by_true_cost.conforming, row.by_true_cost.attained) == (50, 1)
    assert row.by_label is None


def test_who_hangs_up_in_time_was_not_kept_waiting() -> None:
    long = flood("hobby", 1, gap=0, output=500)
    patient, hasty = (
        run(merged(long, acme), engine=engine(seats=1)).reservations[0].by_true_cost
        for acme in (
            [TraceRequest(1, "acme", 10, 50, hangs_up_after=200 * MILLISECOND)],
            [TraceRequest(1, "acme", 10, 50, hangs_up_after=90 * MILLISECOND)],
        )
    )
    assert (patient.conforming, patient.attained) == (1, 0)
    assert (hasty.conforming, hasty.attained) == (0, 1)


IMPATIENT = plan(tiers=[{**UPPER, "queue": {"maxWaitMilliseconds": 500}}, LOWER])


def test_a_conforming_request_that_expires_was_not_in_time_by_its_label_either() -> None:
    """The first is served, the second waits behind ten seconds of work and expires."""
    trace = merged(
        flood("acme", 1, gap=0),
        [TraceRequest(2 * SECOND, "hobby", 10, 500), TraceRequest(3 * SECOND, "acme", 10, 50)],
    )
    (row,) = run(trace, plan=IMPATIENT, engine=engine(seats=1)).reservations
    assert row.by_label is not None
    assert (row.by_label.conforming, row.by_label.in_time) == (2, 1)
    assert row.by_label == row.by_true_cost


def test_by_label_and_by_true_cost_part_where_the_core_is_wrong_about_what_comes() -> None:
    """It expects far more of each first answer than the ten tokens that come."""
    trace = flood("acme", 6, gap=10 * MILLISECOND, output=10)
    (row,) = run(trace, engine=engine(seats=1)).reservations
    assert row.by_label is not None
    assert row.by_label.conforming < row.by_true_cost.conforming == 4


def test_who_hangs_up_late_is_judged_by_true_cost_where_the_core_told_no_label() -> None:
    trace = merged(
        flood("acme", 1, gap=0),
        [TraceRequest(2 * SECOND, "hobby", 10, 500)],
        [TraceRequest(3 * SECOND, "acme", 10, 50, hangs_up_after=200 * MILLISECOND)],
        [TraceRequest(5 * SECOND, "acme", 10, 50, hangs_up_after=90 * MILLISECOND)],
    )
    (row,) = run(trace, engine=engine(seats=1)).reservations
    assert row.by_label is not None
    assert (row.by_label.conforming, row.by_label.in_time) == (2, 1)


@pytest.mark.parametrize(("waited", "counted"), [(101, 1), (100, 0)])
def test_what_a_run_cuts_off_was_late_if_it_has_waited_longer_than_promised(
    waited: int, counted: int
) -> None:
    trace = merged(flood("hobby", 1, gap=0, output=500), [TraceRequest(SECOND, "acme", 10, 50)])
    horizon = SECOND + waited * MILLISECOND
    cut = made(engine=engine(seats=1), horizon=horizon, drain=False)
    (row,) = measure(simulate(cut, trace, Fcfs)).reservations
    assert (row.by_true_cost.conforming, row.by_true_cost.in_time) == (counted, 0)


def test_a_label_counts_for_the_reservation_that_is_in_force() -> None:
    first = {**reserved()[0], "term": {"end": "2026-01-01T00:00:05Z"}}
    then = {**first, "uid": "acme-2", "name": "next", "term": {"start": "2026-01-01T00:00:05Z"}}
    trace = flood("acme", 8, gap=SECOND)
    rows = run(trace, plan=plan(reservations=[first, then])).reservations
    assert [row.by_label and row.by_label.conforming for row in rows] == [5, 3]


def test_objectives_and_floors_are_kept_or_not() -> None:
    tiers = [
        {**UPPER, "objectives": {"queueP99Milliseconds": 100, "ttftP99Milliseconds": 10_000}},
        {"name": "retail", "priority": 0, "minimumPercent": 30},
    ]
    trace = merged(flood("acme", 200, gap=100_000_000), flood("hobby", 20, gap=1))
    ran = made(plan=plan(tiers=tiers), engine=engine(seats=4))
    report = measure(simulate(ran, trace, Fcfs))
    assert [(o.tier, o.what, o.promised, o.kept) for o in report.objectives] == [
        ("enterprise", "queue p99 ms", 100, False),
        ("enterprise", "ttft p99 ms", 10_000, False),
        ("retail", "floor %", 30, True),
    ]


def objective(trace: list[TraceRequest], promised: dict[str, int], **queue: int) -> tuple[Any, Any]:
    """What was measured of an objective of acme's tier on one seat, and whether it was kept."""
    tiers = [{**UPPER, "objectives": promised, "queue": queue}, LOWER]
    sizes = engine(seats=1, max_model_len=1000)
    (row,) = run(trace, plan=plan(tiers=tiers, reservations=[]), engine=sizes).objectives
    return row.measured, row.kept


@pytest.mark.parametrize("of", ["queueP99Milliseconds", "ttftP99Milliseconds"])
def test_an_objective_is_not_kept_by_shedding_those_that_would_wait(of: str) -> None:
    """One seat, a second each: two of a hundred get it within 1.5 s, the others expire."""
    crowd = flood("acme", 100, gap=1)
    assert objective(crowd, {of: 2000}, maxWaitMilliseconds=1500) == (None, False)
    assert objective(crowd, {of: 2000}, maxRequests=1) == (None, False)


def test_who_hangs_up_after_the_limit_waited_longer_and_before_it_was_not_kept_waiting() -> None:
    def crowd(patience: int) -> list[TraceRequest]:
        return merged(flood("acme", 1, gap=0), flood("acme", 9, gap=1, hangs_up_after=patience)[1:])

    assert objective(crowd(500 * MILLISECOND), {"queueP99Milliseconds": 400}) == (None, False)
    assert objective(crowd(300 * MILLISECOND), {"queueP99Milliseconds": 400}) == (0, True)


def test_an_objective_is_not_judged_by_what_the_caller_does_wrong() -> None:
    too_long = [TraceRequest(0, "acme", 2000, 1)]
    assert objective(too_long, {"queueP99Milliseconds": 400}) == (None, None)
    too_wide = [TraceRequest(0, "acme", 10, 1, sequences=2)]
    assert objective(too_wide, {"queueP99Milliseconds": 400}) == (None, None)


def test_all_that_was_paid_for_is_served_when_nobody_waits() -> None:
    """What ends after the last arrival counts by when it began, for contracts and floors."""
    tiers = [{**UPPER, "minimumPercent": 99}, LOWER]
    for count in (2, 30):
        report = run(flood("acme", count, gap=SECOND), plan=plan(tiers=tiers))
        assert report.tiers[0].wait.max == 0
        assert report.reservations[0].paid_served == 1
        assert [row.kept for row in report.objectives] == [True]


def test_what_never_began_was_paid_for_and_not_served() -> None:
    """Ten at once at 300 a second: in 5 s that rate begins 1500 of 2100, one seat does five."""
    trace = merged(flood("acme", 10, gap=0), [TraceRequest(5 * SECOND - 1, "hobby", 10, 1)])
    (row,) = measure(simulate(made(engine=engine(seats=1)), trace, Fcfs)).reservations
    assert row.paid_served == pytest.approx(5 * 210 / 1500)


@pytest.mark.parametrize(("rate", "kept"), [(100, True), (100_000, False)])
def test_a_floor_is_of_the_rate_in_the_plan_and_not_of_what_was_served(
    rate: int, *, kept: bool
) -> None:
    """Each of two equal tiers gets half of what one seat does: more, and less, than promised."""
    tiers = [UPPER, {"name": "retail", "priority": UPPER["priority"], "minimumPercent": 50}]
    groups = [{**document()["groups"][0], "serviceTokensPerSecond": rate}]
    trace = merged(flood("acme", 300, gap=1), flood("hobby", 300, gap=1))
    ran = made(
        plan=plan(tiers=tiers, groups=groups, reservations=[]),
        engine=engine(seats=1),
        horizon=20 * SECOND,
        drain=False,
    )
    (floor,) = measure(simulate(ran, trace, Core)).objectives
    assert (floor.what, floor.kept) == ("floor %", kept)


def test_callers_that_the_plan_does_not_know_stand_apart() -> None:
    report = run(flood(None, 3, gap=1))
    assert (report.tiers[-1].name, report.tiers[-1].shed) == ("-", {"unknown-tenant": 3})
    assert report.tenants[-1].name == "(anonymous)"


def test_an_empty_trace_has_a_report() -> None:
    report = run([])
    assert (report.requests, report.served, report.tenants) == (0, 0, ())
