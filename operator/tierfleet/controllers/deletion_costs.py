"""Tells Kubernetes, before a Deployment shrinks, how much work each of its replicas has in hand.

Best effort and bounded in time: a shrink gives up devices that others may wait for, and keeps one
of few workers meanwhile. Who does not answer keeps the cost that it has, and who did not the last
time it was asked anything is not asked. It must not know why a Deployment shrinks.
"""

import asyncio
import logging

from tierfleet.api import InferencePool
from tierfleet.controllers import metrics
from tierfleet.controllers.replicas import Asks, SilentError
from tierfleet.controllers.store import Store
from tierfleet.controllers.tokens import TokenKeeper
from tierfleet.kube.cluster import Cluster, ClusterError, ConflictError, NotFoundError
from tierfleet.kube.resources import PODS, Raw
from tierfleet.manifests import deletion, labels
from tierfleet.planning import shrinking
from tierfleet.planning.snapshot import Pod

MANAGER = "tierfleet-deletion-cost"
"""Field manager of the annotation."""

BOUND_SECONDS = 2.0
"""For all that is asked and written before one Deployment shrinks."""

logger = logging.getLogger(__name__)


class DeletionCosts:
    """Writes deletion costs."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        tokens: TokenKeeper,
        asks: Asks,
        *,
        bound: float = BOUND_SECONDS,
    ) -> None:
        """`bound` in seconds."""
        self._cluster = cluster
        self._store = store
        self._tokens = tokens
        self._asks = asks
        self._bound = bound

    async def before(self, pool: InferencePool, deployment: Raw) -> None:
        """To be called before the Deployment is applied; asks nobody unless it is to shrink."""
        accelerator = deployment["metadata"]["labels"][labels.ACCELERATOR]
        rivals = shrinking.rivals(
            self._store.pods.where(("pool", pool.key)),
            accelerator,
            self._store.replicas_of(pool).get(accelerator, 0),
            deployment["spec"]["replicas"],
        )
        token = self._tokens.admin(pool)
        if not rivals or token is None:
            return
        silences = {pod.uid: self._silence(pool, pod) for pod in rivals}
        problems = [silence for silence in silences.values() if silence]
        asked = [pod for pod in rivals if not silences[pod.uid]]
        try:
            async with asyncio.timeout(self._bound):
                await asyncio.gather(*(self._tell(pod, token, problems) for pod in asked))
        except TimeoutError:
            problems.append(f"it took longer than {self._bound:g} s.")
        if problems:
            logger.warning(
                "%s shrinks, and Kubernetes was not told how busy all of its replicas are: %s%s",
                "/".join((pool.key[0], deployment["metadata"]["name"])),
                problems[0],
                f" (and {len(problems) - 1} more)" if len(problems) > 1 else "",
            )

    def _silence(self, pool: InferencePool, pod: Pod) -> str:
        """Why it did not say which plan it runs, the last time; empty if it did or was not asked.

        That was asked without a pool that waits for it (`reports`), and will be again.
        """
        report = self._store.reports.get(pool.key, {}).get(pod.uid)
        return report.silence if report is not None and report.starts == pod.starts else ""

    async def _tell(self, pod: Pod, token: str, problems: list[str]) -> None:
        try:
            cost = shrinking.cost(await self._asks.in_flight(pod, token))
            if cost == pod.deletion_cost:
                return
            body = deletion.cost(pod.namespace, pod.name, pod.uid, cost)
            await self._cluster.apply(PODS, body, manager=MANAGER, status=False)
        except (NotFoundError, ConflictError):
            return  # it has gone by itself
        except (SilentError, ClusterError) as error:
            problems.append(str(error))
        else:
            metrics.wrote("apply", PODS.kind)
