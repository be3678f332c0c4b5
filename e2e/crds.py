"""Install CRDs into a test cluster, by default ours. It must not know what they say."""

from itertools import count
from pathlib import Path

from e2e.cluster import Cluster
from e2e.paths import REPOSITORY
from e2e.wait import wait_until

CRDS = REPOSITORY / "crds"

_PATIENCE_SECONDS = 120


def install(cluster: Cluster, *files: Path) -> None:
    """Apply the CRDs, also over older ones, and return once the API server serves them.

    Raises:
        KubectlError: the API server refuses one; the message has its reason.
        AssertionError: it does not serve them.
    """
    cluster.apply(*(files or (CRDS,)))
    where = _named(files)
    cluster.kubectl("wait", *where, "--for=condition=Established", "--timeout=60s")
    # What is established is told to those who discover kinds a little later.
    definitions = cluster.kubectl("get", *where, "--output=name").stdout.split()
    kinds = ",".join(definition.partition("/")[2] for definition in definitions)
    wait_until(
        lambda: cluster.kubectl("get", kinds, "--all-namespaces", check=False).returncode == 0,
        timeout=_PATIENCE_SECONDS,
        why=f"{kinds} to be served",
    )


def uninstall(cluster: Cluster, *files: Path) -> None:
    """Delete the CRDs and what there is of them; return once they are gone.

    Raises:
        AssertionError: they do not go.
    """
    where = _named(files)
    cluster.kubectl("delete", *where, "--ignore-not-found", "--wait=false")
    turns = count()

    def gone() -> bool:
        if not cluster.kubectl("get", *where, "--ignore-not-found", "--output=name").stdout.strip():
            return True
        # An API server that met a conflict while it finalizes one counts on hearing of the change,
        # but does not look again at one that differs in its own condition only, until it resyncs.
        touch = ["annotate", *where, "--overwrite", f"e2e.tierfleet.dev/waited={next(turns)}"]
        cluster.kubectl(*touch, check=False)
        return False

    wait_until(gone, timeout=_PATIENCE_SECONDS, why="the kinds to go")


def _named(files: tuple[Path, ...]) -> list[str]:
    return [f"--filename={file}" for file in files or (CRDS,)]
