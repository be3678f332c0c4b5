"""Whether a plan promises more than what can be sold, from the plan alone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

SPARE_REPLICAS = 1
SELLABLE_PERCENT = 90
"""A pool's defaults."""


def sellable(plan: Mapping[str, Any]) -> int:
    """What can be sold of the replicas that the plan has, service tokens/s (docs/planning.md)."""
    rates = sorted(
        rate
        for group in plan["groups"]
        for rate in [int(group.get("serviceTokensPerSecond", 0))] * group.get("desired", 0)
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


def _start(contract: Mapping[str, Any]) -> datetime:
    return _instant(contract.get("term", {}).get("start"), "0001-01-01T00:00:00+00:00")


def _end(contract: Mapping[str, Any]) -> datetime:
    return _instant(contract.get("term", {}).get("end"), "9999-12-31T00:00:00+00:00")


def _instant(text: str | None, otherwise: str) -> datetime:
    return datetime.fromisoformat(text or otherwise)
