"""The cluster that a chart is installed on: one that has never seen anything of ours."""

from collections.abc import Iterator

import pytest

from e2e import nodes
from e2e.cluster import Cluster, start
from e2e.helm import Helm
from tests.integration.chart.release import NAMESPACE, Release


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """A cluster without our kinds, two nodes for operators, two with H100.

    The one of the other tests has the kinds already, from files, and a chart that removes them
    would take them from everybody.
    """
    started = start("chart")
    try:
        started.add_nodes(
            [
                nodes.plain("plain-0", zone="zone-a"),
                nodes.plain("plain-1", zone="zone-b"),
                nodes.h100("h100-0"),
                nodes.h100("h100-1"),
            ]
        )
        for namespace in (NAMESPACE, "fleet", "elsewhere"):
            started.kubectl("create", "namespace", namespace)
        # Enforced, so that a pod that breaks the standard does not come up at all.
        restricted = "pod-security.kubernetes.io/enforce=restricted"
        started.kubectl("label", "namespace", NAMESPACE, "fleet", restricted)
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="package")
def helm(cluster: Cluster) -> Helm:
    """helm, as the cluster's administrator."""
    return Helm.of(cluster)


@pytest.fixture(scope="module")
def release(cluster: Cluster, helm: Helm) -> Iterator[Release]:
    """The chart, installed with its defaults; one for all tests of a file."""
    installed = Release(helm, cluster)
    installed.install()
    yield installed
    installed.uninstall()
