"""Measures what replicas can do: polls Prometheus, remembers samples, tells pools what is new.

A poll sends no request to the API server, and a pool is woken only when what it would be told has
changed. What was measured is recorded in the plan; the samples are lost with the process, and the
rate stays until there are enough of them again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from tierfleet import plan
from tierfleet.api import InferencePool, Key
from tierfleet.api.inferencepool import ScalingMode
from tierfleet.api.tierpolicy import TierPolicySpec
from tierfleet.controllers import metrics
from tierfleet.controllers.costs import Costs
from tierfleet.controllers.prometheus import PrometheusError
from tierfleet.controllers.scaling import Scaling
from tierfleet.controllers.store import Store
from tierfleet.planning import traffic
from tierfleet.planning.measured import (
    MeanCost,
    Measurement,
    Rate,
    Sample,
    Sight,
    counts,
    estimate,
    settled,
)
from tierfleet.planning.translate import to_plan

WINDOW: Final = 60
"""Sub-windows that a rate is taken from."""
CATCH_UP: Final = 15
"""Sub-windows that are asked for at most at once, at the start and after an outage."""
PATIENCE: Final = 3
"""Polls in a row that show a fault before it is told."""

_CLEAR: Final = Measurement(Sight.CLEAR)

logger = logging.getLogger(__name__)


class Source(Protocol):
    """Where samples come from."""

    async def read(self, start: int, end: int) -> Mapping[Key, list[Sample]]:
        """Samples by pod of the sub-windows that end from `start` to `end`.

        Raises:
            PrometheusError: there is no usable answer.
        """


class Measuring:
    """What was measured of each pool."""

    def __init__(
        self, store: Store, source: Source, interval: int, wake: Callable[[Key], None]
    ) -> None:
        """`interval` is in seconds; `wake` is called with each pool of which something is new."""
        self._store = store
        self._source = source
        self._interval = interval
        self._wake = wake
        self._told: dict[Key, Measurement] = {}
        self._uids: dict[Key, str] = {}
        self._samples: dict[tuple[Key, str], dict[tuple[str, datetime], float]] = {}
        self._costs = Costs(interval)
        self._last = 0
        self._failures = 0
        self._fault: Sight | None = None
        self._unseen = Counter[Key]()
        self._scaling = Scaling(store)

    def of(self, pool: Key) -> Measurement:
        """What is known of the pool; nothing of one that had the name before."""
        own = self._store.pools.get(pool)
        same = own is not None and own.object.metadata.uid == self._uids.get(pool)
        return self._told.get(pool, _CLEAR) if same else _CLEAR

    async def run(self) -> None:
        """Poll for ever, as each sub-window ends."""
        while True:
            await self.poll()
            now = self._store.clock().timestamp()
            await asyncio.sleep(self._interval - now % self._interval)

    async def poll(self) -> None:
        """Ask for what has ended since the last answer."""
        now = int(self._store.clock().timestamp())
        end = now - now % self._interval
        if self._last > end:
            self._last = 0  # the clock was wrong, and has been set back
        start = max(self._last + self._interval, end - (CATCH_UP - 1) * self._interval)
        if start > end:
            return
        try:
            found = await self._source.read(start, end)
        except PrometheusError as error:
            self._failed(error)
        else:
            if self._failures >= PATIENCE:
                logger.info("Prometheus answers again.")
            self._failures, self._fault, self._last = 0, None, end
            metrics.polled("success")
            self._take(found, datetime.fromtimestamp(end, UTC))
        self._tell()

    def _failed(self, error: PrometheusError) -> None:
        self._failures += 1
        metrics.polled("error")
        if self._failures == PATIENCE:
            logger.warning("Nothing can be measured, what was measured stays: %s", error)
        if self._failures >= PATIENCE:
            self._fault = error.sight

    def _take(self, found: Mapping[Key, list[Sample]], end: datetime) -> None:
        """Keep the samples that count, of replicas that there are; what they did last is load."""
        loads: dict[Key, list[tuple[str, Sample]]] = {}
        served: dict[Key, tuple[InferencePool, list[Sample]]] = {}
        rules = _Policies(self._store)
        for key, samples in found.items():
            pod = self._store.pods.get(key)
            own = self._store.pools.get(pod.pool) if pod and pod.pool else None
            if pod is None or own is None or pod.accelerator is None:
                continue
            pool = own.object
            last = loads.setdefault(pool.key, [])
            served.setdefault(pool.key, (pool, []))[1].extend(samples)
            kept = self._samples.setdefault((pool.key, pod.accelerator), {})
            for sample in samples:
                if sample.end == end:
                    last.append((pod.accelerator, sample))
                if counts(sample, rules.of(pool).tiers) and not pod.terminating:
                    kept[sample.replica, sample.end] = sample.served
        oldest = end - WINDOW * timedelta(seconds=self._interval)
        for pool, of_pool in served.values():
            self._costs.take(pool.key, rules.of(pool).burndown, of_pool)
        self._costs.keep(oldest, end)
        self._forget(oldest, end)
        for key, own in self._store.pools.items():
            ready = any(pod.ready for pod in self._store.pods.where(("pool", key)))
            self._unseen[key] = self._unseen[key] + 1 if ready and key not in loads else 0
            self._scaling.take(own.object, rules.of(own.object).tiers, loads.get(key, ()), end)

    def _forget(self, oldest: datetime, latest: datetime) -> None:
        """Samples that are too old, or of replicas that go: of another engine, it may be.

        Or of a time that has not come: the clock was wrong then.
        """
        for (pool, accelerator), kept in list(self._samples.items()):
            pods = self._store.pods.where(("pool", pool))
            names = {
                pod.name for pod in pods if pod.accelerator == accelerator and not pod.terminating
            }
            left = {
                one: rate
                for one, rate in kept.items()
                if one[0] in names and oldest < one[1] <= latest
            }
            if left:
                self._samples[pool, accelerator] = left
            else:
                del self._samples[pool, accelerator]

    def _tell(self) -> None:
        pools = {key: own.object for key, own in self._store.pools.items()}
        uids = {key: pool.metadata.uid for key, pool in pools.items()}
        for gone in [key for key, uid in self._uids.items() if uids.get(key) != uid]:
            # Also one that was made anew under the name: nothing was measured of that.
            for about in [about for about in self._samples if about[0] == gone]:
                del self._samples[about]
            self._costs.forget(gone)
            self._told.pop(gone, None)
            self._unseen.pop(gone, None)
            self._scaling.forget(gone)
        self._uids = uids
        for key, pool in pools.items():
            if pool.spec.scaling.mode is not ScalingMode.AUTOMATIC:
                self._scaling.forget(key)
            found = Measurement(
                self._sight(key), self._rates(pool), self._scaling.of(key), self._mean_cost(key)
            )
            if found != self.of(key):
                self._told[key] = found
                self._wake(key)

    def _sight(self, pool: Key) -> Sight:
        if self._fault is not None:
            return self._fault
        return Sight.UNSCRAPED if self._unseen[pool] >= PATIENCE else Sight.CLEAR

    def _rates(self, pool: InferencePool) -> Mapping[str, Rate]:
        recorded, told = self._store.recorded_of(pool.key).rates, self.of(pool.key).rates
        rates = {}
        for accelerator in pool.spec.accelerators:
            name = accelerator.name
            samples = self._samples.get((pool.key, name), {})
            found = estimate([(end, served) for (_, end), served in samples.items()])
            rate = settled(told.get(name) or recorded.get(name), found)
            if rate is not None:
                rates[name] = rate
        return rates

    def _mean_cost(self, pool: Key) -> MeanCost | None:
        before = self.of(pool).mean_cost or self._store.recorded_of(pool).mean_cost
        return traffic.settled(before, self._costs.of(pool))


class _Rules(NamedTuple):
    """What measuring goes by: the policy's tiers, and the version of its rates."""

    tiers: tuple[plan.Tier, ...] = ()
    burndown: str = ""


class _Policies:
    """The rules of pools, translated once for each policy."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: dict[Key, _Rules] = {}

    def of(self, pool: InferencePool) -> _Rules:
        key = (pool.key[0], pool.spec.policy_ref.name)
        if key not in self._found:
            own = self._store.policies.get(key)
            self._found[key] = _translated(own.object.spec) if own else _Rules()
        return self._found[key]


def _translated(spec: TierPolicySpec) -> _Rules:
    return _Rules(tuple(to_plan(tier, plan.Tier) for tier in spec.tiers), spec.burndown.version)
