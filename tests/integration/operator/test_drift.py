"""What somebody else changes is put back, each change with one Event."""

import json
from collections import Counter
from typing import Any

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
from tests.integration.operator.children import children
from tests.integration.operator.process import Operator

DRIFT = "DriftRepaired"


def test_every_change_of_a_child_is_put_back_with_one_event(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(policy(), tenant("acme"), pool("llama", 2, H100))
    fleet.wait_ready("llama", "h100:2")
    before = children(fleet, "llama")
    deployment = "deployment/llama-h100"
    container = (
        '[{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"x","image":"x"}}]'
    )
    edits = (
        ("Deployment llama-h100", ("set", "image", deployment, "engine=evil")),
        ("Deployment llama-h100", ("set", "env", deployment, "EVIL=1")),
        ("Deployment llama-h100", ("patch", deployment, "--type=json", f"-p={container}")),
        ("Deployment llama-h100", ("scale", deployment, "--replicas=5")),
        ("Deployment llama-h100", ("rollout", "pause", deployment)),
        ("Deployment llama-h100", ("label", deployment, "tierfleet.dev/pool-")),
        (
            "Deployment llama-h100",
            ("annotate", deployment, "tierfleet.dev/applied=never", "--overwrite"),
        ),
        ("Deployment llama-h100", ("delete", deployment, "--cascade=orphan")),
        ("Service llama", ("patch", "service/llama", '-p={"spec":{"selector":{"evil":"yes"}}}')),
        ("Service llama", ("delete", "service/llama")),
        ("Secret llama-plan", ("patch", "secret/llama-plan", '-p={"data":{"index.json":"e30="}}')),
        ("Secret llama-plan-0", ("delete", "secret/llama-plan-0")),
        ("Secret llama-tokens", ("patch", "secret/llama-tokens", '-p={"data":{"admin":"e30="}}')),
        (
            "PodDisruptionBudget llama",
            ("patch", "pdb/llama", "--type=merge", '-p={"spec":{"minAvailable":9}}'),
        ),
    )
    for count, (_, command) in enumerate(edits, start=1):
        fleet.kubectl(*command)
        wait_until(
            lambda: children(fleet, "llama") == before,
            timeout=PATIENCE_SECONDS,
            why=f"the effect of kubectl {' '.join(command)} to be undone",
        )
        wait_until(
            lambda n=count: len(fleet.events("llama", DRIFT)) >= n,  # type: ignore[misc]
            timeout=PATIENCE_SECONDS,
            why=f"an Event about kubectl {' '.join(command)}",
        )
    notes = fleet.events("llama", DRIFT)
    assert len(notes) == len(edits), notes
    told = Counter(" ".join(note.split()[:2]) for note in notes)
    assert told == Counter(subject for subject, _ in edits)
    fleet.wait_ready("llama", "h100:2")


def test_a_restart_that_a_person_asked_for_is_left_alone(operator: Operator, fleet: World) -> None:
    fleet.apply(policy(), pool("llama", 2, H100))
    fleet.wait_ready("llama", "h100:2")
    fleet.kubectl("rollout", "restart", "deployment/llama-h100")
    fleet.kubectl("rollout", "status", "deployment/llama-h100", "--timeout=60s")
    # The next repair of the same object must not undo it either.
    fleet.kubectl("set", "env", "deployment/llama-h100", "EVIL=1")
    wait_until(
        lambda: fleet.events("llama", DRIFT),
        timeout=PATIENCE_SECONDS,
        why="an Event about the variable",
    )
    assert len(fleet.events("llama", DRIFT)) == 1
    template = fleet.get("deployment", "llama-h100")["spec"]["template"]
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]
    assert "EVIL" not in str(template)


def test_a_status_that_somebody_wrote_is_put_back_with_one_event(
    operator: Operator, fleet: World
) -> None:
    fleet.apply(
        policy(),
        tenant("acme"),
        pool("llama", 2, H100),
        reservation("acme", "llama", ["acme"], {"percent": 20}),
    )
    fleet.wait_ready("llama", "h100:2")
    fleet.wait_for_condition("capres", "acme", "Ready", "True")
    fleet.wait_for_condition("tpol", "standard", "Ready", "True")
    odd = {
        "type": "Odd",
        "status": "True",
        "reason": "Odd",
        "message": "",
        "lastTransitionTime": "2020-01-01T00:00:00Z",
    }
    edits: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("tpool", "llama", {"readySummary": "99/99"}),
        ("tpool", "llama", {"conditions": [odd]}),
        ("capres", "acme", {"granted": 10**9}),
        ("tpol", "standard", {"tenantCount": 99, "conditions": [odd]}),
    )
    for kind, name, edit in edits:
        before = fleet.status(kind, name)
        told = len(fleet.events(name, DRIFT))
        fleet.kubectl(
            *("patch", kind, name, "--subresource=status", "--type=merge"),
            f"-p={json.dumps({'status': edit})}",
        )
        wait_until(
            lambda: without_times(fleet.status(kind, name)) == without_times(before),  # noqa: B023
            timeout=PATIENCE_SECONDS,
            why=f"the status of {kind} {name} to be put back",
        )
        wait_until(
            lambda: len(fleet.events(name, DRIFT)) > told,  # noqa: B023
            timeout=PATIENCE_SECONDS,
            why=f"an Event about the status of {kind} {name}",
        )
    assert len(fleet.events("llama", DRIFT)) == 2
    assert len(fleet.events("acme", DRIFT)) == 1
    assert len(fleet.events("standard", DRIFT)) == 1


def without_times(status: dict[str, Any]) -> dict[str, Any]:
    """A condition that was taken away comes back with a new time."""
    conditions = [
        {k: v for k, v in condition.items() if k != "lastTransitionTime"}
        for condition in status["conditions"]
    ]
    return status | {"conditions": conditions}
