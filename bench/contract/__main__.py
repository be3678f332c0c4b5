"""Runs every case and prints tables; exits with 1 if the contract is missed."""

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from time import process_time

from rich.console import Console
from rich.table import Table

from bench.contract import azure, clawback, picture
from bench.contract.floods import Flood, Load, floods
from bench.contract.scenario import PERCENT, TIMES
from tierfleet.simulator.trace import TraceError, TraceRequest

_IDLE, _FLOOR, _KEPT = 0.99, 10, 0.99
_OVERLOAD = 2
_PICTURES = Path("build/contract")
_HEADINGS = ("by label", "of", "by true cost", "of", "paid", "throughput")
_SHORTEST = 90
"""Seconds: floors are measured after the first minute."""


def main() -> int:
    """See the module; 130 if it is interrupted."""
    try:
        return _judge()
    except KeyboardInterrupt:
        print("Interrupted: nothing was judged.", file=sys.stderr)
        return 130


def _judge() -> int:
    options = argparse.ArgumentParser(prog="make bench-contract", description=__doc__)
    options.add_argument("--seconds", type=float, default=600, help="of virtual time per flood")
    options.add_argument("--azure", type=Path, help="the Azure 2023 code trace, a CSV file")
    options.add_argument("--pictures", type=Path, default=_PICTURES, help="where to")
    given = options.parse_args()
    if given.seconds < _SHORTEST:
        options.error(f"--seconds: give {_SHORTEST} at least; a floor is measured after a minute.")
    try:
        trace = _azure(given.azure)
    except (OSError, TraceError) as problem:
        options.error(f"--azure: {problem}")

    load = Load.probed(given.seconds)
    _say(f"one engine does {load.capacity:,} service tokens/s, {load.mean:,.0f} a request")
    flooded = floods(load.capacity, load.flooded(), _say)
    _show(flooded, f"Floods of {TIMES} times the capacity")
    idle = load.idle()
    print(f"reservation idle: {idle:.2%} of the throughput without it")
    floor, share = load.floor(_FLOOR)
    print(
        f"retail floor of {_FLOOR} % under an enterprise flood: {floor:.2%} of its rate,"
        f" {share:.2%} of all that was served"
    )
    returns = _returns(load)
    given.pictures.mkdir(parents=True, exist_ok=True)
    (given.pictures / "claw-back.svg").write_text(picture.svg(returns))
    capacity, sped_up = azure.overload(trace, _OVERLOAD)
    bursty = floods(capacity, sped_up, _say, queue_seconds=azure.QUEUE_SECONDS)
    name = given.azure.name if given.azure else "a synthetic trace of the shape of Azure's code"
    _show(bursty, f"{name} at {_OVERLOAD} times {capacity:,} service tokens/s")

    good = all(flood.kept and flood.needed for flood in (*flooded, *bursty))
    good = good and idle >= _IDLE and floor >= _KEPT and all(one.kept for one in returns)
    where = f"Python {platform.python_version()}, {platform.machine()}, virtual time"
    print(f"tierfleet {version('tierfleet')}, {where}")
    true_cost = {"floods": _by_true_cost(flooded), "trace": _by_true_cost(bursty)}
    summary = {"good": good, "idle": round(idle, 4), "floor": round(floor, 4)}
    print(json.dumps({**summary, "wait_ok_by_true_cost": true_cost}))
    print(
        f"contract wait_ok={min(flood.contract.wait_ok for flood in flooded):.4f}"
        f" paid_served={min(flood.contract.paid_served for flood in flooded):.4f}"
        f" throughput_vs_fcfs={min(flood.throughput for flood in flooded):.4f}"
    )
    return 0 if good else 1


def _by_true_cost(found: Sequence[Flood]) -> dict[str, float]:
    return {flood.side: round(flood.contract.true_wait_ok, 4) for flood in found}


def _azure(path: Path | None) -> list[TraceRequest]:
    if path is None:
        return azure.synthetic()
    with path.open() as lines:
        return azure.read(lines)


def _returns(load: Load) -> list[clawback.Return]:
    found = []
    for lent in clawback.LENT:
        for reclaim in clawback.RECLAIMS:
            found.append(clawback.measure_return(load.capacity, load.mean, lent, reclaim))
            _say(f"claw-back of {lent} work, {reclaim}")
    table = _table("Claw-back", "lent work", "reclaim", "at its rate", "bound", "TTFT", "lost")
    for one in found:
        table.add_row(
            one.lent,
            one.reclaim,
            f"{one.seconds:.3f} s",
            f"{one.bound:.3f} s",
            f"{one.first_token:.3f} s",
            f"{one.lost:.1%}",
        )
    table.caption = "TTFT: of the first request; lost: of a minute's work"
    Console(width=80).print(table)
    return found


def _show(found: Sequence[Flood], title: str) -> None:
    table = _table(title, "flood", "", *_HEADINGS)
    for flood in found:
        base = flood.first_come.served
        rows = (("first come", flood.first_come), ("without", flood.without))
        for name, row in (*rows, (f"{PERCENT} %", flood.contract)):
            table.add_row(
                flood.side,
                name,
                f"{row.wait_ok:.2%}",
                f"{row.conforming:,}",
                f"{row.true_wait_ok:.2%}",
                f"{row.true_conforming:,}",
                f"{row.paid_served:.2%}",
                f"{row.served / base:.2%}",
            )
    table.caption = (
        "within 100 ms: of the requests that conform by the core's label (true cost, where it gave"
        " none), and of those that conform by their true cost; paid: of what was paid for, served"
    )
    Console(width=80).print(table)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left", box=None)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < 2 else "right")
    return table


def _say(what: str) -> None:
    """Progress, on standard error, with the processor time so far."""
    print(f"{process_time():5.0f} s  {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
