"""The three experiments: what is run, what is asked of it, what the paper found.

Published figures are those of the paper's tables and figures, worked out from the request times
that its authors publish (github.com/Ying1123/VTC-artifact) where it only draws them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.reproduce import measure, workloads
from bench.reproduce.measure import Span
from bench.reproduce.schedulers import Scheduler, maker
from tierfleet.simulator import TraceRequest, simulate

Curve = list[tuple[float, float | None]]
"""Seconds and a value; without one the line is broken there."""
Figures = tuple[float, ...]
_BREAK_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Experiment:
    """One table.

    Attributes:
        key: its name in the last line and of its picture.
        title: of the table.
        axis: what the picture shows over time.
        headings: of its figures.
        digits: shown behind the point.
        traces: loads, given the seconds; figures are means over all of them.
        curve: of a run, given the seconds.
        figures: of the values of that curve; the smaller the fairer.
        published: figures by scheduler.
        published_throughput: tokens a second by scheduler.
        logarithmic: the picture's scale.
    """

    key: str
    title: str
    axis: str
    headings: tuple[str, ...]
    digits: int
    traces: Callable[[float], Sequence[list[TraceRequest]]]
    curve: Callable[[Sequence[Span], float], Curve]
    figures: Callable[[Sequence[float]], Figures]
    published: Mapping[Scheduler, Figures]
    published_throughput: Mapping[Scheduler, float] = field(default_factory=dict)
    logarithmic: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """What one scheduler got in one experiment.

    Attributes:
        figures: means over the traces.
        throughput: tokens a second, likewise.
        preemptions: requests that the engine threw out for want of memory, all traces together.
        curve: of the first trace.
    """

    figures: Figures
    throughput: float
    preemptions: int
    curve: Curve


def run(experiment: Experiment, scheduler: Scheduler, seconds: float, seats: int) -> Row:
    """All traces of an experiment, decided by one scheduler."""
    found: list[Figures] = []
    throughput: list[float] = []
    preemptions = 0
    curves: list[Curve] = []
    for trace in experiment.traces(seconds):
        result = simulate(workloads.setup(trace, seats), trace, maker(scheduler, trace))
        served = measure.spans(result)
        curve = experiment.curve(served, seconds)
        curves.append(curve)
        found.append(experiment.figures([value for _, value in curve if value is not None]))
        throughput.append(measure.throughput(served))
        preemptions += result.usage[0].preemptions
    means = tuple(sum(column) / len(found) for column in zip(*found, strict=True))
    return Row(means, sum(throughput) / len(throughput), preemptions, curves[0])


def against_vtc(rows: Mapping[Scheduler, Row]) -> float:
    """Our figure over that of VTC; of several the worst."""
    ours, vtc = rows[Scheduler.OURS].figures, rows[Scheduler.VTC].figures
    return max(mine / theirs for mine, theirs in zip(ours, vtc, strict=True))


def _most(values: Sequence[float]) -> Figures:
    return (max(values),)


def _mean(values: Sequence[float]) -> Figures:
    return (sum(values) / len(values),)


def _most_and_mean(values: Sequence[float]) -> Figures:
    return _most(values) + _mean(values)


def _gaps(served: Sequence[Span], seconds: float) -> Curve:
    return [(at, measure.gap(served, at)) for at in measure.instants(seconds)]


def _waits(served: Sequence[Span], seconds: float) -> Curve:
    del seconds
    curve: Curve = []
    for at, wait in measure.waits(served, workloads.FIRST):
        if curve and at - curve[-1][0] > _BREAK_SECONDS:
            curve.append((at, None))
        curve.append((at, wait))
    return curve


def _differences(served: Sequence[Span], seconds: float) -> Curve:
    return [(at, measure.difference(served, at)) for at in measure.instants(seconds)]


OVERLOAD = Experiment(
    key="overload_gap",
    title="Two backlogged clients, 1.5 and 3 requests/s of 256 + 256 tokens",
    axis="accumulated gap in service between the two (logarithmic)",
    headings=("gap",),
    digits=0,
    traces=lambda seconds: (workloads.overload(seconds),),
    curve=_gaps,
    figures=_most,
    published={
        Scheduler.FCFS: (237_738,),
        Scheduler.VTC: (9_050,),
        Scheduler.ORACLE: (377,),
    },
    published_throughput={Scheduler.FCFS: 876, Scheduler.VTC: 893, Scheduler.ORACLE: 895},
)
ISOLATION = Experiment(
    key="isolation_ttft",
    title="An on/off client within its share beside one that floods",
    axis="its time to first token, seconds (logarithmic, first run)",
    headings=("mean TTFT s",),
    digits=2,
    traces=lambda seconds: [workloads.on_off(seconds, phase) for phase in workloads.PHASES],
    curve=_waits,
    figures=_mean,
    published={Scheduler.FCFS: (85.2,), Scheduler.VTC: (3.5,)},
    published_throughput={Scheduler.FCFS: 875, Scheduler.VTC: 877},
)
TRACE = Experiment(
    key="trace_difference",
    title="27 clients, 150 requests/min, made up: service difference",
    axis="service difference, weighted tokens a second (first run)",
    headings=("most", "mean"),
    digits=0,
    traces=lambda seconds: [
        workloads.like_the_trace(seconds, seed) for seed in workloads.TRACE_SEEDS
    ],
    curve=_differences,
    figures=_most_and_mean,
    published={
        Scheduler.FCFS: (760, 434),
        Scheduler.VTC: (368, 252),
        Scheduler.PREDICTING: (365, 240),
        Scheduler.ORACLE: (329, 228),
    },
    published_throughput={
        Scheduler.FCFS: 777,
        Scheduler.VTC: 779,
        Scheduler.PREDICTING: 773,
        Scheduler.ORACLE: 781,
    },
    logarithmic=False,
)
EXPERIMENTS = (OVERLOAD, ISOLATION, TRACE)
