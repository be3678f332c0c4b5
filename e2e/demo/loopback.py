"""The demo where no real node can run: fake nodes, and two replicas as local processes."""

from rich.console import Console

from e2e import crds
from e2e.cluster import start
from e2e.demo import fleet, replicas
from e2e.demo.processes import Processes, tierfleet
from e2e.demo.stage import Stage
from e2e.standing import FLEET


def set_up(console: Console) -> Stage:
    """Starts cluster, operator and replicas; what it started stays if it fails."""
    console.print("[bold]1[/] A control plane with two H100 and two B200 nodes of 8 devices each.")
    cluster = start(fleet.NAME, standing=fleet.folder(), console=console)
    processes = Processes(cluster.workdir)
    crds.install(cluster)
    cluster.add_nodes(FLEET)

    console.print("[bold]2[/] The operator, then [bold]kubectl apply -f examples/[/].")
    processes.start(
        "operator", tierfleet(), "operator", "--kubeconfig", cluster.kubeconfig, "--all-namespaces"
    )
    cluster.apply(fleet.EXAMPLES)
    fleet.settle(cluster, processes.check)
    fleet.show(cluster, console)

    console.print(
        f"[bold]3[/] Fake nodes run no containers, so the two replicas of {fleet.POOL} run "
        "here: a sidecar and a simulated engine each, fed from that pool's plan Secrets."
    )
    local = replicas.start(
        cluster, processes, namespace=fleet.NAMESPACE, pool=fleet.POOL, count=fleet.REPLICAS
    )
    return Stage(
        cluster,
        straight=[replica.engine for replica in local],
        sidecars=[replica.sidecar for replica in local],
        admin=local[0].admin,
        check=processes.check,
    )
