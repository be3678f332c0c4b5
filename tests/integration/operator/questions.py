"""`kubectl tierfleet` as people run it, and other users than the administrator."""

import os
import subprocess
from pathlib import Path

import yaml

from e2e.world import Document, World
from tests.integration.operator.access import kubeconfig, server_of
from tests.integration.operator.process import PROGRAM

SECONDS = 60.0


def asked(
    world: World, *words: str, given: tuple[Document, ...] = (), account: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """What the plugin says in the namespace; `given` are its manifests, on standard input."""
    return subprocess.run(
        [
            PROGRAM.with_name("kubectl-tierfleet"),
            *words,
            *(["-f", "-"] if given else []),
            f"--kubeconfig={account or world.cluster.kubeconfig}",
            f"--namespace={world.namespace}",
        ],
        input=yaml.safe_dump_all(given),
        env=os.environ | {"COLUMNS": "200", "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def diff(
    world: World, *given: Document, account: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """What the manifests would do."""
    return asked(world, "plan", "diff", given=given, account=account)


def account(world: World, folder: Path, name: str, *rules: str, everywhere: str = "") -> Path:
    """The kubeconfig of a new user who may do that: `verbs resources`; everywhere, or here."""
    world.kubectl("create", "serviceaccount", name)
    for number, rule in enumerate((*rules, everywhere)):
        if not rule:
            continue
        verbs, resources = rule.split()
        scope = "clusterrole" if rule == everywhere else "role"
        role = f"{world.namespace}-{name}-{number}"
        world.kubectl("create", scope, role, f"--verb={verbs}", f"--resource={resources}")
        world.kubectl(
            *("create", f"{scope}binding", role, f"--{scope}={role}"),
            f"--serviceaccount={world.namespace}:{name}",
        )
    token = world.kubectl("create", "token", name).strip()
    path = folder / name
    return kubeconfig(path, server_of(world), token=token, namespace=world.namespace)
