"""Fits the presets `cpu` and `cpu-tiny` of the simulated engine to vLLM on this machine.

Loads of several kinds are sent to a real vLLM; what counts is the processor time of its engine, so
that other work on the machine disturbs little. Then loads are compared that the fit has not seen.
"""

import argparse
import asyncio
import platform
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.vllm.fit import Measured, fit, lasts
from bench.vllm.loads import FLOOD, SHORT, Sender, kinds, mixed
from e2e.vllm import install
from e2e.vllm.caller import opened
from e2e.vllm.server import Vllm, serving
from tierfleet.engine.config import EngineConfig, SchedulingPolicy
from tierfleet.engine.model import Engine
from tierfleet.engine.presets import PRESETS

_LONGER: Final = {"cpu": 1, "cpu-tiny": 9}
"""Answers of a fast model have to be longer, or HTTP is most of what is measured."""
_SEEDS: Final = (1, 2, 3)
_say = Console(stderr=True)


@dataclass(frozen=True)
class Found:
    """Of one model; times in seconds.

    Attributes:
        fitted: what was fitted to, by name.
        unseen: what was not, by name: measured, and what the fitted model says.
    """

    config: EngineConfig
    fitted: dict[str, Measured]
    unseen: dict[str, tuple[float, float]]


def main() -> int:
    """See the module; 130 if it is interrupted."""
    options = argparse.ArgumentParser(prog="python -m bench.vllm.calibrate", description=__doc__)
    options.add_argument("--models", nargs="+", choices=list(_LONGER), default=list(_LONGER))
    options.add_argument(
        "--times", type=int, default=1, help="that each load is sent; the least counts"
    )
    given = options.parse_args()
    try:
        for shape in given.models:
            with serving(shape, "--no-enable-prefix-caching", seats=8) as engine:
                sizes = replace(PRESETS[shape].config, scheduling_policy=SchedulingPolicy.PRIORITY)
                _report(shape, asyncio.run(_calibrate(shape, engine, sizes, given.times)))
    except KeyboardInterrupt:
        _say.print("Interrupted: nothing was fitted.")
        return 130
    print(f"vLLM {install.version()}, Python {platform.python_version()}, {platform.machine()}")
    return 0


async def _calibrate(shape: str, engine: Vllm, sizes: EngineConfig, times: int) -> Found:
    async with opened() as session:
        sender = Sender(session, engine)
        await sender.run(FLOOD[:16])  # the first requests of all take longer
        fitted = {}
        for name, load in kinds(_LONGER[shape]).items():
            fitted[name] = Measured(load, await _least(times, partial(sender.run, load)))
            _say.print(f"{shape}, {name}: {fitted[name].seconds:.2f} s", highlight=False)
        config = replace(sizes, cost=fit(sizes, list(fitted.values())))
        unseen: dict[str, tuple[float, float]] = {}
        for seed in _SEEDS:
            load = mixed(seed, _LONGER[shape])
            took = await _least(times, partial(sender.run, load))
            unseen[f"mixed lengths {seed}"] = (took, lasts(config, load) / 1e9)
            _say.print(f"{shape}, mixed lengths {seed}: {took:.2f} s", highlight=False)
        for name, priority in (("priority", 0), ("first come", 1)):
            ran = await sender.behind(priority=priority)
            unseen[f"behind the flood, {name}, first token"] = (
                ran.first,
                first_token(config, ran.sent, priority),
            )
    return Found(config, fitted, unseen)


async def _least(times: int, measure: Callable[[], Awaitable[float]]) -> float:
    return min([await measure() for _ in range(times)])


def first_token(config: EngineConfig, sent: float | None, priority: int = 0) -> float:
    """Seconds to it of a short request, so long after the flood; None: without one."""
    engine = Engine(config)
    for prompt, output in FLOOD if sent is not None else ():
        engine.add(prompt, output, priority=1)
    due, now, short = round((sent or 0.0) * 1e9), 0, None
    while True:
        if short is None and now >= due:
            short = engine.add(*SHORT, priority=priority)
        result = engine.step(now)
        now = max(result.end, now if engine.has_work else due)
        if short in result.prefilled:
            return (result.end - due) / 1e9


def _report(shape: str, found: Found) -> None:
    cost = found.config.cost
    table = Table(title=f"{shape}: seconds of vLLM's engine, and of the simulated one")
    table.add_column("")
    for heading in ("vLLM", "model", "error"):
        table.add_column(heading, justify="right")
    rows = {
        name: (one.seconds, lasts(found.config, one.load) / 1e9)
        for name, one in found.fitted.items()
    }
    for name, (real, modelled) in [*rows.items(), *found.unseen.items()]:
        table.add_row(
            name + ("" if name in rows else " *"),
            _time(real),
            _time(modelled),
            _error(real, modelled),
        )
    table.caption = "*: the fit has not seen it"
    Console(width=100).print(table)
    print(
        f"StepCost(base_ns={cost.base_ns:_}, token_ps={cost.token_ps:_},"
        f" kv_token_ps={cost.kv_token_ps:_})"
    )


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def _error(real: float, modelled: float) -> str:
    return f"{100 * (modelled / real - 1):+.1f} %"


if __name__ == "__main__":
    sys.exit(main())
