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

from bench import installed
from bench.flood import scenario
from bench.flood.figures import percentile, picture, pooled, table
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
    title = "Enterprise under a flood of retail"
    Console(width=110).print(table(title, {name: found[name] for name in _MEANINGS}))
    given.pictures.mkdir(parents=True, exist_ok=True)
    drawn = {_MEANINGS[name]: found[name] for name in _MEANINGS}
    (given.pictures / "ttft.svg").write_text(picture(drawn))
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


if __name__ == "__main__":
    sys.exit(main())
