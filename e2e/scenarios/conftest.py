"""The cluster of the scenarios: a real node with the operator on it, installed from the chart."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from e2e import kind
from e2e.installed import install
from e2e.node import machine
from e2e.realcluster import RealCluster, prepare, start_real
from e2e.scenarios.accounts import Accounts
from e2e.scenarios.fleet import Fleet, policy
from e2e.world import Document, World, tenant

NAMESPACE = "inference"
_UNABLE = pytest.StashKey[str]()
"""Why no real node can run here, where that was found out while preparing."""
TENANTS = {"acme": "enterprise", "globex": "pro", "initech": "retail", "hooli": "retail"}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make programs and images before the first scenario, with their progress to be seen."""
    if session.config.option.collectonly or not session.items:
        return
    if machine.why_unable() is not None and not kind.asked_for():
        return  # each scenario skips, and says why
    capture: Any = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        console = Console(stderr=True)
        try:
            (kind.prepare if kind.asked_for() else prepare)(console)
        except machine.UnableError as error:
            session.config.stash[_UNABLE] = str(error)
        except RuntimeError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)


@pytest.fixture(scope="session")
def able(request: pytest.FixtureRequest) -> None:
    """Skips where no real node can run; whatever else is missing is an error, not a skip."""
    why = request.config.stash.get(_UNABLE, None) or machine.why_unable()
    if why is not None and not kind.asked_for():
        pytest.skip(why)


@pytest.fixture(scope="session")
def real(able: None) -> Iterator[RealCluster]:
    """A real cluster, with the operator in two replicas and nothing but its own RBAC."""
    with contextlib.ExitStack() as ends:
        if kind.asked_for():
            started = ends.enter_context(kind.started("e2e", Console(stderr=True)))
        else:
            started = start_real("e2e")
            ends.callback(started.cluster.stop)
        started.cluster.kubectl("create", "namespace", NAMESPACE)
        install(started.cluster, [NAMESPACE])
        yield started


@pytest.fixture
def fleet(real: RealCluster) -> Iterator[Fleet]:
    """The namespace with a policy and four tenants; its pools are gone afterwards."""
    real.cluster.check()
    world = World(real.cluster, NAMESPACE)
    world.apply(policy(), *(tenant(name, tier) for name, tier in TENANTS.items()))
    made = Fleet(real, world)
    yield made
    world.kubectl("delete", "capres,tpool,tpol", "--all")
    world.kubectl("delete", "secret", "--selector=tierfleet.dev/tenant")
    made.remove()


Serve = Callable[..., Accounts]


@pytest.fixture
def serve(fleet: Fleet, tmp_path: Path) -> Iterator[Serve]:
    """Applies documents with one pool, and returns its accounts once all its replicas serve."""
    with contextlib.ExitStack() as followed:

        def serve(*documents: Document) -> Accounts:
            fleet.world.apply(*documents)
            (one,) = [each for each in documents if each["kind"] == "InferencePool"]
            name = one["metadata"]["name"]
            # From the first pod's start: the logs are to be whole.
            accounts = Accounts(fleet.world.cluster, fleet.world.namespace, name, tmp_path)
            followed.enter_context(accounts)
            fleet.up(name, one["spec"]["replicas"])
            return accounts

        yield serve
