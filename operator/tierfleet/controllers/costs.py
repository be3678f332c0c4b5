"""Remembers what the replicas of each pool served, and of how many requests, by sub-window.

Summed over replicas, and kept when one of them is gone: it is about callers. It is lost with the
process; the mean cost stays in the plan until there is another one.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tierfleet.api import Key
from tierfleet.planning import traffic
from tierfleet.planning.measured import MeanCost, Sample
from tierfleet.planning.published import PATIENCE
from tierfleet.planning.traffic import Served


@dataclass(slots=True)
class _Known:
    """What is known of a pool: what was counted at the rates of that version, from then on."""

    burndown: str
    begin: datetime | None = None
    served: dict[datetime, Served] = field(default_factory=dict)


class Costs:
    """The traffic of the last sub-windows."""

    def __init__(self, interval: int) -> None:
        """`interval` is that of a sub-window, in seconds."""
        self._interval = interval
        self._known: dict[Key, _Known] = {}

    def take(self, pool: Key, burndown: str, samples: Iterable[Sample]) -> None:
        """Take in what the pool's replicas did, all of them in each of these sub-windows.

        `burndown` is the version of the rates in force now. Replicas may go by the ones before
        until `PATIENCE` after they have changed.
        """
        at: dict[datetime, list[Sample]] = defaultdict(list)
        for sample in samples:
            at[sample.end].append(sample)
        if not at:
            return
        known = self._known.setdefault(pool, _Known(burndown))
        if known.burndown != burndown:
            known = self._known[pool] = _Known(burndown, max(at) + PATIENCE)
        for end, own in at.items():
            # One that does not count requests would not understand a plan that tells their cost.
            if any(sample.requests is None for sample in own):
                known.served.pop(end, None)
                continue
            found = [served for one in own if (served := traffic.of(one, self._interval))]
            if found and (known.begin is None or end > known.begin):
                # In place of what was known: after the clock was set back some are read again.
                known.served[end] = traffic.total(found)

    def of(self, pool: Key) -> MeanCost | None:
        """What a request costs at the mean; None while there were too few."""
        known = self._known.get(pool)
        return None if known is None else traffic.estimate(known.served, known.burndown)

    def keep(self, oldest: datetime, latest: datetime) -> None:
        """Forget what was until `oldest`, or after `latest`: the clock was wrong then."""
        for known in self._known.values():
            for end in [end for end in known.served if not oldest < end <= latest]:
                del known.served[end]

    def forget(self, pool: Key) -> None:
        """The pool is gone."""
        self._known.pop(pool, None)
