"""The rounds: the same enterprise requests four times, one after the other, on one node."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.flood.figures import percentile
from bench.flood.measure import Run, watch
from bench.flood.scenario import Clients
from bench.machine import CORES, busy_seconds
from bench.node import scenario
from bench.node.stage import NAMESPACE, Stage, Target
from e2e.scenarios.accounts import Accounts, Line

FCFS, OURS, BEST, ALONE = "first come", "tierfleet", "best", "unloaded"
_PROBE_SECONDS: Final = 20.0
_PROBE_SEED: Final = 1000
_REST_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes:
        runs: by what they are called.
        log: what the sidecars' access logs say of enterprise's requests, each with its `pod`.
        load_averages: of the machine over the last minute, at the end of each run.
    """

    runs: dict[str, Run]
    log: list[Line]
    load_averages: dict[str, float]


@dataclass(frozen=True)
class Results:
    """All that was measured.

    Attributes:
        rounds: in order.
        capacity: service tokens a second that both engines did in a flood, by which the pool was
            declared.
        at_rest: part of the processors' time that was in use before anything was sent.
    """

    rounds: list[Round]
    capacity: float
    at_rest: float


def measure(stage: Stage, rounds: int, seconds: float, warm_up: float, say: Console) -> Results:
    """Bring up what is compared and send to it.

    Args:
        stage: a node with nothing on it yet.
        rounds: how many.
        seconds: of each run that count.
        warm_up: seconds before them.
        say: where progress is told.

    Raises:
        AssertionError, RuntimeError, subprocess.CalledProcessError: something does not work.
    """
    enterprise, flood = scenario.enterprise(), scenario.flood()
    straight, roomy = stage.straight(), stage.roomy()
    say.print("Measuring what both engines can do.")
    send = partial(_send, warm_up=warm_up)
    probe = send(straight, [enterprise, flood], _PROBE_SEED, seconds=_PROBE_SECONDS + warm_up)
    ours = stage.ours(probe.served)
    send = partial(send, seconds=seconds + warm_up)
    at_rest = _at_rest()
    done = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Accounts(
            stage.real.cluster, NAMESPACE, scenario.POOL, Path(folder), "/v1/completions"
        ) as accounts,
    ):
        for number in range(rounds):
            one = Round({}, [], {})
            for name, run in _round(send, straight, ours, roomy, number):
                one.runs[name], one.load_averages[name] = run, os.getloadavg()[0]
                say.print(f"round {number + 1} of {rounds}, {name}: {_summary(run)}")
            accounts.settle()
            counted = one.runs[OURS].seen["enterprise"]["ttft"]
            one.log.extend(
                line | {"pod": pod}
                for pod in (found["metadata"]["name"] for found in accounts.pods())
                for line in accounts.log(pod)
                if line["id"] in counted
            )
            done.append(one)
    return Results(done, probe.served, at_rest)


def _round(
    send: Callable[..., Run], straight: Target, ours: Target, roomy: Target, seed: int
) -> Iterator[tuple[str, Run]]:
    enterprise, flood = scenario.enterprise(), scenario.flood()
    yield FCFS, send(straight, [enterprise, flood], seed)
    flooded = send(ours, [enterprise, flood], seed)
    yield OURS, flooded
    yield ALONE, send(straight, [enterprise], seed)
    as_full = scenario.steady(round(flooded.retail), roomy.pods)
    yield BEST, send(roomy, [enterprise, as_full], seed)


def _send(
    target: Target, groups: Sequence[Clients], seed: int, *, seconds: float, warm_up: float
) -> Run:
    return watch(
        groups,
        url=target.url,
        engines=target.pods,
        admins=target.admins,
        seconds=seconds,
        warm_up=warm_up,
        seed=seed,
    )


def _summary(run: Run) -> str:
    return (
        f"TTFT p99 {percentile(run.ttft, 99) * 1e3:,.0f} ms, {run.requests:.1f} requests/s and"
        f" {run.served:,.0f} service tokens/s, processors {run.busy:.0%} busy"
    )


def _at_rest() -> float:
    before = busy_seconds()
    time.sleep(_REST_SECONDS)
    return (busy_seconds() - before) / _REST_SECONDS / CORES
