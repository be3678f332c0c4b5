"""Finds out which plan each ready replica runs: asks those that do not report the one in force.

Once all of them do, nobody is asked until there is another plan or another replica. It runs beside
the pools' reconciles, so that a replica that is slow or dead holds none of them up. It must not
know what is concluded from a report.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from tierfleet.api import Key
from tierfleet.controllers.replicas import Asks, SilentError
from tierfleet.controllers.store import Store
from tierfleet.controllers.tokens import TokenKeeper
from tierfleet.controllers.worker import DONE, RequeueAfter, Result
from tierfleet.planning import enforcement
from tierfleet.planning.published import Published, Report, runs_latest
from tierfleet.planning.snapshot import Pod

_EAGER = 12
_EAGER_SECONDS = 15.0
_LONGEST_SECONDS = 300.0


def pause(times: int) -> float:
    """Seconds until a replica is asked again that has been asked so often about one plan.

    Soon at first, then every 15 s while a kubelet may still bring the plan, then ever less often.
    """
    if times <= _EAGER:
        return min(2.0 ** (times - 1), _EAGER_SECONDS)
    return min(_EAGER_SECONDS * 2.0 ** min(times - _EAGER, 16), _LONGEST_SECONDS)


@dataclass(frozen=True, slots=True)
class _Asked:
    """How often a replica was asked about a plan, and when it may be again (monotonic seconds)."""

    number: int
    starts: int
    times: int = 0
    again: float = 0.0


class Reports:
    """Reconciles what is known of a pool's replicas, into `Store.reports`."""

    def __init__(
        self,
        store: Store,
        tokens: TokenKeeper,
        asks: Asks,
        *,
        wake: Callable[[Key], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wake` is called with each pool of which something else is known now."""
        self._store = store
        self._tokens = tokens
        self._asks = asks
        self._wake = wake
        self._clock = clock
        self._asked: dict[Key, dict[str, _Asked]] = {}

    async def reconcile(self, pool: Key) -> Result:
        """Ask the replicas of the pool that are to be asked now."""
        own = self._store.pools.get(pool)
        published = self._store.published_of(pool)
        token = self._tokens.admin(own.object) if own is not None else None
        if not published or token is None:
            self._store.reports.pop(pool, None)
            self._asked.pop(pool, None)
            return DONE
        known = self._store.reports.get(pool, {})
        pods = {pod.uid: pod for pod in self._store.pods.where(("pool", pool))}
        behind = [
            pod
            for pod in pods.values()
            if enforcement.asked(pod)
            and pod.ready
            and pod.address
            and not runs_latest(known.get(pod.uid), pod.starts, published)
        ]
        asked = {pod.uid: self._asked_before(pool, pod, published[-1]) for pod in behind}
        now = self._clock()
        due = [pod for pod in behind if asked[pod.uid].again <= now]
        found = await asyncio.gather(
            *(self._ask(pod, token, known.get(pod.uid), published[-1]) for pod in due)
        )
        now = self._clock()
        for pod in due:
            times = asked[pod.uid].times + 1
            asked[pod.uid] = replace(asked[pod.uid], times=times, again=now + pause(times))
        news = dict(zip((pod.uid for pod in due), found, strict=True))
        # Of a pod that is going away it counts what it said last.
        reports = {uid: news.get(uid) or known[uid] for uid in pods if uid in news or uid in known}
        self._asked[pool] = asked
        if reports != known:
            self._store.reports[pool] = reports
            self._wake(pool)
        waiting = [
            asked[pod.uid].again
            for pod in behind
            if not runs_latest(reports.get(pod.uid), pod.starts, published)
        ]
        return RequeueAfter(max(0.0, min(waiting) - now)) if waiting else DONE

    def _asked_before(self, pool: Key, pod: Pod, latest: Published) -> _Asked:
        before = self._asked.get(pool, {}).get(pod.uid)
        same = before is not None and (before.number, before.starts) == (latest.number, pod.starts)
        return before if before is not None and same else _Asked(latest.number, pod.starts)

    async def _ask(self, pod: Pod, token: str, known: Report | None, latest: Published) -> Report:
        before = known if known is not None and known.starts == pod.starts else None
        report = before or Report(latest.number, pod.starts, self._store.clock())
        try:
            answer = await self._asks.ask(pod, token)
        except SilentError as error:
            # What it said before is kept, with the plan that was in force then.
            return replace(report, silence=str(error))
        refusal = answer.last_error if answer.version != latest.plan.version else ""
        return replace(
            report, number=latest.number, version=answer.version, refusal=refusal, silence=""
        )
