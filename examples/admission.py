"""The worked example of docs/admission.md: two seats, a contract of 300 tokens/s, a free tier."""

# ruff: noqa: INP001 - a script beside manifests
from collections.abc import Sequence
from datetime import UTC, datetime

from tierfleet.admission.core import Core
from tierfleet.admission.types import Arrival, Decision, Dispatch, EngineLimits, Outcome
from tierfleet.plan import parse

PLAN = parse(
    {
        "pool": {"name": "llama"},
        "model": {"name": "llama"},
        "burndown": {"input": "1", "output": "0"},
        "tiers": [{"name": "enterprise", "priority": 100}, {"name": "retail", "priority": 0}],
        "groups": [
            {"name": "h100", "accelerator": "h100", "desired": 1, "serviceTokensPerSecond": 1000}
        ],
        "tenants": [{"name": "acme", "tier": "enterprise"}, {"name": "hobby", "tier": "retail"}],
        "reservations": [
            {
                "uid": "1",
                "name": "acme-30",
                "tenants": ["acme"],
                "declared": {"percent": 30},
                "granted": 300,
                "burstWindowMilliseconds": 500,
                "maxWaitMilliseconds": 100,
            }
        ],
    }
)
EVENTS: list[tuple[int, str | int, int]] = [
    (0, "hobby", 100),
    (0, "hobby", 100),
    (0, "hobby", 100),
    (10, "acme", 160),
    (10, "acme", 100),
    (10, "acme", 100),
    (50, 1, 0),
    (60, 2, 0),
    (70, 4, 0),
    (120, 5, 0),
]
"""When (ms), who sends a prompt of so many tokens; or the number of the request that ends."""


def main() -> None:
    """Prints who is dispatched when, and who pays."""
    core = Core(PLAN, EngineLimits("h100", seats=2))
    core.tick(0, datetime(2026, 12, 1, tzinfo=UTC))
    number = 0
    for at, who, tokens in EVENTS:
        now = at * 1_000_000
        decisions: Sequence[Decision]
        if isinstance(who, int):
            decisions = core.finish(now, who, Outcome.COMPLETED)
        else:
            number += 1
            decisions = core.arrive(now, Arrival(number, who, tokens, max_tokens=0))
        for one in decisions:
            if isinstance(one, Dispatch):
                label = "conforms" if one.conforming else "does not conform"
                waited = one.waited // 1_000_000
                print(
                    f"{at:3} ms: {one.tenant} {one.id}, {one.partition}, {label}, waited {waited}"
                )


if __name__ == "__main__":
    main()
