"""What tools that apply the same files again and again see, and what they wait for."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from e2e.world import (
    B200,
    H100,
    PATIENCE_SECONDS,
    Document,
    World,
    policy,
    pool,
    reservation,
    tenant,
)
from tests.integration.operator.process import Operator

KINDS = ("tpol", "tpool", "capres")
ENDS = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
FLEET = (
    policy(),
    tenant("acme"),
    tenant("globex"),
    pool("llama", 2, H100, disruption={"maxUnavailable": 1}),
    # Its replicas are the operator's to choose: what is written in the spec stays as it is.
    pool("grows", 3, B200, scaling={"mode": "Automatic", "minReplicas": 2, "maxReplicas": 4}),
    reservation("acme", "llama", ["acme"], {"percent": 20}, term={"end": ENDS}),
    reservation("globex", "llama", ["globex"], {"serviceTokensPerSecond": 1_000_000}),
)


def written(world: World) -> str:
    namespace = {"namespace": world.namespace}
    return yaml.safe_dump_all([d | {"metadata": d["metadata"] | namespace} for d in FLEET])


def differences(world: World, *options: str) -> str:
    """What `kubectl diff` shows; nothing if applying would change nothing."""
    cluster = world.cluster
    command = [str(cluster.tools["kubectl"]), f"--kubeconfig={cluster.kubeconfig}", "diff"]
    done = subprocess.run(
        [*command, "--filename=-", *options],
        input=written(world),
        env={"PATH": os.environ["PATH"], "HOME": str(cluster.workdir), "KUBERC": "off"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    assert bool(done.returncode) == bool(done.stdout)
    return done.stdout


def specs(world: World) -> dict[str, Document]:
    return {
        f"{kind}/{found['metadata']['name']}": found["spec"]
        for kind in KINDS
        for found in world.all(kind)
    }


def kstatus(found: Document) -> str:
    """As tools read it that know nothing of us (cli-utils, pkg/kstatus/status, generic rules)."""
    status: dict[str, Any] = found.get("status", {})
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    if status.get("observedGeneration") != found["metadata"]["generation"]:
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    if conditions.get("Reconciling") == "True" or conditions.get("Ready") != "True":
        return "InProgress"
    return "Current"


def is_waited_for(world: World, kind: str, name: str) -> bool:
    """Whether `kubectl wait` would go on waiting."""
    command = ("wait", kind, name, "--for=condition=Ready", "--timeout=0s")
    return "condition met" not in world.kubectl(*command, check=False)


def test_applied_again_nothing_differs_and_all_who_wait_agree(
    operator: Operator, fleet: World
) -> None:
    fleet.cluster.kubectl("apply", "--filename=-", stdin=written(fleet))
    fleet.wait_ready("llama", "h100:2")
    fleet.wait_ready("grows", "b200:2")
    fleet.wait_for_condition("capres", "acme", "Ready", "True")
    fleet.wait_for_condition("capres", "globex", "Ready", "False", "InsufficientCapacity")
    fleet.wait_for_condition("tpol", "standard", "Ready", "True")

    said = {
        (kind, found["metadata"]["name"]): (
            kstatus(found),
            is_waited_for(fleet, kind, found["metadata"]["name"]),
        )
        for kind in KINDS
        for found in fleet.all(kind)
    }
    assert said == {
        ("tpol", "standard"): ("Current", False),
        ("tpool", "llama"): ("Current", False),
        ("tpool", "grows"): ("Current", False),
        ("capres", "acme"): ("Current", False),
        # It may fit tomorrow: nobody has to change it.
        ("capres", "globex"): ("InProgress", True),
    }

    before = specs(fleet)
    assert differences(fleet) == ""
    # As Argo CD and Flux do it: by another manager, on the server's side.
    fleet.apply(*FLEET)
    assert differences(fleet, "--server-side", "--field-manager=e2e") == ""
    assert specs(fleet) == before
    generations = {found["metadata"]["generation"] for kind in KINDS for found in fleet.all(kind)}
    assert generations == {1}
