"""The contract, and what floods it: a plan and a trace for each case."""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Any

from tierfleet.engine.config import EngineConfig
from tierfleet.engine.presets import PRESETS
from tierfleet.plan import Burndown, Plan, parse
from tierfleet.simulator import clients
from tierfleet.simulator.service import Price
from tierfleet.simulator.trace import SECOND, TraceRequest

SEATS = 256
GROUP = "h100"
OWNER = "acme"
HOBBY = "hobby"
FLOODING = 10
"""Tenants that flood together: as equals of the owner each is due an eleventh."""
PERCENT = 30
TIMES = 10
"""The flood, over what the engine can do."""
_LENGTHS = {
    "prompt": {"median": 500, "sigma": 0.6, "max": 8000},
    "output": {"median": 200, "sigma": 0.6, "max": 1500},
}
_MEANS = {"seconds": 20_000, "clients": [{"tenant": OWNER, "requestsPerSecond": 1, **_LENGTHS}]}
_BURST_SECONDS = 2
"""The owner sends at twice its rate for so long, then nothing for as long, on average."""


class From(StrEnum):
    """Where the flood comes from, seen from the tier of the contract's owner."""

    LOWER = "lower"
    SAME = "same"
    HIGHER = "higher"


_TIER = {From.LOWER: "retail", From.SAME: "enterprise", From.HIGHER: "urgent"}
_PRIORITY = {"urgent": 200, "enterprise": 100, "retail": 0}


def engine() -> EngineConfig:
    """One replica on H100s with 256 seats."""
    return replace(PRESETS["h100"].config, max_num_seqs=SEATS)


def plan(
    capacity: int,
    flood: From,
    *,
    reserved: bool = True,
    reclaim: str = "NextSeat",
    preemption: str = "Never",
    floor: int = 0,
    beyond: str = "enterprise",
    queue_seconds: int = 60,
) -> Plan:
    """One replica of so many service tokens/s, of which the owner has 30 %, or nothing.

    Args:
        capacity: service tokens a second.
        flood: the tier that floods.
        reserved: False for no contract.
        reclaim: how the contract takes lent seats back.
        preemption: of the tier that floods.
        floor: percent, of retail.
        beyond: the tier in which the owner competes beyond the contract.
        queue_seconds: that a request waits at most.
    """
    queue = {"maxRequests": 2000, "maxWaitMilliseconds": queue_seconds * 1000}
    tiers: list[dict[str, Any]] = [
        {"name": name, "priority": priority, "queue": queue} for name, priority in _PRIORITY.items()
    ]
    for tier in tiers:
        if tier["name"] == _TIER[flood]:
            tier["preemption"] = preemption
        if tier["name"] == "retail":
            tier["minimumPercent"] = floor
    contract = {
        "uid": "contract",
        "name": OWNER,
        "tenants": [OWNER],
        "declared": {"percent": PERCENT},
        "granted": capacity * PERCENT // 100,
        "lending": {"reclaim": reclaim},
        "spillover": {"tier": beyond},
    }
    group = {
        "name": GROUP,
        "accelerator": GROUP,
        "desired": 1,
        "serviceTokensPerSecond": capacity,
        "maxSequences": SEATS,
    }
    return parse(
        {
            "pool": {"name": "bench"},
            "model": {"name": "bench"},
            "groups": [group],
            "tiers": tiers,
            "tenants": [
                {"name": OWNER, "tier": "enterprise"},
                {"name": HOBBY, "tier": "retail"},
                *({"name": name, "tier": _TIER[flood]} for name in flooding()),
            ],
            "reservations": [contract] if reserved else [],
        }
    )


def flooding() -> list[str]:
    """Who floods."""
    return [f"flood-{number}" for number in range(FLOODING)]


def flood_rates(requests: float) -> dict[str, float]:
    """So many requests a second, from all that flood together."""
    return dict.fromkeys(flooding(), requests / FLOODING)


def mean_cost() -> float:
    """Service tokens of the mean request."""
    price = Price(burndown())
    trace = clients.generate(clients.parse(_MEANS), 0)
    return sum(price.of(request) for request in trace) / len(trace) / 10**6


def burndown() -> Burndown:
    """The rates of all plans here: the defaults."""
    return plan(1000, From.LOWER).burndown


def trace(seconds: float, rates: dict[str, float], *, since: float = 0) -> list[TraceRequest]:
    """Requests of so many a second for each tenant; the owner's come in bursts.

    Args:
        seconds: length.
        rates: requests a second, on average.
        since: when they begin, in seconds.
    """
    streams: list[dict[str, Any]] = []
    for tenant, rate in rates.items():
        stream: dict[str, Any] = {"tenant": tenant, "requestsPerSecond": rate, **_LENGTHS}
        stream["fromSeconds"] = since
        if tenant == OWNER:
            stream |= {
                "requestsPerSecond": 2 * rate,
                "onSeconds": _BURST_SECONDS,
                "offSeconds": _BURST_SECONDS,
                "randomPhases": True,
            }
        streams.append(stream)
    return clients.generate(clients.parse({"seconds": seconds, "clients": streams}), 1)


def offered(requests: Iterable[TraceRequest], tenant: str | None, seconds: float) -> float:
    """Service tokens a second that the tenant asks for within that time."""
    price = Price(burndown())
    end = seconds * SECOND
    costs = (price.of(r) for r in requests if r.tenant == tenant and r.arrival < end)
    return sum(costs) / 10**6 / seconds
