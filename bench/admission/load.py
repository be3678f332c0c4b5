"""A plan with everything switched on, and requests for it. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from sys import intern
from typing import Any, Final

from tierfleet.admission.types import Arrival, EngineLimits, Progress
from tierfleet.plan import Plan, parse

SECOND: Final = 1_000_000_000
WALL: Final = datetime(2026, 12, 1, tzinfo=UTC)
LIMITS: Final = EngineLimits("h100", 256, 1_000_000)
STEP: Final = 1_000_000
"""Nanoseconds of virtual time between two requests: a thousand a second."""
OWNERS: Final = ("enterprise-0", "enterprise-1")
"""Tenants with a reservation; each sends a tenth of all requests."""
_TIERS: Final = ("enterprise", "pro", "standard", "flex")
_RATE: Final = 1_200_000
"""Service tokens a second of the engine: a little more than is asked for."""


def plan(tenants: int) -> Plan:
    """So many known tenants in four tiers, and nothing of the core left out.

    Two reservations (one prepaid, one with an end, both taking seats back), floors, weights,
    limits of requests, tokens and concurrency, bounds on long contexts, preemption, seats that
    are not lent, and other rates for scheduling than for billing.
    """
    limits = {
        "requestsPerMinute": 10**6,
        "tokensPerMinute": 10**7,
        "maxConcurrentRequests": 10**4,
    }
    common: dict[str, Any] = {
        "limits": limits,
        "longContext": {"aboveTokens": 30_000, "maxConcurrentRequests": 8},
        "queue": {"maxRequests": 10**6, "maxWaitMilliseconds": 3_600_000},
    }
    lending = {"reclaim": "Abort", "lendablePercent": 90}
    rates = {"input": "1", "cachedInput": "0.1", "output": "4", "kvResidency": "0.000001"}
    long = {"aboveTokens": 30_000, "input": "2", "output": "6"}
    document = {
        "pool": {"name": "llama"},
        "model": {"name": "llama"},
        "burndown": {**rates, "longContext": long},
        "scheduling": {**rates, "output": "3", "longContext": long},
        "groups": [
            {"name": "h100", "accelerator": "h100", "desired": 1, "serviceTokensPerSecond": _RATE}
        ],
        "tiers": [
            {**common, "name": "enterprise", "priority": 100},
            {**common, "name": "pro", "priority": 50, "weight": 3},
            {**common, "name": "standard", "priority": 10, "minimumPercent": 10},
            {
                **common,
                "name": "flex",
                "priority": 0,
                "minimumPercent": 5,
                "preemption": "Anytime",
            },
        ],
        "reservations": [
            {
                "uid": "1",
                "name": "acme",
                "tenants": [OWNERS[0]],
                "declared": {
                    "prepaid": {
                        "serviceTokens": 10**15,
                        "period": "Month",
                        "serviceTokensPerSecond": _RATE // 10,
                    }
                },
                "granted": _RATE // 10,
                "lending": lending,
            },
            {
                "uid": "2",
                "name": "globex",
                "tenants": [OWNERS[1]],
                "declared": {"percent": 10},
                "granted": _RATE // 10,
                "term": {"end": "2027-12-01T00:00:00Z"},
                "lending": lending,
            },
        ],
        "tenants": [
            {"name": name, "tier": _TIERS[index % len(_TIERS)], "weight": 1 + index % 3}
            for index, name in enumerate(_names(tenants))
        ],
    }
    return parse(document)


def requests(tenants: int, first: int = 1) -> Iterator[Arrival]:
    """Requests without end, in turn by so many tenants.

    A fifth comes from tenants with a reservation. Names are interned: a sidecar too hands over the
    plan's own string, which it finds by the hash of a key.
    """
    others = [name for name in _names(tenants) if name not in OWNERS]
    for number in count(first):
        turn, fifth = divmod(number, 5)
        who = OWNERS[turn % 2] if fifth == 0 else others[number % len(others)]
        yield Arrival(number, who, 100, 400)


def produced(number: int) -> tuple[Progress]:
    """What a request will have produced.

    Every estimate is wrong: half of the answers are shorter than any before, half are longer.
    """
    return (Progress(number, 7, 40, 30 if number % 2 else 300),)


def _names(tenants: int) -> list[str]:
    tiers = len(_TIERS)
    return [intern(f"{_TIERS[index % tiers]}-{index // tiers}") for index in range(tenants)]
