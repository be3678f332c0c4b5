from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import leaderworkersets, nodes
from e2e.cluster import Cluster
from e2e.world import World
from tests.integration.operator.process import Operator, running


@pytest.fixture
def world(cluster: Cluster, namespace: str) -> World:
    """A namespace without nodes."""
    return World(cluster, namespace)


@pytest.fixture
def fleet(cluster: Cluster, world: World) -> World:
    """A namespace, two B200 and two H100 nodes of 8 devices each."""
    cluster.add_nodes(
        [nodes.b200("b200-0"), nodes.b200("b200-1"), nodes.h100("h100-0"), nodes.h100("h100-1")]
    )
    return world


@pytest.fixture
def four(cluster: Cluster, world: World) -> World:
    """A namespace, and four H100 nodes of 8 devices each."""
    cluster.add_nodes([nodes.h100(f"h100-{number}") for number in range(4)])
    return world


@pytest.fixture(scope="module")
def leader_worker_sets(cluster: Cluster) -> Iterator[None]:
    """Their kind and its controller, for all tests of a file."""
    with leaderworkersets.running(cluster):
        yield


@pytest.fixture(scope="module")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator that serves every namespace; one for all tests of a file."""
    log = tmp_path_factory.mktemp("operator") / "log"
    with running(cluster, log, "--all-namespaces", "--no-leader-elect") as operator:
        yield operator


@pytest.fixture
def hasty(cluster: Cluster, tmp_path: Path) -> Iterator[Operator]:
    """An operator that takes what there is room for now for something that lasts."""
    options = ("--all-namespaces", "--no-leader-elect", "--move-after-seconds=0")
    with running(cluster, tmp_path / "log", *options) as operator:
        yield operator
