"""A cluster that stays: `make cluster` and `make cluster-down`.

`python -m e2e.standing up` starts it or says that it runs, `… down` removes all of it. It must not
know what people do with it.
"""

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from e2e import crds, nodes
from e2e.cluster import Cluster, attach, start
from e2e.commands import run
from e2e.guard import tear_down
from e2e.health import PartDownError
from e2e.paths import state_folder

NAME = "tierfleet"
FLEET = (
    nodes.h100("h100-0", zone="zone-a"),
    nodes.h100("h100-1", zone="zone-b"),
    nodes.b200("b200-0", zone="zone-a"),
    nodes.b200("b200-1", zone="zone-b"),
)

NEXT_STEPS = """\
kubeconfig: {kubeconfig}

The kinds of tierfleet.dev are installed. The operator is yours to start.

Look around:
  export KUBECONFIG={kubeconfig}
  export PATH={tools}:{scripts}:$PATH
  kubectl get nodes -L nvidia.com/gpu.product,nvidia.com/gpu.count

Run a fleet:
  kubectl apply -f examples/
  tierfleet operator --namespace inference       # in a second terminal; Ctrl-C ends it
  kubectl get tpool,tpol,capres --namespace inference

Remove it: make cluster-down"""


def up(console: Console) -> None:
    """Start the standing cluster, or keep the one that runs; print how to use it.

    Raises:
        PartDownError, KubectlError, BuildError, GoMissingError: it cannot be started. Nothing of
            it is left then.
    """
    with _alone():
        cluster = _sound(console)
        if cluster is None:
            console.print("Starting the cluster.")
            cluster = start(NAME, standing=_folder(), console=console)
            try:
                crds.install(cluster)
                cluster.add_nodes(FLEET)
            except BaseException:
                cluster.stop()
                raise
        else:
            crds.install(cluster)
            console.print("The cluster runs already.")
    tools = cluster.tools["kubectl"].parent
    text = NEXT_STEPS.format(
        kubeconfig=cluster.kubeconfig, tools=tools, scripts=Path(sys.executable).parent
    )
    console.print(text, highlight=False, soft_wrap=True)


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
        cluster.check()
    except PartDownError as error:
        # After a restart of the machine, for example.
        console.print(f"The cluster is broken and is made anew. {error}", markup=False)
        cluster.stop()
        return None
    return cluster


def _folder() -> Path:
    return state_folder() / "cluster"


@contextmanager
def _alone() -> Iterator[None]:
    state_folder().mkdir(parents=True, exist_ok=True)
    with (state_folder() / "cluster.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(run("e2e.standing", {"up": up, "down": down}, sys.argv[1:]))
