"""The roles in docs/operator.md are all that the operator needs."""

import re
from pathlib import Path

from e2e.cluster import Cluster
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
from tests.integration.operator import answers
from tests.integration.operator.access import kubeconfig, server_of
from tests.integration.operator.process import running
from tests.integration.operator.recorder import COST

DOCS = Path(__file__).resolve().parents[3] / "docs" / "operator.md"


def test_with_the_documented_roles_it_does_all_that_it_does(
    cluster: Cluster, fleet: World, tmp_path: Path
) -> None:
    user = f"{fleet.namespace}:operator"
    (roles,) = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    cluster.apply(roles)
    fleet.kubectl("create", "serviceaccount", "operator")
    for role in ("tierfleet-operator", "tierfleet-operator-lease"):
        fleet.kubectl(
            "create", "rolebinding", role, f"--clusterrole={role}", f"--serviceaccount={user}"
        )
    binding = f"{fleet.namespace}-devices"
    fleet.kubectl(
        *("create", "clusterrolebinding", binding),
        *("--clusterrole=tierfleet-operator-devices", f"--serviceaccount={user}"),
    )
    token = fleet.kubectl("create", "token", "operator").strip()
    account = kubeconfig(tmp_path / "config", server_of(fleet), token=token)
    try:
        with running(
            cluster, tmp_path / "log", f"--namespace={fleet.namespace}", kubeconfig=account
        ) as operator:
            fleet.apply(
                policy(),
                tenant("acme"),
                pool("llama", 2, H100),
                reservation("acme", "llama", ["acme"], {"percent": 10}),
            )
            fleet.wait_ready("llama", "h100:2")
            fleet.wait_for_condition("capres", "acme", "Ready", "True")
            # Taking over what somebody added, repairing a status, deleting what is not planned.
            fleet.kubectl("set", "env", "deployment/llama-h100", "EVIL=1")
            fleet.kubectl(
                *("patch", "tpool", "llama", "--subresource=status", "--type=merge"),
                '-p={"status":{"readySummary":"99/99"}}',
            )
            wait_until(
                lambda: len(fleet.events("llama", "DriftRepaired")) == 2,
                timeout=PATIENCE_SECONDS,
                why="both edits to be put back",
            )
            # The edit may have replaced a pod, and its end another one.
            fleet.kubectl("rollout", "status", "deployment/llama-h100", "--timeout=60s")
            fleet.wait_ready("llama", "h100:2")
            for pod in fleet.pods("llama"):
                answers.of(cluster).has(fleet.namespace, pod["metadata"]["name"], running=5)
            fleet.kubectl("scale", "tpool", "llama", "--replicas=1")
            fleet.wait_ready("llama", "h100:1")
            (pod,) = fleet.pods("llama")
            assert pod["metadata"]["annotations"][COST] == "5"
            fleet.kubectl("scale", "tpool", "llama", "--replicas=2")
            fleet.wait_ready("llama", "h100:2")
            renamed = H100 | {"name": "gpu"}
            fleet.apply(pool("llama", 2, renamed))
            fleet.wait_ready("llama", "gpu:2")
            wait_until(
                lambda: fleet.find("deployment", "llama-h100") is None,
                timeout=PATIENCE_SECONDS,
                why="the old Deployment to be deleted",
            )
        assert "forbidden" not in operator.log.lower(), operator.log
    finally:
        fleet.kubectl("delete", "clusterrolebinding", binding)
