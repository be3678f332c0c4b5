"""Real processes and real sockets; no Kubernetes."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import uvloop

from tests.integration.sidecar.inside import Inside, ScriptedEngine
from tests.integration.sidecar.processes import EngineProcess
from tierfleet.sidecar import server


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], object]]:
    """The loop that the sidecar runs on: others treat half-closed sockets differently."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def engine() -> Iterator[EngineProcess]:
    """One simulated engine for all tests: fast, two seats' worth of which a plan uses."""
    with EngineProcess() as process:
        yield process


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedEngine]:
    """An engine that does what a test tells it to, faults included."""
    async with ScriptedEngine() as one:
        yield one


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients whose time is over are noticed at once."""
    monkeypatch.setattr(server, "_SWEEP_SECONDS", 0.01)


@pytest.fixture
async def inside(scripted: ScriptedEngine) -> AsyncIterator[Inside]:
    """A sidecar in this process, in front of the scripted engine."""
    async with Inside(scripted.port) as one:
        yield one
