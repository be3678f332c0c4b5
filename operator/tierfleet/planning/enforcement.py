"""Whether a pool's replicas run the plan that they were given, from what they reported.

Facts in, facts out: the sentences are made in `status/enforced.py`. It must not know how replicas
are asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tierfleet.planning.published import (
    NOTHING_RECORDED,
    PATIENCE,
    Published,
    Recorded,
    Report,
    ran,
    runs_latest,
)
from tierfleet.planning.snapshot import Pod, PoolKey, Snapshot


class Laggard(NamedTuple):
    """A ready replica that does not run the plan in force.

    Attributes:
        pod: its name.
        version: of the plan that it runs; empty if that is not known.
        problem: why, in its own words; or why it was not to be asked.
    """

    pod: str
    version: str
    problem: str


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What the ready replicas of a pool run.

    Attributes:
        plan: in force.
        ready: how many replicas are ready.
        current: how many of those report the plan in force.
        heard: whether one of them has reported anything.
        unasked: there are some, and none of them was asked yet, as after a restart of the operator.
        refusing: those that refuse the plan in force, by name.
        late: those that have had longer than `PATIENCE` for it, by name; those that were never
            heard of too.
        waited: those that have not, by name.
        contracts: uids of those that stand, as they are now, in every plan that is reported.
        known: uids of those that stand there in whatever form.
        next_change: when a replica that is waited for is late.
    """

    plan: Recorded
    ready: int = 0
    current: int = 0
    heard: bool = False
    unasked: bool = False
    refusing: tuple[Laggard, ...] = ()
    late: tuple[Laggard, ...] = ()
    waited: tuple[Laggard, ...] = ()
    contracts: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    next_change: datetime | None = None


def of(snapshot: Snapshot, key: PoolKey) -> Enforcement:
    """What the pool's ready replicas run, by what they said."""
    published = snapshot.published.get(key, ())
    ready = sorted(
        (pod for pod in snapshot.pods_of(key) if asked(pod) and pod.ready),
        key=lambda pod: pod.name,
    )
    if not published:
        return Enforcement(snapshot.recorded_of(key), ready=len(ready))
    reports = {pod.uid: _of_this_process(snapshot, pod) for pod in ready}
    behind = [pod for pod in ready if not runs_latest(reports[pod.uid], pod.starts, published)]
    refusing, late, waited = [], [], []
    edges = []
    for pod in behind:
        report = reports[pod.uid]
        found = Laggard(pod.name, *_said(report))
        due = _due(report, published)
        if report is not None and report.refusal and not report.silence:
            refusing.append(found)
        elif due is not None and due <= snapshot.now:
            late.append(found)
        else:
            waited.append(found)
            edges += [due] if due else []
    running = _running(list(reports.values()), published)
    return Enforcement(
        plan=published[-1].plan,
        ready=len(ready),
        current=len(ready) - len(behind),
        heard=any(report is not None and report.version for report in reports.values()),
        unasked=bool(ready) and all(report is None for report in reports.values()),
        refusing=tuple(refusing),
        late=tuple(late),
        waited=tuple(waited),
        contracts=frozenset(
            one.uid
            for one in published[-1].plan.reservations
            if running and all(one in other.reservations for other in running)
        ),
        known=frozenset(
            one.uid
            for one in published[-1].plan.reservations
            if running and all(one.uid in _uids(other) for other in running)
        ),
        next_change=min(edges, default=None),
    )


def asked(pod: Pod) -> bool:
    """True for a replica whose word counts: it serves, and goes on serving."""
    return not pod.terminating and not pod.finished


def _of_this_process(snapshot: Snapshot, pod: Pod) -> Report | None:
    """What it said; None if that was before its sidecar was started again."""
    report = snapshot.reports.get(pod.uid)
    return report if report is not None and report.starts == pod.starts else None


def _said(report: Report | None) -> tuple[str, str]:
    return ("", "") if report is None else (report.version, report.silence or report.refusal)


def _due(report: Report | None, published: Sequence[Published]) -> datetime | None:
    """From when on it is late; None while it has not been asked."""
    if report is None:
        return None
    if not report.version:
        return report.since + PATIENCE
    index = ran(report, published)
    if index is None:
        return published[0].since + PATIENCE
    return published[min(index + 1, len(published) - 1)].since + PATIENCE


def _running(
    reports: Sequence[Report | None], published: Sequence[Published]
) -> Sequence[Recorded]:
    """The plans that replicas report; one that is not known any more promises nothing."""
    found = {ran(report, published) for report in reports if report and report.version}
    return [NOTHING_RECORDED if one is None else published[one].plan for one in found]


def _uids(plan: Recorded) -> set[str]:
    return {one.uid for one in plan.reservations}
