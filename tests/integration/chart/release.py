"""A release of the chart on a test cluster, in the words of the tests."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster import Cluster
from e2e.helm import CHART, Helm
from tests.integration.operator.access import kubeconfig

NAMESPACE = "tierfleet-system"
PATIENCE = "--timeout=90s"

Document = dict[str, Any]


@dataclass(frozen=True)
class Release:
    """One release; its pods are fakes, which run as soon as the cluster admits them."""

    helm: Helm
    cluster: Cluster
    name: str = "tierfleet"
    namespace: str = NAMESPACE

    def install(self, *options: str, chart: Path = CHART) -> None:
        """Install it, and return once it is ready by Helm's own judgement."""
        self._run("install", self.name, str(chart), "--wait", PATIENCE, *options)

    def upgrade(self, *options: str, chart: Path = CHART) -> None:
        """Upgrade it, and return once it is ready."""
        self._run("upgrade", self.name, str(chart), "--wait", PATIENCE, *options)

    def rollback(self, revision: int) -> None:
        """Go back to a revision, and return once it is ready."""
        self._run("rollback", self.name, str(revision), "--wait", PATIENCE)

    def uninstall(self) -> None:
        """Remove it, and return once what belongs to it is gone."""
        self._run("uninstall", self.name, "--wait", PATIENCE)

    def test(self) -> str:
        """Run `helm test`; returns what it printed."""
        return self._run("test", self.name, PATIENCE)

    def notes(self) -> str:
        """What the person who installed it was told."""
        return self._run("get", "notes", self.name)

    def manifest(self) -> str:
        """All that the release consists of, as it was sent to the cluster."""
        return self._run("get", "manifest", self.name)

    def objects(self) -> list[Document]:
        """What the cluster has of all that the release consists of."""
        return existing(self.cluster, self.manifest())

    def find(self, kind: str, suffix: str = "") -> Document:
        """The one object of that kind whose name ends so."""
        (found,) = (
            o
            for o in self.objects()
            if o["kind"] == kind and o["metadata"]["name"].endswith(suffix)
        )
        return found

    def service_account(self) -> str:
        """The account of the operator's pods."""
        name: str = self.find("Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
        return name

    def as_operator(self, path: Path) -> Path:
        """Write a kubeconfig that holds a token of the operator's account and nothing else."""
        account = self.service_account()
        token = self.cluster.kubectl("create", "token", account, "-n", self.namespace).stdout
        config = yaml.safe_load(self.cluster.kubeconfig.read_text())
        server = config["clusters"][0]["cluster"]["server"]
        return kubeconfig(path, server, namespace=self.namespace, token=token.strip())

    def _run(self, *args: str) -> str:
        return self.helm.run(*args, "--namespace", self.namespace).stdout


def existing(cluster: Cluster, manifest: str) -> list[Document]:
    """Those objects of the manifest that are there, as they are."""
    found = cluster.kubectl(
        *("get", "--filename=-", "--ignore-not-found", "--output=json"), stdin=manifest
    ).stdout
    items: list[Document] = json.loads(found)["items"] if found else []
    return items


def documents(text: str) -> list[Document]:
    """The objects in a manifest."""
    return [document for document in yaml.safe_load_all(text) if document]
