"""The operator in a real cluster, from the chart, with the image of this checkout."""

from collections.abc import Sequence

from e2e.cluster import Cluster
from e2e.helm import CHART, Helm
from e2e.images.build import tag

NAMESPACE = "tierfleet-system"
RELEASE = "tierfleet"


def install(cluster: Cluster, namespaces: Sequence[str], *options: str) -> None:
    """Install it in a namespace of its own, for these; return once both replicas are ready.

    The namespaces enforce the Pod Security Standard `restricted`: a pod that breaks it does not
    come up. The kinds are there already.

    Raises:
        HelmError: it does not become ready, or the chart refuses an option.
    """
    cluster.kubectl("create", "namespace", NAMESPACE)
    enforced = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "namespace", NAMESPACE, *namespaces, enforced)
    Helm.of(cluster).run("install", RELEASE, str(CHART), *settings(namespaces), *options)


def settings(namespaces: Sequence[str]) -> list[str]:
    """Options of helm for that release."""
    repository, version = tag("operator").rsplit(":", 1)
    return [
        *(f"--namespace={NAMESPACE}", f"--set=watchNamespaces={{{','.join(namespaces)}}}"),
        *("--set=crds.install=false", f"--set=image.repository={repository}"),
        *(f"--set=image.tag={version}", "--wait", "--timeout=150s"),
    ]
