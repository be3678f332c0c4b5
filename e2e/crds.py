"""Install the CRDs of this repository into a test cluster. It must not know what they say."""

from e2e.cluster import Cluster
from e2e.paths import REPOSITORY

CRDS = REPOSITORY / "crds"


def install(cluster: Cluster) -> None:
    """Apply our CRDs, also over older ones, and return once the API server serves them.

    Raises:
        KubectlError: the API server refuses one; the message has its reason.
    """
    cluster.apply(CRDS)
    cluster.kubectl("wait", f"--filename={CRDS}", "--for=condition=Established", "--timeout=60s")
