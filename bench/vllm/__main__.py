"""Enterprise streams within its contract while retail floods a real vLLM on the processor.

In each round the same enterprise requests are sent four times: with the flood straight to vLLM
(first come, first served), with the flood straight to a vLLM that schedules by priority and is told
enterprise's, with the flood through tierfleet, and alone. Who goes first changes from round to
round.
"""

import argparse
import platform
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.flood.figures import percentile, picture, pooled, table
from bench.flood.measure import Run, watch
from bench.flood.scenario import Clients
from bench.machine import LOAD_CORE
from bench.vllm import scenario
from bench.vllm.idle import until_idle
from e2e.commands import EXPECTED
from e2e.vllm import install
from e2e.vllm.server import Vllm, serving
from e2e.vllm.sidecar import sidecar

_PICTURES: Final = Path("build/vllm")
_PROBE_SECONDS: Final = 40.0
_say = Console(stderr=True)

FCFS, PRIORITY, OURS, ALONE = "first come", "priority", "tierfleet", "unloaded"
_MEANINGS: Final = {
    ALONE: "unloaded: enterprise alone, straight to vLLM",
    OURS: "tierfleet: the flood through the sidecar",
    PRIORITY: "priority: the flood straight to vLLM, which is told who is sooner",
    FCFS: "first come: the flood straight to vLLM",
}


@dataclass(frozen=True)
class Length:
    """Of each run, in seconds; the warm-up does not count."""

    seconds: float
    warm_up: float


def main() -> int:
    """See the module; 130 if it is interrupted."""
    options = argparse.ArgumentParser(prog="make bench-vllm", description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=80.0, help="that count, of each run")
    options.add_argument("--warm-up", type=float, default=20.0, help="seconds before them")
    options.add_argument("--pictures", type=Path, default=_PICTURES, help="where to")
    given = options.parse_args()
    try:
        found = _measure(given.rounds, Length(given.seconds, given.warm_up))
    except (*EXPECTED, RuntimeError) as error:
        _say.print(str(error), markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        _say.print("Interrupted: nothing was measured.")
        return 130
    _report(found, given.pictures)
    return 0


def _measure(rounds: int, length: Length) -> Mapping[str, list[Run]]:
    found: dict[str, list[Run]] = defaultdict(list)
    with ExitStack() as stack:
        # Both are started once; the one that has nothing to do takes no time.
        fcfs, priority = (
            stack.enter_context(serving(scenario.SHAPE, seats=scenario.SEATS, policy=policy))
            for policy in ("fcfs", "priority")
        )
        able = _send([scenario.busy()], fcfs, Length(_PROBE_SECONDS, length.warm_up), seed=0)
        _say.print(
            f"It does {able.requests:.2f} requests, {able.served:.0f} service tokens a second."
        )
        document = scenario.contract(able.served)
        runs: dict[str, Callable[[int], Run]] = {
            FCFS: lambda seed: _send(_both(able), fcfs, length, seed),
            PRIORITY: lambda seed: _send(_told(able), priority, length, seed),
            OURS: lambda seed: _through(document, _both(able), priority, length, seed),
            ALONE: lambda seed: _send(_both(able)[:1], fcfs, length, seed),
        }
        for number in range(rounds):
            order = list(runs)
            for name in order[number % 4 :] + order[: number % 4]:
                one = runs[name](number)
                found[name].append(one)
                worst = percentile(one.ttft, 99) * 1e3
                _say.print(f"round {number + 1} of {rounds}, {name}: TTFT p99 {worst:,.0f} ms")
    return found


def _both(able: Run) -> list[Clients]:
    return [scenario.enterprise(able.served), scenario.flood(able.served)]


def _told(able: Run) -> list[Clients]:
    return [
        scenario.enterprise(able.served, scenario.SOONER),
        scenario.flood(able.served, scenario.LATER),
    ]


def _send(
    groups: list[Clients],
    engine: Vllm,
    length: Length,
    seed: int,
    port: int | None = None,
    admin: int | None = None,
) -> Run:
    until_idle(engine)
    return watch(
        groups,
        url=f"http://127.0.0.1:{port or engine.port}",
        engines=[f"http://127.0.0.1:{engine.port}"],
        admins=[] if admin is None else [f"http://127.0.0.1:{admin}"],
        core=LOAD_CORE,
        seconds=length.seconds + length.warm_up,
        warm_up=length.warm_up,
        seed=seed,
    )


def _through(
    document: dict[str, object],
    groups: list[Clients],
    engine: Vllm,
    length: Length,
    seed: int,
) -> Run:
    with sidecar(engine, document) as front:
        run = _send(groups, engine, length, seed, front.port, front.admin_port)
        waits = sorted(line["wait_ms"] for line in front.log() if line["tier"] == "enterprise")
    waited = percentile(waits, 99)
    _say.print(f"enterprise waited {waited:,.0f} ms in the sidecar (p99, warm-up too)")
    return run


def _report(found: Mapping[str, list[Run]], pictures: Path) -> None:
    rows = {name: found[name] for name in _MEANINGS}
    title = "Enterprise under a flood of retail, on a real vLLM"
    Console(width=110).print(table(title, rows))
    pictures.mkdir(parents=True, exist_ok=True)
    drawn = {_MEANINGS[name]: runs for name, runs in rows.items()}
    (pictures / "ttft.svg").write_text(picture(drawn))
    print(f"The distributions are drawn in {pictures / 'ttft.svg'}.")
    where = f"Python {platform.python_version()}, {platform.machine()}"
    engine = f"vLLM {install.version()}, model {scenario.SHAPE}, {scenario.SEATS} seats"
    print(f"tierfleet {version('tierfleet')}, {where}, {engine}")
    p99 = {name: percentile(pooled(runs), 99) for name, runs in found.items()}
    throughput = statistics.median(
        ours.served / theirs.served for ours, theirs in zip(found[OURS], found[FCFS], strict=True)
    )
    print(
        f"ttft_p99_vs_fcfs={p99[OURS] / p99[FCFS]:.3f}"
        f" ttft_p99_vs_unloaded={p99[OURS] / p99[ALONE]:.3f}"
        f" throughput_vs_fcfs={throughput:.4f}"
    )
    print(f"vllm ttft_p99_vs_priority={p99[OURS] / p99[PRIORITY]:.3f}")


if __name__ == "__main__":
    sys.exit(main())
