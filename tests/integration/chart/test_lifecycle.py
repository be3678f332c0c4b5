"""A release is installed, upgraded, taken back and removed, under a pool that goes on serving."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from e2e import crds
from e2e.cluster import Cluster
from e2e.helm import CHART, Helm, HelmError
from e2e.wait import wait_until
from e2e.world import (
    H100,
    PATIENCE_SECONDS,
    World,
    policy,
    pool,
    reservation,
    tenant,
)
from tests.integration.chart import previous
from tests.integration.chart.argo import DOCS, health
from tests.integration.chart.release import NAMESPACE, Document, Release, existing
from tests.integration.operator.process import Operator

KINDS = "inferencepools,tierpolicies,capacityreservations"
CRDS = [f"crd/{kind}.tierfleet.dev" for kind in KINDS.split(",")]
CHILDREN = "deployments,services,secrets,poddisruptionbudgets"
OURS = "--selector=tierfleet.dev/pool=llama"


class Serving(NamedTuple):
    """What must outlive everything that is done to the release: by name, which object it is."""

    pods: set[str]
    templates: dict[str, tuple[str, int]]
    kinds: dict[str, tuple[str, int]]
    children: dict[str, str]


class Fleet:
    """A namespace that the operator serves: a process, in place of the release's fake pods."""

    def __init__(self, cluster: Cluster, log: Path) -> None:
        self.world = World(cluster, NAMESPACE)
        self.operator = Operator(cluster, log, f"--namespace={NAMESPACE}", "--no-leader-elect")

    def begin(self) -> Serving:
        """Serve a pool with a tenant and a reservation; returns what there is then."""
        self.operator.start()
        self.world.apply(
            policy(),
            tenant("acme"),
            pool("llama", 2, H100),
            reservation("acme", "llama", ["acme"], {"percent": 10}),
        )
        self.world.wait_ready("llama", "h100:2")
        self.world.wait_for_condition("capres", "acme", "Ready", "True")
        # As Argo CD sees it.
        assert {health(o)[0] for o in self.world.all(KINDS)} == {"Healthy"}
        return self.serving()

    def again(self) -> None:
        """Start the operator, as a new one that finds what there is; return once it has looked."""
        self.operator.start()
        self.world.kubectl("patch", "tpool/llama", "--subresource=status", "--type=merge", EDITED)
        # It has looked at the pool when it has put that back.
        wait_until(
            lambda: self.world.status("tpool", "llama")["readySummary"] == "2/2",
            timeout=PATIENCE_SECONDS,
            why="the operator to look at the pool",
        )

    def serving(self) -> Serving:
        """What there is now."""
        deployments = self.world.all("deployments", OURS)
        assert deployments, "the pool has no Deployment"
        return Serving(
            pods={pod["metadata"]["uid"] for pod in self.world.pods("llama")},
            templates={_name(d): _identity(d) for d in deployments},
            kinds={_name(o): _identity(o) for o in self.world.all(KINDS)},
            children={_name(o): o["metadata"]["uid"] for o in self.world.all(CHILDREN, OURS)},
        )

    def end(self) -> None:
        """Delete all of it."""
        if self.operator.running:
            assert self.operator.stop() == 0, self.operator.log
        self.world.kubectl("delete", KINDS, "--all", "--timeout=60s")
        self.world.kubectl("delete", "secret", "tenant-acme")
        # While there is the kind of their owner: nobody collects them as soon as that is unknown.
        wait_until(
            lambda: not self.world.all(CHILDREN, OURS),
            timeout=PATIENCE_SECONDS,
            why="the children of the pool to go",
        )


EDITED = '--patch={"status":{"readySummary":"edited"}}'


