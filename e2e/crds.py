"""Install the CRDs of this repository into a test cluster. It must not know what they say."""

from itertools import count

from e2e.cluster import Cluster
from e2e.paths import REPOSITORY
from e2e.wait import wait_until

CRDS = REPOSITORY / "crds"

_PATIENCE_SECONDS = 120


def install(cluster: Cluster) -> None:
    """Apply our CRDs, also over older ones, and return once the API server serves them.

    Raises:
        KubectlError: the API server refuses one; the message has its reason.
    """
    cluster.apply(CRDS)
    cluster.kubectl("wait", f"--filename={CRDS}", "--for=condition=Established", "--timeout=60s")


def uninstall(cluster: Cluster) -> None:
    """Delete our CRDs and what there is of them; return once they are gone.

    Raises:
        AssertionError: they do not go.
    """
    where = f"--filename={CRDS}"
    cluster.kubectl("delete", where, "--ignore-not-found", "--wait=false")
    turns = count()

    def gone() -> bool:
        if not cluster.kubectl("get", where, "--ignore-not-found", "--output=name").stdout.strip():
            return True
        # An API server that met a conflict while it finalizes one counts on hearing of the change,
        # but does not look again at one that differs in its own condition only, until it resyncs.
        touch = ["annotate", where, "--overwrite", f"e2e.tierfleet.dev/waited={next(turns)}"]
        cluster.kubectl(*touch, check=False)
        return False

    wait_until(gone, timeout=_PATIENCE_SECONDS, why="the kinds to go")
