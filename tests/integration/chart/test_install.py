"""What is there after `helm install`."""

from e2e.cluster import Cluster
from tests.integration.chart.release import NAMESPACE, Document, Release


def versions(release: Release) -> dict[tuple[str, str, str], str]:
    """The version of every object of the release: whatever is written to it changes that."""
    return {
        (o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): _version(o)
        for o in release.objects()
    }


def _version(document: Document) -> str:
    # The API server's controller applies the status of these. Of two appliers it keeps the order in
    # time, so a second apply of the same stores new times, and with them a new resourceVersion.
    field = "generation" if document["kind"] == "ValidatingAdmissionPolicy" else "resourceVersion"
    return str(document["metadata"][field])


def test_two_replicas_run_where_pod_security_is_restricted(
    cluster: Cluster, release: Release
) -> None:
    namespace = cluster.get("namespace", NAMESPACE)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert release.find("Deployment")["status"]["readyReplicas"] == 2
    pods = cluster.get("pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=tierfleet-operator")
    assert len({pod["spec"]["nodeName"] for pod in pods["items"]}) == 2, "spread over the nodes"


def test_helm_test_passes_and_leaves_its_pod_to_read(cluster: Cluster, release: Release) -> None:
    assert "Succeeded" in release.test()
    pod = cluster.get("pod", "tierfleet-operator-test", "-n", NAMESPACE)
    assert pod["status"]["phase"] == "Succeeded"
    selector = release.find("Service")["spec"]["selector"]
    assert not selector.items() <= pod["metadata"]["labels"].items(), "it would ask itself"


def test_the_notes_name_the_next_step(release: Release) -> None:
    notes = release.notes()
    assert "serves namespace tierfleet-system" in notes
    assert "helm test tierfleet --namespace tierfleet-system" in notes
    assert "kubectl get tierfleet --namespace tierfleet-system" in notes


def test_the_same_again_changes_nothing(release: Release) -> None:
    before = versions(release)
    release.upgrade()
    assert versions(release) == before
    assert len(before) > 20, "objects are missing"
