"""Remembers what the load of each pool asked for, and says how many replicas to want now.

Of pools with scaling mode Automatic only. The replicas that Deployments ask for are the state; what
is kept here beside them are the recommendations of the last minutes, so that a pool shrinks slowly.
After a restart nothing shrinks before those minutes have passed again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from tierfleet import plan
from tierfleet.api import InferencePool, Key
from tierfleet.api.inferencepool import ScalingMode
from tierfleet.controllers.store import Store
from tierfleet.planning import capacity
from tierfleet.planning.measured import Sample
from tierfleet.planning.scaling import STABLE, load, recommend, stabilised

_Recommendations = list[tuple[datetime, int]]


class Scaling:
    """The numbers that are recommended now."""

    def __init__(self, store: Store) -> None:
        """Nothing is recommended yet."""
        self._store = store
        self._history: dict[Key, _Recommendations] = defaultdict(list)
        self._now: dict[Key, int] = {}

    def of(self, pool: Key) -> int | None:
        """How many replicas the load of the pool asks for; None while that is not known."""
        return self._now.get(pool)

    def take(
        self,
        pool: InferencePool,
        tiers: Collection[plan.Tier],
        samples: Iterable[tuple[str, Sample]],
        now: datetime,
    ) -> None:
        """Take in what the pool did in the last sub-window, by accelerator."""
        key = pool.key
        if pool.spec.scaling.mode is not ScalingMode.AUTOMATIC:
            return
        replicas = self._store.replicas_of(pool)
        rates = capacity.rates(self._store.of_pool(pool), pool)
        found = recommend(pool, replicas, rates, tiers, load(samples))
        if found is None:
            return
        current = sum(replicas.values())
        history = self._history[key]
        if not history:
            history.append((now, current))
        history.append((now, found))
        history[:] = [one for one in history if now - one[0] <= STABLE]
        self._now[key] = stabilised(current, history, now)

    def forget(self, pool: Key) -> None:
        """The pool is gone, or scaled by somebody else."""
        self._history.pop(pool, None)
        self._now.pop(pool, None)
