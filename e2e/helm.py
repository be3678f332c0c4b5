"""Run helm on a test cluster. It must not know what the chart installs.

Everything that helm keeps on the machine goes into the cluster's folder: a person's repositories,
plugins and settings play no part.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import Cluster
from e2e.kubeconfig import refuse_foreign
from e2e.paths import REPOSITORY

CHART = REPOSITORY / "charts" / "tierfleet"
HELM_SECONDS = 180.0
NO_CLUSTER = Path(os.devnull)


class HelmError(subprocess.CalledProcessError):
    """helm ended with an error; the message is what it said."""

    def __str__(self) -> str:
        """The command and helm's own words."""
        return f"{' '.join(self.cmd)} ended with {self.returncode}: {self.stderr.strip()}"


@dataclass(frozen=True)
class Helm:
    """helm with a kubeconfig and a folder of its own.

    Attributes:
        program: the built helm.
        home: where it keeps its files.
        kubeconfig: of the cluster; none, and all that needs a cluster fails.
    """

    program: Path
    home: Path
    kubeconfig: Path = NO_CLUSTER

    @classmethod
    def of(cls, cluster: Cluster) -> "Helm":
        """Helm as the cluster's administrator."""
        return cls(cluster.tools["helm"], cluster.workdir / "helm", cluster.kubeconfig)

    def run(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run helm and return what it printed.

        Raises:
            HelmError: it failed, and `check` is true.
            ForeignClusterError: the kubeconfig is not that of a test cluster.
        """
        if self.kubeconfig is not NO_CLUSTER:
            refuse_foreign(self.kubeconfig)
        finished = subprocess.run(
            [str(self.program), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=HELM_SECONDS,
            env={"HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig)},
        )
        if check and finished.returncode != 0:
            raise HelmError(finished.returncode, ["helm", *args], finished.stdout, finished.stderr)
        return finished

    def template(self, release: str, namespace: str, *options: str, chart: Path = CHART) -> str:
        """Return the manifests of a release, without asking a cluster.

        Raises:
            HelmError: the values are refused.
        """
        return self.run(
            "template", release, str(chart), f"--namespace={namespace}", *options
        ).stdout
