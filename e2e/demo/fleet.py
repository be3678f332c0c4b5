"""What both stages of the demo have: a folder, the examples, and what is shown of them."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from e2e.cluster import Cluster
from e2e.guard import tear_down
from e2e.paths import REPOSITORY, state_folder
from e2e.wait import wait_until

NAME = "demo"
NAMESPACE = "inference"
POOL = "llama-8b"
REPLICAS = 2
SETTLE_SECONDS = 180.0

SPEED = "0.5"
"""The simulated engines run at half the pace, so that two cores carry two of them and the load."""

EXAMPLES = REPOSITORY / "examples"


def folder() -> Path:
    """Where everything of the demo is kept, its processes' logs included."""
    return state_folder() / NAME


def remove() -> bool:
    """Removes the demo's processes and files; False if there were none."""
    existed = folder().exists()
    tear_down(folder())
    return existed


def settle(cluster: Cluster, check: Callable[[], None]) -> None:
    """Waits until all examples are Ready."""

    def settled() -> bool:
        check()
        return all(
            _is_true(item, "Ready")
            for kind in ("tpol", "tpool", "capres")
            for item in cluster.get(kind, "--namespace", NAMESPACE)["items"]
        )

    wait_until(settled, timeout=SETTLE_SECONDS, why="the examples to be Ready")


def show(cluster: Cluster, console: Console) -> None:
    """Prints what `kubectl get` says of the examples and of their pods."""
    for asked in ("get tpool,tpol,capres", "get pods -L tierfleet.dev/accelerator"):
        command = f"{asked} --namespace {NAMESPACE}"
        console.print(f"\n[bold]$ kubectl {command}[/]", highlight=False)
        printed = cluster.kubectl(*command.split()).stdout
        console.print(printed.rstrip(), markup=False, highlight=False, soft_wrap=True)
    console.print()


def _is_true(item: dict[str, object], condition: str) -> bool:
    status = item.get("status")
    conditions = status.get("conditions", []) if isinstance(status, dict) else []
    return any(c["type"] == condition and c["status"] == "True" for c in conditions)
