"""What is there after `helm install`."""

import subprocess
import sys
from pathlib import Path

from e2e.cluster import Cluster
from e2e.ports import free_ports
from e2e.wait import wait_until
from e2e.world import PATIENCE_SECONDS
from tests.integration.chart.release import NAMESPACE, Document, Release
from tests.integration.operator.process import Operator, running


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


def test_helm_test_fails_as_long_as_no_replica_leads(
    cluster: Cluster, release: Release, tmp_path: Path
) -> None:
    release.test()
    pod = cluster.get("pod", "tierfleet-operator-test", "-n", NAMESPACE)
    (container,) = pod["spec"]["containers"]
    python, *script = container["command"]
    service, port, _ = container["args"]
    assert (python, service) == ("python3", release.find("Service")["metadata"]["name"])
    assert {"name": "health", "port": int(port), "protocol": "TCP", "targetPort": "health"} in (
        release.find("Service")["spec"]["ports"]
    )
    leads, waits, nobody = free_ports(3)

    def ask(port: int) -> subprocess.CompletedProcess[str]:
        """What the pod does, at a replica that is a process on this machine."""
        command = [sys.executable, *script, "127.0.0.1", str(port), "0"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    account = release.as_operator(tmp_path / "kubeconfig")
    scope = f"--namespace={NAMESPACE}"
    with running(
        cluster, tmp_path / "leader", scope, f"--health-port={leads}", kubeconfig=account
    ) as leader:
        follower = Operator(
            cluster, tmp_path / "waits", scope, f"--health-port={waits}", kubeconfig=account
        )
        follower.launch()
        try:
            wait_until(
                lambda: "Waiting to lead" in follower.log,
                timeout=PATIENCE_SECONDS,
                why="the second operator to wait for its turn",
            )
            told = ask(leads)
            assert (told.returncode, told.stdout) == (
                0,
                "127.0.0.1 leads, of 1 ready replicas.\n",
            )
            told = ask(waits)
            assert told.returncode == 1
            assert "No replica behind 127.0.0.1 leads (1 are ready)." in told.stdout
        finally:
            follower.stop()
    assert "/healthz" not in leader.log, "a probe is a line in the log"
    told = ask(nobody)
    assert told.returncode == 1
    assert "127.0.0.1 does not answer" in told.stdout


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
