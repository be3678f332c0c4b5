"""The tables of the VTC paper: the measures are the paper's, and schedulers differ as it says."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from bench.reproduce import measure, workloads
from bench.reproduce.__main__ import main, verdict
from bench.reproduce.experiments import EXPERIMENTS, TRACE, Curve, Row, against_vtc, run
from bench.reproduce.measure import Span, spans
from bench.reproduce.plot import svg
from bench.reproduce.schedulers import Scheduler, maker
from tierfleet.simulator import TraceRequest, simulate

SECONDS = 150
SEATS = 256


@cache
def gaps(scheduler: Scheduler) -> list[float]:
    """Over time, between two clients who both send too much."""
    trace = workloads.overload(SECONDS)
    served = spans(simulate(workloads.setup(trace, SEATS), trace, maker(scheduler, trace)))
    return [measure.gap(served, at) for at in measure.instants(SECONDS)]


def test_the_gap_of_first_come_first_served_grows_as_long_as_the_overload_lasts() -> None:
    found = gaps(Scheduler.FCFS)
    assert found == sorted(found)
    assert found[-1] > 5 * found[2]


@pytest.mark.parametrize("scheduler", [Scheduler.VTC, Scheduler.PREDICTING, Scheduler.OURS])
def test_the_gap_of_a_fair_scheduler_stays_within_the_papers_bound(scheduler: Scheduler) -> None:
    bound = 2 * max(workloads.INPUT * 256, workloads.OUTPUT * workloads.MEMORY)
    assert 0 < max(gaps(scheduler)) <= bound


def test_first_come_is_the_least_fair_and_knowing_the_output_the_fairest() -> None:
    worst = {scheduler: max(gaps(scheduler)) for scheduler in Scheduler}
    assert worst[Scheduler.ORACLE] < worst[Scheduler.VTC] < worst[Scheduler.FCFS]
    assert worst[Scheduler.OURS] <= 1.1 * worst[Scheduler.VTC]


def test_what_is_got_before_both_are_backlogged_would_make_the_oracle_look_less_fair() -> None:
    trace = workloads.overload(SECONDS)
    worst = {}
    for scheduler in (Scheduler.VTC, Scheduler.ORACLE):
        result = simulate(workloads.setup(trace, 19), trace, maker(scheduler, trace))
        served = spans(result)
        for since in (0, measure.WARM_UP):
            found = (measure.gap(served, at, since) for at in measure.instants(SECONDS))
            worst[scheduler, since] = max(found)
    assert worst[Scheduler.ORACLE, 0] > worst[Scheduler.VTC, 0]
    assert worst[Scheduler.ORACLE, measure.WARM_UP] < worst[Scheduler.VTC, measure.WARM_UP] / 2


def test_service_counts_evenly_from_the_first_token_to_the_last() -> None:
    served = [
        Span("a", arrival=0, first=40, last=60, service=200, tokens=100),
        Span("b", arrival=0, first=20, last=40, service=100, tokens=50),
    ]
    # Until 50 s one got half of its 200, the other half of its 100: the first 30 s do not count.
    assert measure.gap(served, 50) == pytest.approx(100 - 50)
    assert measure.throughput(served) == pytest.approx(150 / 60)


def test_a_client_lacks_what_the_best_served_one_got_but_no_more_than_it_asked_for() -> None:
    busy = Span("busy", arrival=100, first=100, last=120, service=6000, tokens=1)
    modest = Span("modest", arrival=100, first=300, last=301, service=600, tokens=1)
    served = Span("served", arrival=100, first=100, last=120, service=600, tokens=1)
    # In 60 s: the busy one got 100 a second as asked, the modest one nothing of its 10.
    assert measure.difference([busy, modest], 110) == pytest.approx(10)
    assert measure.difference([busy, served], 110) == pytest.approx(0)


def test_the_made_up_trace_has_the_shape_of_the_papers() -> None:
    trace = [request for seed in range(4) for request in workloads.like_the_trace(600, seed)]
    by_client = sorted(
        (sum(request.tenant == name for request in trace) for name in {r.tenant for r in trace}),
        reverse=True,
    )
    assert len(by_client) == 27
    assert len(trace) / 4 == pytest.approx(1500, rel=0.05)
    assert sum(by_client[:4]) / len(trace) == pytest.approx(0.55, abs=0.05)
    assert sum(r.prompt_tokens for r in trace) / len(trace) == pytest.approx(136, rel=0.05)
    assert sum(r.output_tokens for r in trace) / len(trace) == pytest.approx(256, rel=0.05)
    assert all(r.max_tokens == r.output_tokens for r in trace)


def test_the_on_off_client_waits_a_fraction_under_fair_schedulers() -> None:
    trace = workloads.on_off(200, 0)
    waits = {}
    for scheduler in (Scheduler.FCFS, Scheduler.VTC, Scheduler.OURS):
        result = simulate(workloads.setup(trace, SEATS), trace, maker(scheduler, trace))
        found = [wait for _, wait in measure.waits(spans(result), workloads.FIRST)]
        assert len(found) == 60
        waits[scheduler] = sum(found) / len(found)
    assert max(waits[Scheduler.VTC], waits[Scheduler.OURS]) < waits[Scheduler.FCFS] / 5


def test_figures_are_means_over_several_traces() -> None:
    traces = [workloads.like_the_trace(100, seed) for seed in (1, 2)]

    def figures(*chosen: list[TraceRequest]) -> tuple[float, ...]:
        experiment = replace(TRACE, traces=lambda _: chosen)
        return run(experiment, Scheduler.FCFS, 100, SEATS).figures

    alone = [figures(trace) for trace in traces]
    means = [sum(pair) / 2 for pair in zip(*alone, strict=True)]
    assert figures(*traces) == pytest.approx(means)
    assert alone[0] != alone[1]


def test_of_several_figures_the_worst_one_is_compared() -> None:
    ours, vtc = Row((5, 30), 0, 0, []), Row((10, 20), 0, 0, [])
    assert against_vtc({Scheduler.OURS: ours, Scheduler.VTC: vtc}) == 1.5


def test_a_picture_has_a_line_for_each_scheduler_broken_where_nothing_was_asked() -> None:
    broken: Curve = [(0.0, 1.0), (50.0, None), (60.0, 100.0)]
    curves: dict[str, Curve] = {"VTC": broken, "<ours>": [(0.0, 2.0), (9.0, 0.0)]}
    drawn = svg("Title", "axis", curves, 100, logarithmic=True)
    assert drawn.count("<polyline") == 3
    assert "&lt;ours&gt;" in drawn
    assert svg("Title", "axis", {}, 100, logarithmic=False).startswith("<svg")


def test_the_last_line_has_a_figure_per_experiment_and_a_miss_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace.csv"
    rows = (f"2026-01-01 00:00:{n:02}.0,300,200,client-{n % 3}" for n in range(60))
    trace.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens,Tenant", *rows]))
    options = ["--seconds", "100", "--pictures", str(tmp_path / "pictures"), "--trace", str(trace)]
    assert main([*options, "--most", "0"]) == 1
    printed = capsys.readouterr().out
    last = printed.splitlines()[-1]
    figures = re.fullmatch(
        r"reproduce overload_gap_vs_vtc=([\d.]+) isolation_ttft_vs_vtc=([\d.]+)"
        r" trace_difference_vs_vtc=([\d.]+)",
        last,
    )
    assert figures is not None, last
    assert all(float(figure) > 0 for figure in figures.groups())
    assert "237,738" in printed
    assert "trace.csv" in printed
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        f"{name}.svg" for name in ("isolation_ttft", "overload_gap", "trace_difference")
    ]


def test_all_figures_have_to_be_within_what_is_allowed() -> None:
    ratios = {"overload_gap": 0.5, "isolation_ttft": 1.1}
    line = "reproduce overload_gap_vs_vtc=0.500 isolation_ttft_vs_vtc=1.100"
    assert verdict(ratios, 1.1) == (line, 0)
    assert verdict(ratios, 1.09) == (line, 1)


def test_a_run_that_is_over_before_it_is_measured_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--seconds", "20"])
    assert "--seconds must be at least 100" in capsys.readouterr().err


@pytest.mark.parametrize("seats", ["0", "5000"])
def test_an_engine_that_cannot_be_is_refused(
    seats: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--seats", seats])
    assert refused.value.code == 2
    assert f"--seats {seats}: max_num" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["2026-01-01 00:00:00.0,4000,200,a"], "a request has 4200 tokens"),
        (["2026-01-01 00:00:00.0,none,200,a"], "Line 2: ContextTokens is 'none'"),
        (None, "No such file"),
    ],
)
def test_a_trace_that_cannot_be_run_is_refused(
    lines: list[str] | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace.csv"
    if lines is not None:
        trace.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens,Tenant", *lines]))
    with pytest.raises(SystemExit) as refused:
        main(["--trace", str(trace)])
    assert refused.value.code == 2
    assert said in capsys.readouterr().err


def test_a_request_without_an_answer_is_no_matter_of_fairness() -> None:
    trace = [TraceRequest(0, "a", 4000, 200, max_tokens=200)]
    result = simulate(workloads.setup(trace, SEATS), trace, maker(Scheduler.FCFS, trace))
    with pytest.raises(ValueError, match="Request 1 was not answered: refused"):
        spans(result)


def test_published_figures_have_one_for_each_heading() -> None:
    for experiment in EXPERIMENTS:
        assert {Scheduler.FCFS, Scheduler.VTC} <= set(experiment.published)
        assert all(len(f) == len(experiment.headings) for f in experiment.published.values())
