"""Whether more is promised than what can be sold, by arithmetic of the tests' own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from e2e.world import World
from tests.integration.operator.recorder import Recorder, recording

SPARE_REPLICAS = 1
SELLABLE_PERCENT = 90
"""A pool's defaults."""


@contextmanager
def nothing_oversold(world: World, folder: Path, pool: str = "llama") -> Iterator[Recorder]:
    """What is recorded meanwhile, from before it begins, has to be right at every instant."""
    with recording(world, folder) as recorder:
        list(recorder.plans(pool)), recorder.placed(pool)
        yield recorder
        found = oversold(recorder, pool)
        assert found == [], f"more is promised than what can be sold: {found}"


def oversold(recorder: Recorder, pool: str) -> list[Mapping[str, Any]]:
    """The recorded plans that promise more than what can be sold of the pool's replicas.

    A plan counts those that leave, of which nothing may be sold; for which it was made is told by
    the status that follows it. One that nobody lived to tell of is measured by all that it counts.
    """
    plans, placed = list(recorder.plans(pool)), recorder.placed(pool)
    assert any(plan["version"] in placed for plan in plans), "no status tells of a recorded plan"
    return [
        plan
        for plan in plans
        for replicas in placed.get(plan["version"]) or [_counted(plan)]
        if promised(plan) > sellable(plan, replicas)
    ]


def sellable(plan: Mapping[str, Any], replicas: Mapping[str, int]) -> int:
    """What can be sold of so many on each accelerator, service tokens/s (docs/planning.md)."""
    rates = sorted(
        rate
        for group in plan["groups"]
        for rate in [int(group.get("serviceTokensPerSecond", 0))] * replicas[group["name"]]
    )
    spare = min(SPARE_REPLICAS, max(0, len(rates) - 1))
    return sum(rates[: len(rates) - spare]) * SELLABLE_PERCENT // 100


def promised(plan: Mapping[str, Any]) -> int:
    """The most that is granted at any instant of the terms: sums rise only at starts."""
    contracts = plan.get("reservations", [])
    starts = [_start(contract) for contract in contracts]
    return max(
        (
            sum(c.get("granted", 0) for c in contracts if _start(c) <= instant < _end(c))
            for instant in starts
        ),
        default=0,
    )


def _counted(plan: Mapping[str, Any]) -> Mapping[str, int]:
    return {group["name"]: group.get("desired", 0) for group in plan["groups"]}


def _start(contract: Mapping[str, Any]) -> datetime:
    return _instant(contract.get("term", {}).get("start"), "0001-01-01T00:00:00+00:00")


def _end(contract: Mapping[str, Any]) -> datetime:
    return _instant(contract.get("term", {}).get("end"), "9999-12-31T00:00:00+00:00")


def _instant(text: str | None, otherwise: str) -> datetime:
    return datetime.fromisoformat(text or otherwise)
