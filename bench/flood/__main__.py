"""Enterprise streams within its contract while retail asks for ten times of what there is.

In each round the same enterprise requests are sent four times: with the flood straight to an engine
(first come, first served), with the flood through the sidecar, to an engine whose batch is as full
as it was then but in which a seat is always free (the best that a held-back seat can give), and
alone. The engine is simulated in real time.
"""

import argparse
import platform
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench import installed
from bench.flood import picture, scenario
from bench.flood.measure import Run, run

_PROBE: Final = 21.0
"""Requests a second that an H100 of the preset does of these."""
_PICTURES: Final = Path("build/flood")
_say = Console(stderr=True)

FCFS, OURS, BEST, ALONE = "first come", "tierfleet", "best", "unloaded"
_MEANINGS: Final = {
    ALONE: "unloaded: enterprise alone, straight to the engine",
    BEST: "best: an engine as full, with a seat free",
    OURS: "tierfleet: the flood through the sidecar",
    FCFS: "first come: the flood straight to the engine",
}


def main() -> int:
    """See the module; 130 if it is interrupted."""
    try:
        return _measure()
    except KeyboardInterrupt:
        _say.print("Interrupted: nothing was measured.")
        return 130


def _measure() -> int:
    """A goal that is missed is only said: the machine is shared."""
    options = argparse.ArgumentParser(prog="make bench-flood", description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=45.0, help="that count, of each run")
    options.add_argument("--warm-up", type=float, default=25.0, help="seconds before them")
    options.add_argument("--pictures", type=Path, default=_PICTURES, help="where to")
    given = options.parse_args()
    try:
        programs = installed.sidecar()
    except RuntimeError as error:
        _say.print(str(error), markup=False)
        return 1
    found: dict[str, list[Run]] = defaultdict(list)
    for number in range(given.rounds):
        for name, one in _round(
            partial(
                run,
                programs,
                seconds=given.seconds + given.warm_up,
                warm_up=given.warm_up,
                seed=number,
            )
        ).items():
            found[name].append(one)
            worst = percentile(one.ttft, 99) * 1e3
            _say.print(f"round {number + 1} of {given.rounds}, {name}: TTFT p99 {worst:,.0f} ms")
    _report(found)
    given.pictures.mkdir(parents=True, exist_ok=True)
    curves = {_MEANINGS[name]: pooled(found[name]) for name in _MEANINGS}
    (given.pictures / "ttft.svg").write_text(picture.svg(curves))
    print(f"The distributions are drawn in {given.pictures / 'ttft.svg'}.")
    where = f"Python {platform.python_version()}, {platform.machine()}, engine preset h100"
    print(f"tierfleet {version('tierfleet')}, {where}, {scenario.SEATS} seats")
    p99 = {name: percentile(pooled(runs), 99) for name, runs in found.items()}
    throughput = statistics.median(
        ours.served / theirs.served for ours, theirs in zip(found[OURS], found[FCFS], strict=True)
    )
    print(
        f"flood ttft_p99_vs_best={p99[OURS] / p99[BEST]:.3f}"
        f" ttft_p99_vs_unloaded={p99[OURS] / p99[ALONE]:.3f}"
        f" throughput_vs_fcfs={throughput:.4f}"
    )
    return 0


def _round(send: Callable[..., Run]) -> dict[str, Run]:
    enterprise, flood = scenario.enterprise(_PROBE), scenario.flood(_PROBE)
    fcfs = send([enterprise, flood])
    ours = send([enterprise, flood], capacity=fcfs.served)
    alone = send([enterprise])
    retail = scenario.steady(round(ours.retail))
    best = send([enterprise, retail], seats=2 * scenario.SEATS)
    return {FCFS: fcfs, OURS: ours, BEST: best, ALONE: alone}


def pooled(runs: list[Run]) -> list[float]:
    """The times to first token of all of them, in order."""
    return sorted(seconds for one in runs for seconds in one.ttft)


def percentile(ordered: list[float], percent: int) -> float:
    """The nearest rank; not a number of none."""
    if not ordered:
        return float("nan")
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _report(found: dict[str, list[Run]]) -> None:
    table = Table(title="Enterprise under a flood of retail")
    table.add_column("")
    for heading in (
        "p50", "p99", "requests", "refused", "retail/s", "refused/s", "running", "waiting",
        "tokens/s",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for name in _MEANINGS:
        runs = found[name]
        times = pooled(runs)
        mine = [one.seen["enterprise"] for one in runs]
        retail = [one.seen.get("retail", {"served": 0, "refused": 0}) for one in runs]
        seconds = sum(one.seconds for one in runs)
        table.add_row(
            name,
            _time(percentile(times, 50)),
            _time(percentile(times, 99)),
            f"{len(times):,}",
            str(sum(seen["refused"] + seen["broken"] for seen in mine)),
            f"{sum(seen['served'] for seen in retail) / seconds:.1f}",
            f"{sum(seen['refused'] for seen in retail) / seconds:.1f}",
            f"{statistics.fmean(one.running for one in runs):.1f}",
            f"{statistics.fmean(one.waiting for one in runs):.0f}",
            f"{statistics.fmean(one.served for one in runs):,.0f}",
        )
    table.caption = (
        "p50, p99: time to first token; refused: of enterprise's; retail/s, refused/s: of retail,"
        " served and refused a second; running, waiting: requests in the engine, on average;"
        " tokens/s: service tokens"
    )
    Console(width=110).print(table)


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds * 1e3:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
