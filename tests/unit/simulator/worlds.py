"""Plans, engines and traces for the simulator's tests."""

from typing import Any

from tierfleet.engine.config import EngineConfig, StepCost
from tierfleet.plan import Plan, parse
from tierfleet.simulator import Setup, TraceRequest

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
GROUP = "h100"


def document(**changes: Any) -> dict[str, Any]:
    """Two tiers, a tenant in each, and a contract with the upper one."""
    base: dict[str, Any] = {
        "pool": {"name": "llama"},
        "model": {"name": "llama"},
        "tiers": [{"name": "enterprise", "priority": 100}, {"name": "retail", "priority": 0}],
        "groups": [
            {"name": GROUP, "accelerator": "h100", "desired": 1, "serviceTokensPerSecond": 1000}
        ],
        "reservations": [
            {
                "uid": "acme-1",
                "name": "acme",
                "tenants": ["acme"],
                "declared": {"percent": 30},
                "granted": 300,
            }
        ],
        "tenants": [{"name": "acme", "tier": "enterprise"}, {"name": "hobby", "tier": "retail"}],
    }
    return {**base, **changes}


def plan(**changes: Any) -> Plan:
    return parse(document(**changes))


def engine(seats: int = 4, step: int = 20 * MILLISECOND, **changes: Any) -> EngineConfig:
    """Steps that always take equally long, and memory that never runs out."""
    sizes: dict[str, Any] = {"num_blocks": 100_000, "max_model_len": 100_000, **changes}
    return EngineConfig(cost=StepCost(step, 0, 0), max_num_seqs=seats, **sizes)


def setup(**changes: Any) -> Setup:
    given: dict[str, Any] = {"plan": plan(), "engine": engine(), "group": GROUP, **changes}
    return Setup(**given)


def flood(
    tenant: str | None, count: int, *, gap: int, prompt: int = 10, output: int = 50, **more: Any
) -> list[TraceRequest]:
    """Equal requests at fixed gaps."""
    return [TraceRequest(number * gap, tenant, prompt, output, **more) for number in range(count)]


def merged(*traces: list[TraceRequest]) -> list[TraceRequest]:
    return sorted((request for trace in traces for request in trace), key=lambda r: r.arrival)
