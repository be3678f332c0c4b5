"""The fleet of the benchmark: a thousand tenants in three tiers, two of them with a reservation."""

import hashlib
import json
from pathlib import Path
from typing import Final

from tierfleet.plan import parse

MODEL: Final = "llama-3.3-70b"
TENANTS: Final = 1000
SEATS: Final = 4096
"""More than the load needs: what is measured is what a request costs when nobody has to wait."""
_TIERS: Final = ("enterprise", "pro", "retail")


def key(number: int) -> str:
    """The API key of a tenant, 0 to `TENANTS` - 1."""
    return f"sk-bench-{number:04d}-0123456789abcdef0123456789abcdef"


def write(path: Path) -> None:
    """Write the plan, with limits, a floor and reservations that bind nobody."""
    tenants = [
        {
            "name": f"tenant-{number:04d}",
            "tier": _TIERS[number % 3],
            "keys": [hashlib.sha256(key(number).encode()).hexdigest()],
        }
        for number in range(TENANTS)
    ]
    limits = {"requestsPerMinute": 60_000_000, "tokensPerMinute": 100_000_000_000}
    document = {
        "schemaVersion": "v1",
        "pool": {"namespace": "inference", "name": "bench"},
        "model": {"name": MODEL, "aliases": ["default"]},
        "policy": "standard",
        "tiers": [
            {"name": "enterprise", "priority": 100, "limits": limits},
            {"name": "pro", "priority": 50, "weight": 3, "limits": limits},
            {"name": "retail", "priority": 0, "minimumPercent": 10, "limits": limits},
        ],
        "groups": [
            {
                "name": "h100",
                "accelerator": "h100",
                "desired": 1,
                "serviceTokensPerSecond": 50_000_000,
                "maxSequences": SEATS,
            }
        ],
        "reservations": [
            {
                "uid": f"reservation-{number}",
                "name": f"contract-{number}",
                "tenants": [f"tenant-{number * 3:04d}"],
                "declared": {"percent": 15},
                "granted": 7_500_000,
            }
            for number in range(2)
        ],
        "tenants": tenants,
    }
    parse(document)
    path.write_text(json.dumps(document))
