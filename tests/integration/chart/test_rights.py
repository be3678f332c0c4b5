"""What the chart lets its service account do: what rights.txt says, and no more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import Cluster
from e2e.helm import Helm
from e2e.ports import free_ports
from e2e.wait import wait_until
from e2e.world import H100, PATIENCE_SECONDS, World, policy, pool, tenant
from tests.integration.chart.release import NAMESPACE, Release
from tests.integration.chart.rights import Right, rules_of_account, table
from tests.integration.operator.process import running
from tierfleet.controllers import preflight
from tierfleet.controllers.shell import LEASE

NAMESPACES = {NAMESPACE, "fleet", "elsewhere"}

MODES = {
    "by default": ([], {NAMESPACE}),
    "watchNamespaces": (["--set=watchNamespaces={fleet}"], {"fleet"}),
    "clusterWide": (["--set=clusterWide=true"], NAMESPACES),
}


@pytest.fixture(scope="module", params=list(MODES))
def mode(
    request: pytest.FixtureRequest, cluster: Cluster, helm: Helm
) -> Iterator[tuple[Release, set[str]]]:
    """A release in each mode, and the namespaces that it serves."""
    options, served = MODES[request.param]
    release = Release(helm, cluster)
    release.install(*options)
    yield release, served
    release.uninstall()


def test_the_table_is_what_the_operator_asks_for() -> None:
    asked: dict[str, set[Right]] = {"served": set(), "release": set(), "anywhere": set()}
    for right in preflight.rights(["served"], ("release", LEASE)):
        group = f".{right.type.group}" * bool(right.type.group)
        below = f"/{right.subresource}" * bool(right.subresource)
        name = f"={right.name}" * bool(right.name)
        asked[right.namespace or "anywhere"].add(
            Right(f"{right.type.plural}{group}{below}{name}", right.verb)
        )
    assert table()["operator"] == asked


def test_the_service_account_may_do_what_the_table_says_and_nothing_else(
    cluster: Cluster, mode: tuple[Release, set[str]]
) -> None:
    release, served = mode
    allowed = table()["operator"]
    account = release.service_account()
    for namespace in NAMESPACES | {"kube-system"}:
        expected = set(allowed["anywhere"])
        if namespace in served or served == NAMESPACES:
            expected |= allowed["served"]
        if namespace == NAMESPACE:
            expected |= allowed["release"]
        found = rules_of_account(cluster, namespace, account, NAMESPACE)
        assert found == expected, f"in namespace {namespace}"


def test_the_operator_works_with_a_token_of_that_account_and_nothing_else(
    cluster: Cluster, mode: tuple[Release, set[str]], tmp_path: Path
) -> None:
    release, served = mode
    world = World(cluster, "fleet" if "fleet" in served else NAMESPACE)
    (container,) = release.find("Deployment")["spec"]["template"]["spec"]["containers"]
    command, *options = container["args"]
    assert command == "operator"
    # Outside of a pod, one that serves named namespaces keeps its Lease in the first of them.
    if NAMESPACE not in served:
        options.append("--no-leader-elect")
    # Of the ports of a pod others may listen on this machine.
    metrics, health = free_ports(2)
    options += [f"--metrics-port={metrics}", f"--health-port={health}"]
    account = release.as_operator(tmp_path / "kubeconfig")
    with running(cluster, tmp_path / "log", *options, kubeconfig=account) as operator:
        # The admission policies do not apply to the administrator.
        world.apply(policy(), tenant("acme"), pool("llama", 2, H100))
        world.wait_ready("llama", "h100:2")
        world.kubectl("delete", "tpool/llama", "tpol/standard", "secret/tenant-acme")
        wait_until(
            lambda: world.all("deployments", "--selector=tierfleet.dev/pool=llama") == [],
            timeout=PATIENCE_SECONDS,
            why="the pool's children to be gone",
        )
    assert "forbidden" not in operator.log.lower(), operator.log
