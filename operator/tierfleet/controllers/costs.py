"""Remembers what the replicas of each pool served, and of how many requests, by sub-window.

Summed over replicas, and kept when one of them is gone: it is about callers. It is lost with the
process; the mean cost stays in the plan until there is another one.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from tierfleet.api import Key
from tierfleet.planning import traffic
from tierfleet.planning.measured import MeanCost, Sample
from tierfleet.planning.traffic import Served


class Costs:
    """The traffic of the last sub-windows."""

    def __init__(self, interval: int) -> None:
        """`interval` is that of a sub-window, in seconds."""
        self._interval = interval
        self._kept: dict[Key, dict[datetime, Served]] = {}

    def take(self, pool: Key, samples: Iterable[Sample]) -> None:
        """Take in what the pool's replicas did, all of them in each of these sub-windows."""
        at: dict[datetime, list[Served]] = defaultdict(list)
        for sample in samples:
            if (served := traffic.of(sample, self._interval)) is not None:
                at[sample.end].append(served)
        # In place of what was known of them: after the clock was set back some are read again.
        self._kept.setdefault(pool, {}).update({end: traffic.total(own) for end, own in at.items()})

    def of(self, pool: Key) -> MeanCost | None:
        """What a request costs at the mean; None while there were too few."""
        return traffic.estimate(self._kept.get(pool, {}))

    def keep(self, oldest: datetime, latest: datetime) -> None:
        """Forget what was until `oldest`, or after `latest`: the clock was wrong then."""
        for pool, kept in list(self._kept.items()):
            within = {end: served for end, served in kept.items() if oldest < end <= latest}
            if within:
                self._kept[pool] = within
            else:
                del self._kept[pool]

    def forget(self, pool: Key) -> None:
        """The pool is gone."""
        self._kept.pop(pool, None)
