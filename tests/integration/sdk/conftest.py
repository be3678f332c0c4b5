"""A real sidecar in front of a real engine, and what both say of it afterwards."""

import json
from collections.abc import Iterator

import pytest

from tests.integration.sidecar.processes import EngineProcess, SidecarProcess
from tests.unit.sidecar.plans import document


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    with EngineProcess("--max-num-seqs", "2", "--faults") as process:
        yield process


@pytest.fixture(scope="module")
def sidecar(
    engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SidecarProcess]:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    tiers = [
        {"name": "enterprise", "priority": 100},
        {"name": "retail", "priority": 0, "limits": {"requestsPerMinute": 60}},
        {"name": "flex", "priority": -10},
    ]
    path.write_text(json.dumps(document(tiers=tiers, enginePriority=False)))
    with SidecarProcess(path, engine.url) as process:
        yield process
