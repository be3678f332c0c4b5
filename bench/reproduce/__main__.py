"""Runs all experiments and prints their tables; exits with 1 where ours is less fair than VTC."""

import argparse
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.reproduce.experiments import EXPERIMENTS, TRACE, Experiment, Row, against_vtc, run
from bench.reproduce.plot import svg
from bench.reproduce.schedulers import Scheduler
from bench.reproduce.workloads import capped, engine
from tierfleet.simulator.trace import TraceError, read_azure

_MOST = 1.1
_say = Console(stderr=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="make reproduce", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="of virtual time per run")
    parser.add_argument("--seats", type=int, default=256, help="of the engine, for all schedulers")
    parser.add_argument("--most", type=float, default=_MOST, help="that ours may be over VTC")
    parser.add_argument("--pictures", type=Path, default=Path("build/reproduce"), help="where to")
    parser.add_argument("--trace", type=Path, help="CSV with tenants instead of the made-up trace")
    options = parser.parse_args(arguments)
    if options.seconds < 100:
        parser.error("--seconds must be at least 100: the first 30 are a warm-up.")
    try:
        engine(options.seats)
    except ValueError as error:
        parser.error(f"--seats {options.seats}: {error}")
    experiments = list(EXPERIMENTS)
    try:
        if options.trace is not None:
            experiments[experiments.index(TRACE)] = _given(options.trace, options.seats)
        options.pictures.mkdir(parents=True, exist_ok=True)
    except (OSError, TraceError) as error:
        parser.error(str(error))

    ratios: dict[str, float] = {}
    for experiment in experiments:
        rows: dict[Scheduler, Row] = {}
        for scheduler in Scheduler:
            _say.print(f"{experiment.key}: {scheduler} …")
            rows[scheduler] = run(experiment, scheduler, options.seconds, options.seats)
        _show(experiment, rows)
        picture = options.pictures / f"{experiment.key}.svg"
        curves = {str(name): row.curve for name, row in rows.items()}
        picture.write_text(
            svg(
                experiment.title,
                experiment.axis,
                curves,
                options.seconds,
                logarithmic=experiment.logarithmic,
            )
        )
        _say.print(f"picture: {picture}")
        ratios[experiment.key] = against_vtc(rows)
    python, machine = platform.python_version(), platform.machine()
    print(f"tierfleet {version('tierfleet')}, Python {python}, {machine}, virtual time")
    line, status = verdict(ratios, options.most)
    print(line)
    return status


def verdict(ratios: Mapping[str, float], most: float) -> tuple[str, int]:
    """The last line, for machines, and the exit status: 1 if any ratio is above `most`."""
    line = " ".join(f"{key}_vs_vtc={ratio:.3f}" for key, ratio in ratios.items())
    return f"reproduce {line}", int(max(ratios.values()) > most)


def _given(path: Path, seats: int) -> Experiment:
    with path.open() as lines:
        trace = capped(read_azure(lines))
    longest, most = max(r.prompt_tokens + r.output_tokens for r in trace), engine(seats)
    if longest > most.max_model_len:
        raise TraceError(
            f"{path}: a request has {longest} tokens, and this engine holds"
            f" {most.max_model_len}; leave it out."
        )
    return replace(TRACE, traces=lambda _: (trace,), title=f"{path.name}: service difference")


def _show(experiment: Experiment, rows: Mapping[Scheduler, Row]) -> None:
    table = Table(title=experiment.title, title_justify="left")
    table.add_column("scheduler")
    for heading in (*experiment.headings, "published", "tokens/s", "published", "preempted"):
        table.add_column(heading, justify="right")
    for scheduler, row in rows.items():
        published = experiment.published.get(scheduler)
        throughput = experiment.published_throughput.get(scheduler)
        table.add_row(
            scheduler,
            *(f"{figure:,.{experiment.digits}f}" for figure in row.figures),
            " / ".join(f"{figure:,}" for figure in published) if published else "",
            f"{row.throughput:,.0f}",
            f"{throughput:,.0f}" if throughput else "",
            f"{row.preemptions:,}",
        )
    Console(width=80).print(table)


if __name__ == "__main__":
    sys.exit(main())
