"""Enterprise within its contract on a real node, while retail asks for ten times of what there is.

Two replicas on a node with kubelet, containerd and kube-proxy, the operator installed from the
chart; callers come through Services. In each round the same enterprise requests are sent four
times: with the flood straight to the engines (first come, first served), with the flood through
tierfleet, alone, and straight to engines that are as full as those were but in which a seat is
always free (the best that a held-back seat can give). The engines are simulated in real time, all
with the same preset, pace and share of the processors.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.flood.figures import picture, table
from bench.machine import CORES
from bench.node import report, scenario
from bench.node.rounds import Results, measure
from bench.node.stage import staged
from e2e.commands import EXPECTED

_BUILD: Final = Path("build/node")
_SHORTEST: Final = 10
_say = Console(stderr=True)


def main() -> int:
    """See the module; 1 if it cannot be done here, 130 if it is interrupted.

    A goal that is missed is only said: the machine is shared.
    """
    options = argparse.ArgumentParser(prog="make bench-node", description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=45.0, help="that count, of each run")
    options.add_argument("--warm-up", type=float, default=40.0, help="seconds before them")
    options.add_argument("--build", type=Path, default=_BUILD, help="folder of what is written")
    given = options.parse_args()
    if given.rounds < 1:
        options.error("--rounds: give 1 at least.")
    if given.seconds < _SHORTEST:
        options.error(
            f"--seconds: give {_SHORTEST} at least; fewer hold too few requests for a p99."
        )
    try:
        with staged(_say) as stage:
            results = measure(stage, given.rounds, given.seconds, given.warm_up, _say)
    except EXPECTED as error:
        _say.print(str(error), markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        _say.print("Interrupted: nothing was measured.")
        return 130
    _report(results, given.build)
    return 0


def _report(results: Results, build: Path) -> None:
    found, runs = report.figures_of(results), report.runs_of(results)
    console = Console(width=110)
    console.print(table("Enterprise under a flood of retail, two replicas on a real node", runs))
    console.print(report.contract(results, found))
    build.mkdir(parents=True, exist_ok=True)
    drawn = {meaning: runs[name] for name, meaning in report.MEANINGS.items()}
    (build / "ttft.svg").write_text(picture(drawn))
    (build / "results.json").write_text(
        json.dumps({"figures": asdict(found), "results": asdict(results)}, indent=1)
    )
    print(
        f"The distributions are drawn in {build / 'ttft.svg'}, all runs are in results.json there."
    )
    for line in (*_machine(results), *report.comparison(found), report.spread(results)):
        print(line)
    for verdict in report.verdicts(found):
        print(verdict)
    print(report.last_line(found))


def _machine(results: Results) -> list[str]:
    hurried = os.environ.get("TIERFLEET_COMPILE", "1") == "0"
    ours = (
        f"tierfleet {version('tierfleet')}, sidecars {'not ' if hurried else ''}compiled; engine"
        f" preset {scenario.PRESET} at {scenario.SPEED} times its pace, {scenario.SEATS} seats,"
        f" {results.capacity:,.0f} service tokens/s on {scenario.REPLICAS} replicas"
    )
    around = (
        f"{platform.machine()}, {CORES} cores, {results.at_rest:.0%} busy before the load came;"
        f" Linux {platform.release()}, Python {platform.python_version()}, {_containerd()}"
    )
    return [ours, around]


def _containerd() -> str:
    said = subprocess.run(
        ["containerd", "--version"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return " ".join(said.stdout.split()[:3:2])


if __name__ == "__main__":
    sys.exit(main())
