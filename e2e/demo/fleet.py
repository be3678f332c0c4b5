"""The demo's cluster: started, given GPU nodes, an operator and the examples."""

from pathlib import Path

from rich.console import Console

from e2e import crds
from e2e.cluster import Cluster, start
from e2e.demo.processes import Processes, tierfleet
from e2e.guard import tear_down
from e2e.paths import REPOSITORY, state_folder
from e2e.standing import FLEET
from e2e.wait import wait_until

NAME = "demo"
NAMESPACE = "inference"
SETTLE_SECONDS = 90.0


def folder() -> Path:
    """Where everything of the demo is kept, its processes' logs included."""
    return state_folder() / NAME


def remove() -> bool:
    """Removes the demo's processes and files; False if there were none."""
    existed = folder().exists()
    tear_down(folder())
    return existed


def bring_up(console: Console) -> tuple[Cluster, Processes]:
    """Starts the cluster and the operator, applies `examples/`, and waits until it has settled."""
    console.print("[bold]1[/] A control plane with two H100 and two B200 nodes of 8 devices each.")
    cluster = start(NAME, standing=folder(), console=console)
    processes = Processes(cluster.workdir)
    crds.install(cluster)
    cluster.add_nodes(FLEET)

    console.print("[bold]2[/] The operator, then [bold]kubectl apply -f examples/[/].")
    processes.start(
        "operator", tierfleet(), "operator", "--kubeconfig", cluster.kubeconfig, "--all-namespaces"
    )
    cluster.apply(REPOSITORY / "examples")

    def settled() -> bool:
        processes.check()
        return all(
            _is_true(item, "Ready")
            for kind in ("tpol", "tpool", "capres")
            for item in cluster.get(kind, "--namespace", NAMESPACE)["items"]
        )

    wait_until(settled, timeout=SETTLE_SECONDS, why="the examples to be Ready")
    return cluster, processes


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
