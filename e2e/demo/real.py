"""The demo on a real node: the operator, and the pods of one pool, in containers."""

from typing import Any

import yaml
from rich.console import Console

from e2e.bare import engines
from e2e.demo import fleet
from e2e.demo.stage import Stage
from e2e.images.build import tag
from e2e.installed import install
from e2e.node.node import NAME as NODE
from e2e.realcluster import start_real
from e2e.standing import FLEET
from e2e.wait import wait_until
from e2e.world import World

SMALL = {"requests": {"cpu": "20m", "memory": "64Mi"}}
DEVICES = 2
"""Of the real node: enough for the replicas that run, too few for those of the large pool."""


def set_up(console: Console) -> Stage:
    """Starts cluster, operator and replicas; what it started stays if it fails.

    Raises:
        UnableError: no real node can run here. Nothing was started.
    """
    real = start_real(fleet.NAME, standing=fleet.folder(), console=console, devices=DEVICES)
    cluster = real.cluster
    console.print(
        "[bold]1[/] A control plane, a node that runs containers, and two H100 and two B200 nodes "
        "of 8 devices each that do not."
    )
    cluster.add_nodes(FLEET)

    console.print(
        "[bold]2[/] The operator from its chart, then [bold]kubectl apply -f examples/[/] with "
        f"{fleet.POOL} on the real node."
    )
    world = World(cluster, fleet.NAMESPACE)
    cluster.kubectl("create", "namespace", fleet.NAMESPACE)
    install(cluster, [fleet.NAMESPACE])
    for file in sorted(fleet.EXAMPLES.glob("*.yaml")):
        cluster.apply(*(_on_real_node(d) for d in yaml.safe_load_all(file.read_text()) if d))
    fleet.settle(cluster, cluster.check)
    fleet.show(cluster, console)

    console.print(
        f"[bold]3[/] The two replicas of {fleet.POOL} are pods: a sidecar and a simulated engine "
        "each. Beside them two such engines without a sidecar, to compare with."
    )
    pool = cluster.get("tpool", fleet.POOL, "--namespace", fleet.NAMESPACE)["spec"]
    seats, model = pool["engine"]["maxSequences"], pool["model"]["name"]
    world.apply(*engines("straight", fleet.REPLICAS, model, seats, "--speed", fleet.SPEED))
    wait_until(
        lambda: all(world.endpoints(name) == fleet.REPLICAS for name in (fleet.POOL, "straight")),
        timeout=fleet.SETTLE_SECONDS,
        why="two replicas with and two without a sidecar",
    )
    pod = world.pods(fleet.POOL)[0]["status"]["podIP"]
    return Stage(
        cluster,
        straight=[real.url(fleet.NAMESPACE, "straight")],
        sidecars=[real.url(fleet.NAMESPACE, fleet.POOL)],
        admin=f"http://{pod}:9090",
        check=cluster.check,
    )


def _on_real_node(document: dict[str, Any]) -> dict[str, Any]:
    """An example as it is, but for the one pool that really runs: our images, on that node."""
    if document["kind"] != "InferencePool" or document["metadata"]["name"] != fleet.POOL:
        return document
    spec = document["spec"]
    engine = spec["engine"] | {"image": tag("engine"), "args": ["--speed", fleet.SPEED]}
    engine |= {"resources": SMALL, "sharedMemory": "16Mi"}
    sidecar = spec["sidecar"] | {"image": tag("sidecar"), "resources": SMALL}
    here = {"nodeSelector": {"kubernetes.io/hostname": NODE}}
    accelerators = [accelerator | here for accelerator in spec["accelerators"]]
    own = {"engine": engine, "sidecar": sidecar, "accelerators": accelerators}
    return document | {"spec": spec | own}
