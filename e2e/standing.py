"""A cluster that stays: `make cluster` and `make cluster-down`.

`python -m e2e.standing up-fake` starts one whose nodes run nothing, `up-real` one whose node runs
containers; either says so if one runs already. `down` removes all of it. It must not know what
people do with it.
"""

import fcntl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from e2e import crds, nodes
from e2e.cluster import Cluster, attach, start
from e2e.commands import run
from e2e.guard import tear_down
from e2e.health import PartDownError
from e2e.paths import state_folder
from e2e.processes import running
from e2e.realcluster import start_real

NAME = "tierfleet"
FLEET = (
    nodes.h100("h100-0", zone="zone-a"),
    nodes.h100("h100-1", zone="zone-b"),
    nodes.b200("b200-0", zone="zone-a"),
    nodes.b200("b200-1", zone="zone-b"),
)

LOOK_AROUND = """\
kubeconfig: {kubeconfig}

The kinds of tierfleet.dev are installed. The operator is yours to start.

Look around:
  export KUBECONFIG={kubeconfig}
  export PATH={path}:$PATH
  kubectl get nodes -L nvidia.com/gpu.product,nvidia.com/gpu.count
"""
RUN_A_FLEET = """\
Run a fleet:
  kubectl apply -f examples/
  tierfleet operator --namespace inference       # in a second terminal with the same exports;
                                                 # Ctrl-C ends it
  kubectl get tpool,tpol,capres --namespace inference
"""
RUN_A_REAL_FLEET = """\
Run a fleet, the operator and a simulated engine in its pods:
  kubectl create namespace inference
  helm install tierfleet charts/tierfleet --namespace inference \\
    --set crds.install=false --set image.repository=tierfleet/operator \\
    --set image.tag={version} --wait
  kubectl apply -f examples/10-policy.yaml -f examples/20-tenants.yaml \\
    -f examples/simulated/
  kubectl get tpool,pods --namespace inference   # until the pool is ready
  curl http://$(kubectl get service simulated --namespace inference \\
    --output=jsonpath={{.spec.clusterIP}}):8080/v1/chat/completions \\
    --header "Authorization: Bearer demo-acme" \\
    --data '{{"model":"llama-3.1-8b","messages":[{{"role":"user","content":"hello"}}]}}'
"""


def up_fake(console: Console) -> None:
    """Start the standing cluster with fake nodes, or keep the one that runs; say how to use it.

    Raises:
        PartDownError, KubectlError, BuildError, GoMissingError: it cannot be started. Nothing of
            it is left then.
    """

    def begin() -> Cluster:
        cluster = start(NAME, standing=_folder(), console=console)
        try:
            crds.install(cluster)
            cluster.add_nodes(FLEET)
        except BaseException:
            cluster.stop()
            raise
        return cluster

    _up(console, begin, real=False)


def up_real(console: Console) -> None:
    """Start the standing cluster with a real node, or keep the one that runs; say how to use it.

    Raises:
        UnableError: this machine cannot run a real node; the message says why.
        PartDownError, KubectlError, BuildError, GoMissingError, RuntimeError: it cannot be
            started. Nothing of it is left then.
    """
    _up(
        console,
        lambda: start_real(NAME, standing=_folder(), console=console).cluster,
        real=True,
    )


def _up(console: Console, begin: Callable[[], Cluster], *, real: bool) -> None:
    with _alone():
        cluster = _sound(console)
        if cluster is None:
            console.print("Starting the cluster.")
            cluster = begin()
        else:
            crds.install(cluster)
            kept = "" if _is_real(cluster) == real else ", with the other kind of node"
            console.print(
                f"A cluster runs already{kept}; `make cluster-down` makes room for another."
            )
    programs = {tool.parent for tool in cluster.tools.programs.values()}
    path = ":".join(map(str, (*sorted(programs), Path(sys.executable).parent)))
    fleet = RUN_A_REAL_FLEET if _is_real(cluster) else RUN_A_FLEET
    text = "\n".join((LOOK_AROUND, fleet, "Remove it: make cluster-down"))
    console.print(
        text.format(kubeconfig=cluster.kubeconfig, path=path, version=version("tierfleet")),
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def down(console: Console) -> None:
    """Remove the standing cluster and everything of it."""
    with _alone():
        existed = _folder().exists()
        tear_down(_folder())
    console.print("The cluster is removed." if existed else "There is no cluster to remove.")


def _sound(console: Console) -> Cluster | None:
    cluster = attach(_folder())
    if cluster is None:
        return None
    try:
        _check(cluster)
    except PartDownError as error:
        # After a restart of the machine, for example.
        console.print(f"The cluster is broken and is made anew. {error}", markup=False)
        cluster.stop()
        return None
    return cluster


def _check(cluster: Cluster) -> None:
    cluster.check()
    if _is_real(cluster) and "kubelet" not in running(cluster.workdir).values():
        raise PartDownError("Its node has no kubelet.")


def _is_real(cluster: Cluster) -> bool:
    return cluster.control_plane.reach is not None


def _folder() -> Path:
    return state_folder() / "cluster"


@contextmanager
def _alone() -> Iterator[None]:
    state_folder().mkdir(parents=True, exist_ok=True)
    with (state_folder() / "cluster.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(
        run("e2e.standing", {"up-fake": up_fake, "up-real": up_real, "down": down}, sys.argv[1:])
    )