def _name(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def _identity(document: Document) -> tuple[str, int]:
    """Which object it is, and how often its spec has changed."""
    return document["metadata"]["uid"], document["metadata"]["generation"]


@pytest.fixture
def bare(cluster: Cluster, helm: Helm) -> Release:
    """A release that is still to be installed, on a cluster without our kinds."""
    crds.uninstall(cluster)
    return Release(helm, cluster)


@pytest.fixture
def fleet(cluster: Cluster, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(cluster, tmp_path / "log")
    yield fleet
    fleet.end()


@pytest.fixture
def installed(bare: Release) -> Iterator[Release]:
    bare.install()
    yield bare
    bare.uninstall()


@pytest.fixture
def older(bare: Release, helm: Helm, tmp_path: Path) -> Iterator[Release]:
    """The chart before this one, installed from its package."""
    bare.install(chart=previous.packed(helm, tmp_path))
    yield bare
    bare.uninstall()


def identities(cluster: Cluster, manifest: str, kind: str = "") -> dict[str, str]:
    """Which objects of the manifest there are, by name: all of them, or those of a kind."""
    return {
        _name(o): o["metadata"]["uid"]
        for o in existing(cluster, manifest)
        if kind in {"", o["kind"]}
    }


def columns(cluster: Cluster) -> list[str]:
    (version,) = cluster.get("crd", "tierpolicies.tierfleet.dev")["spec"]["versions"]
    return [column["name"] for column in version["additionalPrinterColumns"]]


def image(release: Release) -> str:
    (container,) = release.find("Deployment")["spec"]["template"]["spec"]["containers"]
    found: str = container["image"]
    return found


def test_an_upgrade_brings_new_kinds_and_a_rollback_the_old_operator_under_a_pool_that_serves(
    cluster: Cluster, older: Release, fleet: Fleet
) -> None:
    before = fleet.begin()
    assert previous.MISSING_COLUMN not in columns(cluster)
    assert image(older).endswith(f":{previous.VERSION}")
    fleet.operator.stop()
    older.upgrade()
    fleet.again()
    assert previous.MISSING_COLUMN in columns(cluster), "the kinds are upgraded with the chart"
    assert not image(older).endswith(f":{previous.VERSION}")
    assert older.find("ValidatingAdmissionPolicy", "assign.tierfleet-system")
    assert fleet.serving() == before
    fleet.operator.stop()
    older.rollback(1)
    fleet.again()
    assert image(older).endswith(f":{previous.VERSION}")
    assert cluster.get("validatingadmissionpolicies")["items"] == []
    assert fleet.serving() == before


def test_what_was_made_outlives_the_release_and_the_next_one_takes_it_over(
    cluster: Cluster, installed: Release, fleet: Fleet
) -> None:
    before = fleet.begin()
    manifest = installed.manifest()
    kinds = identities(cluster, manifest, "CustomResourceDefinition")
    assert len(kinds) == len(CRDS)
    fleet.operator.stop()
    installed.uninstall()
    assert identities(cluster, manifest) == kinds, "the rest is gone"
    assert fleet.serving() == before
    fleet.world.wait_ready("llama", "h100:2")
    installed.install()
    fleet.again()
    assert fleet.serving() == before
    assert identities(cluster, manifest, "CustomResourceDefinition") == kinds


def commands() -> list[list[str]]:
    """The commands in docs/chart.md that take a stranger from install to uninstall."""
    blocks = re.findall(r"```\n((?:kubectl|helm) .*?)```", DOCS.read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    place = {"charts/tierfleet": str(CHART), NAMESPACE: "stranger"}
    return [[place.get(word, word) for word in shlex.split(line)] for line in lines]


def test_the_commands_in_the_docs_do_what_they_say(
    cluster: Cluster, helm: Helm, bare: Release
) -> None:
    for program, *words in commands():
        if program == "helm":
            helm.run(*words)
        else:
            cluster.kubectl(*words)
    verbs = [f"{program} {words[0]}" for program, *words in commands()]
    assert verbs == [
        *("kubectl create", "kubectl label", "helm install", "helm test"),
        *("helm upgrade", "helm uninstall"),
    ]
    assert cluster.get("deployments", "-n", "stranger")["items"] == []
    cluster.kubectl("delete", "namespace", "stranger", "--wait=false")


def test_kinds_that_another_release_has_left_are_taken_over_only_when_asked(
    cluster: Cluster, helm: Helm, bare: Release
) -> None:
    bare.install()
    bare.uninstall()
    other = Release(helm, cluster, name="other")
    _install_over_foreign_kinds(cluster, other, r"invalid ownership metadata.*tierfleet")


def test_kinds_that_were_applied_from_files_are_taken_over_only_when_asked(
    cluster: Cluster, bare: Release
) -> None:
    crds.install(cluster)
    _install_over_foreign_kinds(cluster, bare, "invalid ownership metadata")


def _install_over_foreign_kinds(cluster: Cluster, release: Release, complaint: str) -> None:
    with pytest.raises(HelmError, match=complaint):
        release.install()
    assert cluster.get("deployments", "-n", NAMESPACE)["items"] == []
    release.install("--take-ownership")
    for kind in CRDS:
        annotations = cluster.get(kind)["metadata"]["annotations"]
        assert annotations["meta.helm.sh/release-name"] == release.name
    release.uninstall()


def test_with_keep_false_the_kinds_go_with_the_release(cluster: Cluster, bare: Release) -> None:
    bare.install("--set=crds.keep=false")
    assert cluster.get("crd", "inferencepools.tierfleet.dev")
    bare.uninstall()
    for kind in CRDS:
        assert cluster.find(kind) is None
