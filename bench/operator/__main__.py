"""How long the operator takes to start on a large fleet, and to act; what it asks while idle.

A real control plane with fake nodes and pods (kwok), whole fleets of two sizes: the growth from
one to the other is what tells whether the cost of an event depends on the pools that it does not
concern. The operator shares the machine with the control plane.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from rich.console import Console
from rich.table import Table

from bench import curves
from bench.machine import CORES
from bench.operator.measure import Found, measure
from bench.operator.scenario import Size
from bench.operator.stage import standing
from e2e.commands import EXPECTED
from tierfleet.kube.cluster import ClusterError

_BUILD: Final = Path("build/operator")
_GOALS: Final = {"warm_s": 30.0, "change_p99_s": 1.0, "idle_writes": 0.0, "rss_mb": 500.0}
"""At most, for a thousand pools."""
_FEWEST_CHANGES: Final = 20
_STEP: Final = 40
_say = Console(stderr=True)


def main() -> int:
    """See the module; 1 if it cannot be done here, 130 if it is interrupted.

    What was measured until then is told all the same. A goal that is missed is only said: the
    machine is shared.
    """
    given = parsed()
    given.build.mkdir(parents=True, exist_ok=True)
    found: list[Found] = []
    code = 0
    try:
        for pools in sorted(given.pools):
            size = Size(pools)
            _say.print(size.describe() + ".", highlight=False)
            with standing(size, given.build, _say) as stage:
                found.append(
                    measure(
                        stage,
                        given.build,
                        changes=given.changes,
                        idle_seconds=given.idle_seconds,
                        console=_say,
                    )
                )
    except (*EXPECTED, ClusterError, subprocess.TimeoutExpired) as error:
        _say.print(str(error), markup=False, highlight=False)
        code = 1
    except KeyboardInterrupt:
        _say.print("Interrupted: nothing more is measured.")
        code = 130
    if found:
        _report(found, given.build)
    return code


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options.

    Raises:
        SystemExit: one of them cannot be used; it has been told.
    """
    options = argparse.ArgumentParser(prog="make bench-operator", description=__doc__)
    options.add_argument("--pools", type=int, nargs="+", default=[480, 1000], help="one or more")
    options.add_argument("--changes", type=int, default=200)
    options.add_argument("--idle-seconds", type=float, default=300.0)
    options.add_argument("--build", type=Path, default=_BUILD, help="folder of what is written")
    given = options.parse_args(arguments)
    if any(pools < _STEP or pools % _STEP for pools in given.pools):
        options.error(f"--pools: give multiples of {_STEP}.")
    if given.changes < _FEWEST_CHANGES:
        options.error(f"--changes: give {_FEWEST_CHANGES} at least; fewer say nothing of a p99.")
    return given


def _p99(seconds: tuple[float, ...]) -> float:
    return quantiles(seconds, n=100, method="inclusive")[98]


def _report(found: list[Found], build: Path) -> None:
    (build / "results.json").write_text(json.dumps([asdict(one) for one in found], indent=1))
    table = Table(title="The operator on a large fleet")
    table.add_column("")
    for one in found:
        table.add_column(f"{one.pools:,} pools", justify="right")
    rows = {
        "warm start, s": [f"{one.warm_seconds:.1f}" for one in found],
        "its processor time, s": [f"{one.warm_cpu:.1f}" for one in found],
        "its writes": [f"{one.warm_writes}" for one in found],
        "change to child, p50, ms": [f"{median(one.changes) * 1e3:.0f}" for one in found],
        "change to child, p99, ms": [f"{_p99(one.changes) * 1e3:.0f}" for one in found],
        "processor time of a change, ms": [f"{one.change_cpu * 1e3:.1f}" for one in found],
        "requests while idle": [f"{one.idle_requests}" for one in found],
        "of a core while idle": [f"{one.idle_cpu:.1%}" for one in found],
        "peak memory, MB": [f"{one.rss_megabytes:.0f}" for one in found],
    }
    for name, row in rows.items():
        table.add_row(name, *row)
    Console(width=90).print(table)
    print(
        f"tierfleet {version('tierfleet')}, Python {platform.python_version()},"
        f" {platform.machine()}, {CORES} cores shared with the control plane,"
        f" Linux {platform.release()}; requests while idle within {found[-1].idle_seconds:.0f} s."
    )
    (build / "changes.svg").write_text(
        curves.svg(
            "Part of the changes of a spec that their child had within",
            {f"{one.pools:,} pools": sorted(one.changes) for one in found},
        )
    )
    print(f"How long changes took is drawn in {build / 'changes.svg'}.")
    if len(found) > 1:
        few, many = found[0], found[-1]
        print(
            f"With {many.pools / few.pools:g} times the pools a change costs"
            f" {many.change_cpu / few.change_cpu:.2f} times the processor time."
        )
    figures = _figures(found[-1])
    for name, goal in _GOALS.items():
        if figures[name] > goal:
            print(f"Missed: {name} is {figures[name]:.3g}; the goal for 1,000 pools is {goal:g}.")
    print(
        f"operator warm_s={figures['warm_s']:.1f} change_p99_s={figures['change_p99_s']:.3f}"
        f" idle_writes={figures['idle_writes']:.0f} rss_mb={figures['rss_mb']:.0f}"
    )


def _figures(found: Found) -> dict[str, float]:
    return {
        "warm_s": found.warm_seconds,
        "change_p99_s": _p99(found.changes),
        "idle_writes": found.idle_requests,
        "rss_mb": found.rss_megabytes,
    }


if __name__ == "__main__":
    sys.exit(main())
