"""A coding service's load instead of made-up floods: short answers, long prompts, wild bursts.

The Azure LLM inference trace 2023, code (Patel et al., "Splitwise", ISCA 2024, CC-BY 4.0): get
AzureLLMInferenceTrace_code.csv from Azure/AzurePublicDataset. It is not part of the repository;
without it a synthetic trace of the same shape stands in for it, which matches its mean rate, the
part of the seconds without a request, and the medians and tails of its lengths.
"""

from collections.abc import Iterable

from bench.contract.measure import capacity_of
from bench.contract.scenario import FLOODING, OWNER, PERCENT, From, flooding, offered, plan
from tierfleet.simulator import clients
from tierfleet.simulator.trace import SECOND, TraceRequest, assign, read_azure, speed_up

_SHAPE = {
    "seconds": 3436,
    "clients": [
        {
            "requestsPerSecond": 8.5,
            "onSeconds": 25,
            "offSeconds": 58,
            "randomPhases": True,
            "prompt": {"median": 1470, "sigma": 1.0, "min": 3, "max": 7437},
            "output": {"median": 13, "sigma": 1.2, "min": 6, "max": 1899},
        }
    ],
}
QUEUE_SECONDS = 120
"""Its bursts would keep a server of just the reserved rate busy for more than a minute."""
_SATURATED = 100
_PROBED = range(20, 80)


def synthetic() -> list[TraceRequest]:
    """Requests of the same shape; they name no tenants, like those of the trace."""
    return clients.generate(clients.parse(_SHAPE), 0)


def read(lines: Iterable[str]) -> list[TraceRequest]:
    """The trace itself.

    Raises:
        tierfleet.simulator.trace.TraceError: what is wrong with it.
    """
    return read_azure(lines)


def overload(trace: list[TraceRequest], times: float) -> tuple[int, list[TraceRequest]]:
    """What the engine does of such requests in a second, and the trace at so many times that.

    The requests are the owner's by chance, so that it comes to its reserved rate on average; all
    others are of those who flood.
    """
    saturated = speed_up(trace, _SATURATED)
    capacity = capacity_of(saturated, plan(1000, From.LOWER, reserved=False), _PROBED)
    seconds = trace[-1].arrival / SECOND
    factor = times * capacity / offered(trace, None, seconds)
    return capacity, _owned(speed_up(trace, factor), capacity * PERCENT / 100)


def _owned(trace: list[TraceRequest], wanted: float) -> list[TraceRequest]:
    seconds = trace[-1].arrival / SECOND
    part = wanted / offered(trace, None, seconds)
    found = trace
    for _ in range(4):
        others = dict.fromkeys(flooding(), (1 - part) / FLOODING)
        found = assign(trace, {OWNER: part, **others}, 0)
        part *= wanted / offered(found, OWNER, seconds)
    return found
