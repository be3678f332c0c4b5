"""Engine, plan and load of `make bench-vllm`.

A vLLM of 16 seats on the processor. Enterprise streams within a contract of 30 %, retail asks for
ten times of what the engine can do, with long answers. Prompts are short: a processor takes as long
for a hundred tokens of them as a GPU does for thousands.
"""

import math
from fractions import Fraction
from typing import Any, Final

from bench.flood.scenario import PERCENT, TIMES, Clients, service_tokens
from e2e.vllm.sidecar import GROUP, TIERS, key, plan
from tierfleet.planning.burst import Part, Replica, largest_window_milliseconds

SHAPE: Final = "cpu-small"
SEATS: Final = 16
PROMPT: Final = (64, 256)
ENTERPRISE, RETAIL = (50, 200), (400, 1200)
"""Median and most tokens, of prompts and of answers."""
SHARE: Final = 0.1
"""Of the engine's service tokens, asked for by enterprise."""
SOONER, LATER = -100, 0
"""What enterprise and retail tell vLLM where they ask it for priority: lower is sooner."""
WAIT: Final = 100
"""Milliseconds that the contract promises."""
MEAN: Final = math.exp(0.6**2 / 2)
"""Of such lengths, over their median."""
_QUEUE: Final = {"maxRequests": 2000, "maxWaitMilliseconds": 60_000}


def enterprise(capacity: float, priority: int | None = None) -> Clients:
    """The owner of the contract, in front of an engine of so many service tokens a second."""
    return _clients(
        "enterprise", capacity * SHARE / _cost(ENTERPRISE), output=ENTERPRISE, stream=True, most=0,
        priority=priority,
    )  # fmt: skip


def flood(capacity: float, priority: int | None = None) -> Clients:
    """Retail, in front of an engine of so many service tokens a second."""
    return _clients(
        "retail", capacity * TIMES / _cost(RETAIL), output=RETAIL, stream=False, most=SEATS * TIMES,
        priority=priority,
    )  # fmt: skip


def busy() -> Clients:
    """Retail that just fills the engine, to see what it can do."""
    return Clients("retail", (key("retail"),), steady=2 * SEATS, prompt=PROMPT, output=RETAIL)


def _cost(output: tuple[int, int]) -> float:
    """Service tokens of a request, on average."""
    return service_tokens(PROMPT[0] * MEAN, output[0] * MEAN)


def _clients(
    tier: str,
    per_second: float,
    *,
    output: tuple[int, int],
    stream: bool,
    most: int,
    priority: int | None,
) -> Clients:
    return Clients(
        tier,
        (key(tier),),
        per_second,
        most=most,
        stream=stream,
        prompt=PROMPT,
        output=output,
        priority=priority,
    )


def contract(capacity: float) -> dict[str, Any]:
    """The plan for an engine of so many service tokens a second, 30 % of them reserved.

    Its burst is the largest that the operator would accept for requests such as enterprise's.
    """
    granted = int(capacity) * PERCENT // 100
    alone = Replica(Part(Fraction(1), SEATS), int(capacity), granted, _cost(ENTERPRISE))
    return plan(
        SEATS,
        tiers=[
            {
                "name": name,
                "priority": priority,
                "queue": _QUEUE,
            }
            for name, priority in TIERS.items()
        ],
        groups=[
            {
                "name": GROUP,
                "accelerator": GROUP,
                "desired": 1,
                "serviceTokensPerSecond": int(capacity),
                "maxSequences": SEATS,
            }
        ],
        reservations=[
            {
                "uid": "contract",
                "name": "contract",
                "tenants": ["enterprise"],
                "declared": {"percent": PERCENT},
                "granted": granted,
                "burstWindowMilliseconds": largest_window_milliseconds(alone, granted, WAIT),
                "maxWaitMilliseconds": WAIT,
                "spillover": {"tier": "enterprise"},
            }
        ],
    )
