"""Runs every case and prints a table; exits with 1 if the contract is missed."""

import argparse
import json
import platform
import sys
from importlib.metadata import version

from rich.console import Console
from rich.table import Table

from bench.contract.measure import Figures, Labels, figures, run
from bench.contract.scenario import (
    HOBBY,
    OWNER,
    PERCENT,
    TIMES,
    From,
    flood_rates,
    mean_cost,
    offered,
    plan,
    trace,
)
from tierfleet.admission.core import Core
from tierfleet.simulator.baselines import Fcfs
from tierfleet.simulator.simulation import Result

_WAIT_OK, _PAID, _THROUGHPUT, _IDLE, _FLOOR = 0.999, 0.99, 0.97, 0.99, 0.10
_say = Console(stderr=True)


def main() -> int:
    """See the module."""
    options = argparse.ArgumentParser(prog="make bench-contract", description=__doc__)
    options.add_argument("--seconds", type=float, default=600, help="of virtual time per case")
    seconds: float = options.parse_args().seconds
    mean = mean_cost()
    full = trace(90, flood_rates(300))
    probe = run(plan(1000, From.LOWER, reserved=False), full, Fcfs)
    capacity = int(_served(probe, range(30, 90)) / 60 / 10**6)
    rate = _rate_that_offers(capacity * PERCENT / 100, mean, seconds)
    requests = trace(seconds, {OWNER: rate, **flood_rates(TIMES * capacity / mean)})
    _say.print(f"One engine: {capacity:,} service tokens/s, {mean:,.0f} a request.")

    rows: list[tuple[str, Figures, float]] = []
    worst = [1.0, 1.0, 1.0]
    good = True
    for flood in From:
        contract = plan(capacity, flood)
        base = figures(run(contract, requests, Fcfs), contract)
        labels = Labels()
        kept = figures(run(contract, requests, labels), contract, labels)
        bare = figures(run(plan(capacity, flood, reserved=False), requests, Core), contract)
        rows += [(f"{flood}: first come", base, 1.0)]
        rows += [(f"{flood}: without", bare, bare.served / base.served)]
        rows += [(f"{flood}: contract", kept, kept.served / base.served)]
        _say.print(f"flood from {flood}: done")
        measured = (kept.wait_ok, kept.paid_served, kept.served / base.served)
        worst = [min(pair) for pair in zip(worst, measured, strict=True)]
        needed = flood is From.LOWER or (bare.wait_ok < _WAIT_OK and bare.paid_served < _PAID)
        good = good and needed
    _show(rows)
    idle = _idle(capacity, mean, seconds)
    floor = _floor(capacity, mean, seconds)
    print(f"reservation idle: {idle:.2%} of the throughput without it")
    print(f"retail floor of {_FLOOR:.0%} under an enterprise flood: {floor:.2%}")
    python, machine = platform.python_version(), platform.machine()
    print(f"tierfleet {version('tierfleet')}, Python {python}, {machine}, virtual time")
    good = good and idle >= _IDLE and floor >= _FLOOR * 0.99
    good = good and worst[0] >= _WAIT_OK and worst[1] >= _PAID and worst[2] >= _THROUGHPUT
    print(json.dumps({"good": good, "idle": round(idle, 4), "floor": round(floor, 4)}))
    print(
        f"contract wait_ok={worst[0]:.4f} paid_served={worst[1]:.4f}"
        f" throughput_vs_fcfs={worst[2]:.4f}"
    )
    return 0 if good else 1


def _rate_that_offers(wanted: float, mean: float, seconds: float) -> float:
    """Requests a second whose bursts come to that many service tokens a second in this trace."""
    rate = wanted / mean
    for _ in range(4):
        rate *= wanted / offered(trace(seconds, {OWNER: rate}), OWNER, seconds)
    return rate


def _idle(capacity: int, mean: float, seconds: float) -> float:
    requests = trace(seconds, flood_rates(TIMES * capacity / mean))
    contract = plan(capacity, From.LOWER)
    without = plan(capacity, From.LOWER, reserved=False)
    with_it = figures(run(contract, requests, Core), contract).served
    return with_it / figures(run(without, requests, Core), contract).served


def _floor(capacity: int, mean: float, seconds: float) -> float:
    rates = {HOBBY: capacity / mean, **flood_rates(TIMES * capacity / mean)}
    result = run(plan(capacity, From.SAME, reserved=False, floor=10), trace(seconds, rates), Core)
    steady = range(60, int(seconds))
    of_hobby = sum(result.service.bins[HOBBY].get(second, 0) for second in steady)
    return of_hobby / _served(result, steady)


def _served(result: Result, seconds: range) -> int:
    """Micro service tokens of everybody in those seconds."""
    bins = result.service.bins.values()
    return sum(one.get(second, 0) for one in bins for second in seconds)


def _show(rows: list[tuple[str, Figures, float]]) -> None:
    table = Table(title=f"A contract of {PERCENT} % under floods of {TIMES} times the capacity")
    for heading in ("flood from", "in 100 ms", "of", "paid served", "throughput"):
        table.add_column(heading, justify="left" if heading == "flood from" else "right")
    for name, found, throughput in rows:
        table.add_row(
            name,
            f"{found.wait_ok:.2%}",
            f"{found.conforming:,}",
            f"{found.paid_served:.2%}",
            f"{throughput:.2%}",
        )
    Console(width=80).print(table)


if __name__ == "__main__":
    sys.exit(main())
