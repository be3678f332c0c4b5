"""The sidecar in front of a vLLM, as a process of its own with a plan of three tiers.

It must not know who calls.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e.demo.processes import tierfleet
from e2e.health import answers
from e2e.ports import free_ports
from e2e.vllm.server import MODEL, Vllm
from e2e.wait import wait_until
from tierfleet.plan import parse, sha256_hex

GROUP: Final = "cpu"
TIERS: Final = {"enterprise": 100, "pro": 50, "retail": 0}
"""Each has one tenant, called the same."""
HOOK: Final = "hook-token"
ADMIN: Final = "admin-token"
_READY_SECONDS: Final = 60.0


def key(tier: str) -> str:
    """Of the tier's tenant."""
    return f"sk-{tier}"


def plan(seats: int, **changes: Any) -> dict[str, Any]:
    """For an engine of so many seats; `changes` replace members."""
    document: dict[str, Any] = {
        "schemaVersion": "v1",
        "pool": {"namespace": "inference", "name": "vllm"},
        "policy": "standard",
        "model": {"name": MODEL},
        "engineType": "VLLM",
        "enginePriority": True,
        "adminTokenSha256": sha256_hex(ADMIN),
        "hookTokenSha256": sha256_hex(HOOK),
        "tiers": [{"name": name, "priority": priority} for name, priority in TIERS.items()],
        "groups": [
            {
                "name": GROUP,
                "accelerator": GROUP,
                "desired": 1,
                "serviceTokensPerSecond": 4000,
                "maxSequences": seats,
            }
        ],
        "tenants": [
            {"name": name, "tier": name, "keys": [sha256_hex(key(name))]} for name in TIERS
        ],
    }
    document |= changes
    parse(document)
    return document


@dataclass(frozen=True)
class Sidecar:
    """One that serves.

    Attributes:
        engine: behind it.
        name: of its process.
        port: of data.
        admin_port: the other one.
        output: file with what it writes: its own words, and the access log.
    """

    engine: Vllm
    name: str
    port: int
    admin_port: int
    output: Path

    @property
    def url(self) -> str:
        """Of the data port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin(self) -> str:
        """Of the admin port."""
        return f"http://127.0.0.1:{self.admin_port}"

    def log(self) -> list[dict[str, Any]]:
        """The access log, a line for each request."""
        lines = self.output.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@contextmanager
def sidecar(engine: Vllm, document: dict[str, Any]) -> Iterator[Sidecar]:
    """Start one with that plan, wait until it is ready, and end it."""
    data, admin = free_ports(2)
    name = f"sidecar-{data}"
    written = engine.workdir / f"{name}.json"
    written.write_text(json.dumps(document))
    engine.processes.start(
        name, tierfleet(), "sidecar", "--plan", written, "--group", GROUP,
        "--upstream", engine.url, "--port", str(data), "--admin-port", str(admin),
        "--drain-accept-seconds", "0",
    )  # fmt: skip
    try:

        def ready() -> bool:
            engine.processes.check()
            return answers(admin, tls=False, path="/readyz")

        wait_until(ready, timeout=_READY_SECONDS, why="the sidecar to be ready")
        yield Sidecar(engine, name, data, admin, engine.workdir / f"{name}.log")
    finally:
        engine.processes.end(name)
