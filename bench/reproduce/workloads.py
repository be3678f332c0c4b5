"""The loads of the paper, its engine, and a plan that makes all clients equal."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tierfleet.engine.config import EngineConfig
from tierfleet.engine.presets import PRESETS
from tierfleet.plan import parse
from tierfleet.simulator import Setup, TraceRequest, clients

GROUP = "a10g"
INPUT, OUTPUT = 1, 2
"""Weights of a prompt and of an output token in all of the paper's figures."""
MEMORY = 10_000
"""Tokens of KV cache."""
FIRST, SECOND = "client-1", "client-2"
TRACE_SEEDS = (1, 2, 3)
PHASES = (0.0, 0.15, 0.3)
"""Seconds by which the second of two clients begins later; the paper draws one at random."""
_SAME = {"prompt": 256, "output": 256, "arrivals": "Constant"}
_CLIENTS = 27
_MOST, _RATIO = 25.5, 0.83
"""Requests a minute of the busiest client, and of each one over that of the one before it."""
_LENGTHS = {
    "prompt": {"median": 49, "sigma": 1.6, "min": 2, "max": 1021},
    "output": {"median": 183, "sigma": 0.85, "min": 2, "max": 977},
}


def engine(seats: int) -> EngineConfig:
    """The paper's engine; its memory is counted in tokens, not in blocks."""
    config = PRESETS["a10g"].config
    return replace(config, block_size=1, num_blocks=MEMORY, max_num_seqs=seats)


def setup(trace: Iterable[TraceRequest], seats: int) -> Setup:
    """One engine; everybody who sends is in the same tier, which turns nobody away."""
    queue = {"maxRequests": 1_000_000, "maxWaitMilliseconds": 86_400_000}
    document: dict[str, Any] = {
        "pool": {"name": "vtc"},
        "model": {"name": "llama-2-7b"},
        "groups": [{"name": GROUP, "accelerator": GROUP, "desired": 1, "maxSequences": seats}],
        "burndown": {"input": str(INPUT), "output": str(OUTPUT)},
        "tiers": [{"name": "all", "priority": 0, "queue": queue}],
        "tenants": [
            {"name": name, "tier": "all"} for name in sorted({str(r.tenant) for r in trace})
        ],
    }
    return Setup(parse(document), engine(seats), GROUP)


def overload(seconds: float) -> list[TraceRequest]:
    """Two clients who both send more than half of what the engine can do, one twice the other."""
    return _made(
        seconds,
        {"tenant": FIRST, "requestsPerSecond": 1.5, **_SAME},
        {"tenant": SECOND, "requestsPerSecond": 3, "fromSeconds": PHASES[1], **_SAME},
    )


def on_off(seconds: float, phase: float) -> list[TraceRequest]:
    """One who sends less than its half, every other minute; one who always sends too much."""
    pauses = {"onSeconds": 60, "offSeconds": 60}
    return _made(
        seconds,
        {"tenant": FIRST, "requestsPerSecond": 0.5, **pauses, **_SAME},
        {"tenant": SECOND, "requestsPerSecond": 2, "fromSeconds": phase, **_SAME},
    )


def like_the_trace(seconds: float, seed: int) -> list[TraceRequest]:
    """Made up in the shape of the trace of Chatbot Arena behind the paper's table.

    As there 27 clients send 150 requests a minute, the busiest four about half of them, with 136
    prompt tokens (2 to 1,021) and 256 output tokens (2 to 977) on average. There some clients come
    late or send less and less; these send at a constant rate.
    """
    rates = [_MOST / 60 * _RATIO**place for place in range(_CLIENTS)]
    made = (
        {"tenant": f"client-{place}", "requestsPerSecond": rate, **_LENGTHS}
        for place, rate in enumerate(rates, start=1)
    )
    return _made(seconds, *made, seed=seed)


def capped(trace: Iterable[TraceRequest]) -> list[TraceRequest]:
    """Each caller states how long its answer will be, as the paper's do."""
    return [request._replace(max_tokens=request.output_tokens) for request in trace]


def _made(seconds: float, *streams: dict[str, Any], seed: int = 0) -> list[TraceRequest]:
    document = {"seconds": seconds, "clients": list(streams)}
    return capped(clients.generate(clients.parse(document), seed))
