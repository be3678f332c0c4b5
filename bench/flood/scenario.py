"""The engine, the plan and the load of the benchmark.

An H100 with 256 seats, an enterprise tenant that streams within its contract, and retail tenants
that ask for ten times of what the engine can do.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tierfleet.plan import Burndown, parse

MODEL: Final = "bench"
GROUP: Final = "h100"
SEATS: Final = 256
TIMES: Final = 10
"""The flood, over what the engine can do, in requests a second and in requests at once."""
PERCENT: Final = 30
"""Of the engine's service tokens, reserved for enterprise."""
SHARE: Final = 0.2
"""Of the engine's requests, sent by enterprise: within its contract, though they come by chance."""
ENGINE: Final = ("--preset", GROUP, "--model", MODEL)
_FLOODING: Final = 20
_CAPACITY: Final = 60_000
"""Service tokens a second, before it is measured."""


@dataclass(frozen=True)
class Clients:
    """Callers of one tier. Prompts and answers are as long as in `make bench-contract` by default.

    Attributes:
        tier: by which they are counted.
        keys: their API keys, taken in turn.
        per_second: requests that arrive, as a Poisson process.
        most: requests at once; what arrives beyond is not sent. 0: no bound.
        steady: requests that are always under way, instead of arrivals.
        stream: whether they have answers streamed, so that a first token can be seen.
        prompt, output: median and most tokens of each, which are log-normal.
        priority: that they tell the engine themselves; None: they say nothing.
        at: base URLs that they send to in turn, a steady caller always to the same; none: where
            the load as a whole goes.
    """

    tier: str
    keys: tuple[str, ...]
    per_second: float = 0.0
    most: int = 0
    steady: int = 0
    stream: bool = False
    prompt: tuple[int, int] = (500, 8000)
    output: tuple[int, int] = (200, 1500)
    priority: int | None = None
    at: tuple[str, ...] = ()


def enterprise(requests_per_second: float) -> Clients:
    """The owner of the contract, in front of an engine that does so many requests a second."""
    return Clients("enterprise", _keys("acme"), requests_per_second * SHARE, stream=True)


def flood(requests_per_second: float) -> Clients:
    """Retail, in front of an engine that does so many requests a second."""
    return Clients("retail", _retail(), requests_per_second * TIMES, most=SEATS * TIMES)


def steady(requests: int) -> Clients:
    """Retail that has always so many requests under way."""
    return Clients("retail", _retail(), steady=requests)


def _retail() -> tuple[str, ...]:
    return tuple(key for number in range(_FLOODING) for key in _keys(f"retail-{number:02d}"))


def _keys(tenant: str) -> tuple[str, ...]:
    return (f"sk-bench-{tenant}-0123456789abcdef",)


def write_plan(path: Path, capacity: float) -> None:
    """One replica of so many service tokens a second, 30 % of which are reserved."""
    tenants = ["acme", *(f"retail-{number:02d}" for number in range(_FLOODING))]
    queue = {"maxRequests": 2000, "maxWaitMilliseconds": 60_000}
    document = {
        "schemaVersion": "v1",
        "pool": {"namespace": "inference", "name": "bench"},
        "model": {"name": MODEL},
        "policy": "standard",
        "tiers": [
            {"name": "enterprise", "priority": 100, "queue": queue},
            {"name": "retail", "priority": 0, "queue": queue},
        ],
        "groups": [
            {
                "name": GROUP,
                "accelerator": GROUP,
                "desired": 1,
                "serviceTokensPerSecond": int(capacity),
                "maxSequences": SEATS,
            }
        ],
        "reservations": [
            {
                "uid": "contract",
                "name": "acme",
                "tenants": ["acme"],
                "declared": {"percent": PERCENT},
                "granted": int(capacity) * PERCENT // 100,
                "spillover": {"tier": "enterprise"},
            }
        ],
        "tenants": [
            {
                "name": name,
                "tier": "enterprise" if name == "acme" else "retail",
                "keys": [hashlib.sha256(key.encode()).hexdigest() for key in _keys(name)],
            }
            for name in tenants
        ],
    }
    parse(document)
    path.write_text(json.dumps(document))


def service_tokens(prompt: float, generated: float) -> float:
    """What so many tokens cost, without the part for long contexts, which all runs have alike."""
    rates = Burndown()
    return float(rates.input) * prompt + float(rates.output) * generated


def as_document(clients: Clients) -> dict[str, object]:
    """For the command line of the load."""
    return asdict(clients)


def from_document(document: dict[str, object]) -> Clients:
    """The reverse."""
    # JSON has no tuples.
    return Clients(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in document.items()
        }  # type: ignore[arg-type]
    )
