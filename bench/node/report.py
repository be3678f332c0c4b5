"""What the rounds come to: the figures, and what is printed of them. It measures nothing."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Final

from rich.table import Table

from bench.flood.figures import percentile, pooled
from bench.flood.measure import Run
from bench.node import figures
from bench.node.figures import Attained
from bench.node.rounds import ALONE, BEST, FCFS, OURS, Results
from bench.node.scenario import WAIT

MEANINGS: Final = {
    ALONE: "unloaded: enterprise alone, straight to the engines",
    BEST: "best: engines as full, with a seat free",
    OURS: "tierfleet: the flood through the sidecars",
    FCFS: "first come: the flood straight to the engines",
}
_GOALS: Final[dict[str, tuple[str, float, Callable[[float, float], bool]]]] = {
    "ttft_p99_vs_best": ("at most", 1.2, float.__le__),
    "attained": ("at least", 0.99, float.__ge__),
    "throughput_vs_fcfs": ("at least", 0.97, float.__ge__),
}


@dataclass(frozen=True)
class Figures:
    """What the benchmark is about.

    Attributes:
        p99: seconds to enterprise's first token that one of a hundred requests exceeds, by run.
        conforming: the same of those that conform, by the access logs of the round.
        by_log: what was owed and given in time, as the access logs say.
        by_callers: the same as callers saw it, by run, of the requests that `by_log` is about.
        throughput: service tokens a second with tierfleet over those without: the median of the
            rounds.
        requests: of enterprise that count.
    """

    p99: dict[str, float]
    conforming: dict[str, float]
    by_log: Attained
    by_callers: dict[str, Attained]
    throughput: float
    requests: int

    def goals(self) -> dict[str, float]:
        """The figures that have a goal, as they are called on the last line."""
        return {
            "ttft_p99_vs_best": self.p99[OURS] / self.p99[BEST],
            "attained": self.by_log.share,
            "throughput_vs_fcfs": self.throughput,
        }


def figures_of(results: Results) -> Figures:
    """Over all rounds."""
    runs = runs_of(results)
    p99 = {name: percentile(pooled(runs[name]), 99) for name in MEANINGS}
    owed = [figures.owed(_waited(one.runs[OURS]), one.log, WAIT) for one in results.rounds]
    return Figures(
        p99,
        {
            name: percentile(
                sorted(
                    seconds
                    for ids, run in zip(owed, runs[name], strict=True)
                    for request, seconds in _waited(run).items()
                    if request in ids and seconds is not None
                ),
                99,
            )
            for name in MEANINGS
        },
        _sum(
            figures.by_log(ids, one.log, WAIT)
            for ids, one in zip(owed, results.rounds, strict=True)
        ),
        {
            name: _sum(
                figures.by_callers(ids, _waited(run), WAIT, p99[BEST])
                for ids, run in zip(owed, runs[name], strict=True)
            )
            for name in MEANINGS
        },
        statistics.median(one.runs[OURS].served / one.runs[FCFS].served for one in results.rounds),
        sum(len(_waited(run)) for run in runs[OURS]),
    )


def runs_of(results: Results) -> dict[str, list[Run]]:
    """By what they are called, in the order in which they are shown."""
    return {name: [one.runs[name] for one in results.rounds] for name in MEANINGS}


def contract(results: Results, found: Figures) -> Table:
    """Was the contract kept, and had the machine time for it?"""
    made = Table(title="The contract, and the machine")
    made.add_column("")
    for heading in (
        "in time, log",
        "in time, callers",
        "p99 of those",
        "busy",
        "client",
        "load average",
    ):
        made.add_column(heading, justify="right")
    for name, runs in runs_of(results).items():
        made.add_row(
            name,
            _part(found.by_log) if name == OURS else "",
            _part(found.by_callers[name]),
            f"{found.conforming[name] * 1e3:,.0f} ms",
            f"{statistics.fmean(run.busy for run in runs):.0%}",
            f"{statistics.fmean(run.client for run in runs):.0%}",
            f"{statistics.fmean(one.load_averages[name] for one in results.rounds):.1f}",
        )
    made.caption = (
        f"in time, log: of the {found.by_log.owed} requests of enterprise's {found.requests} that"
        " the access logs call conforming, refused or unheard ones too, those that they say had a"
        f" seat within {WAIT * 1e3:.0f} ms; in time, callers: of the same requests, those whose"
        f" first token came within that and {found.p99[BEST] * 1e3:.0f} ms, the p99 of best; p99 of"
        " those: of the same, time to first token;"
        " busy: of all processors, by whomever; client: of one"
    )
    return made


def verdicts(found: Figures) -> Iterator[str]:
    """A sentence for each goal."""
    for name, value in found.goals().items():
        words, goal, meets = _GOALS[name]
        yield f"{name} {value:.3f}: {'met' if meets(value, goal) else 'MISSED'} ({words} {goal:g})"


def comparison(found: Figures) -> Iterator[str]:
    """What has a goal and what has none, without tierfleet and with it."""
    for name in (FCFS, OURS):
        yield (
            f"{name}: ttft_p99_vs_best={found.p99[name] / found.p99[BEST]:.3f}"
            f" of_conforming={found.conforming[name] / found.conforming[BEST]:.3f}"
            f" ttft_p99_vs_unloaded={found.p99[name] / found.p99[ALONE]:.3f}"
            f" attained_by_callers={found.by_callers[name].share:.4f}"
        )


def spread(results: Results) -> str:
    """How evenly enterprise's requests came to the replicas, each with half of the contract."""
    rounds = [sorted(Counter(line["pod"] for line in one.log).values()) for one in results.rounds]
    parts = ", ".join("+".join(map(str, counts)) for counts in rounds)
    return f"{OURS}: requests of enterprise by replica, in each round: {parts}"


def last_line(found: Figures) -> str:
    """For programs."""
    goals = found.goals()
    return (
        f"node ttft_p99_vs_best={goals['ttft_p99_vs_best']:.3f}"
        f" attained={goals['attained']:.4f}"
        f" throughput_vs_fcfs={goals['throughput_vs_fcfs']:.4f}"
    )


def _waited(run: Run) -> figures.Waited:
    waited: figures.Waited = run.seen["enterprise"]["ttft"]
    return waited


def _sum(parts: Iterator[Attained]) -> Attained:
    return reduce(add, parts, Attained(0, 0))


def _part(attained: Attained) -> str:
    return f"{attained.share:.2%}"
