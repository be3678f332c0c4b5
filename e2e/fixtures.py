"""pytest plugin: the test cluster, started once per session by the first test that asks for it.

It must not know what the tests check.
"""

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from e2e import crds, toolchain
from e2e.cluster import Cluster, start
from e2e.tools.golang import GoMissingError


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever uses the cluster, so that `-m "not cluster"` leaves it out."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("cluster")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the programs before the first test, outside of any test's time limit."""
    if session.config.option.collectonly:
        return
    if any(item.get_closest_marker("cluster") for item in session.items):
        capture: Any = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            try:
                toolchain.ensure(Console(stderr=True))
            except (toolchain.BuildError, GoMissingError) as error:
                pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster without nodes, with our CRDs; removed at the end of the session."""
    started = start("test")
    try:
        crds.install(started)
        yield started
    finally:
        started.stop()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace of the test's own."""
    with fresh_namespace(cluster) as name:
        yield name


@contextlib.contextmanager
def fresh_namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace. Afterwards its pods are gone, and so are all nodes."""
    cluster.check()
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    yield name
    # The namespace controller waits five seconds before it clears a namespace. What could reach the
    # next test goes now: pods that take devices, and our resources, which an operator would serve.
    # A namespace that is being deleted admits nothing new, so nothing comes back.
    cluster.kubectl("delete", "namespace", name, "--wait=false")
    cluster.kubectl("delete", "all,tierfleet", "--all", "--namespace", name, "--timeout=60s")
    cluster.kubectl("delete", "nodes", "--all")
