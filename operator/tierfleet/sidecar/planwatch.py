"""Follows the plan on disk: a good one is put in force, a bad one is refused and reported.

It knows nothing of what putting a plan in force means.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from tierfleet.plan import MixedPartsError, Plan, PlanError
from tierfleet.sidecar.metrics import Metrics
from tierfleet.sidecar.plansource import PlanSource, Signature

_PERIOD = 1.0
# The kubelet updates 17 Secrets one at a time; a set that stays mixed for longer is a fault.
_MIXED_FOR_TOO_LONG = 120.0

log = logging.getLogger(__name__)


class PlanWatch:
    """Looks at the plan every second.

    Attributes:
        last_error: why what is on disk is not in force; empty when it is.
        since: when the plan in force was taken, seconds since the epoch; 0 while there is none.
    """

    def __init__(self, source: PlanSource, adopt: Callable[[Plan], None], metrics: Metrics) -> None:
        self.last_error = ""
        self.since = 0.0
        self._source = source
        self._adopt = adopt
        self._metrics = metrics
        self._seen: Signature = ()
        self._mixed_since: float | None = None

    async def start(self) -> None:
        """Put in force what is there; a directory that is not filled yet is waited for by `run`.

        Raises:
            PlanError: it is not a plan, or not one for this replica.
        """
        try:
            await self._load()
        except MixedPartsError as error:
            self._wait((), str(error))

    async def run(self) -> None:
        """Look for changes until cancelled."""
        while True:
            await asyncio.sleep(_PERIOD)
            await self._look()

    async def _load(self) -> None:
        # In a thread: fifty thousand tenants take a second, and streams must not stand still.
        seen, plan = await asyncio.to_thread(
            lambda: (self._source.signature(), self._source.read())
        )
        self._adopt(plan)
        self.since = time.time()
        self.last_error = ""
        self._seen = seen
        self._mixed_since = None
        self._metrics.plan_loaded_at = self.since

    async def _look(self) -> None:
        signature = self._source.signature()
        if signature == self._seen:
            return
        try:
            await self._load()
        except MixedPartsError as error:
            self._wait(signature, str(error))
        except PlanError as error:
            self._refuse(signature, str(error))
        except Exception:
            # All sidecars read the same plan: what one of them cannot digest would end them all.
            log.exception("Reading the plan failed")
            self._refuse(signature, "Reading it failed in a way that is not foreseen; see the log.")
        else:
            self._metrics.reloaded(ok=True)

    def _wait(self, signature: Signature, reason: str) -> None:
        now = time.monotonic()
        if self._mixed_since is None:
            self._mixed_since = now
            log.info("The parts of the plan are not together yet, waiting. %s", reason)
        elif now - self._mixed_since > _MIXED_FOR_TOO_LONG:
            self._mixed_since = None
            self._refuse(signature, f"The parts of the plan do not fit together. {reason}")

    def _refuse(self, signature: Signature, reason: str) -> None:
        self._seen = signature
        self.last_error = reason
        self._metrics.reloaded(ok=False)
        log.error("What is on disk is refused, the plan in force stays. %s", reason)
