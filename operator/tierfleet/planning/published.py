"""The plans that a pool's replicas were given, what they said of them, and what they may run.

A kubelet brings a new plan to its pods within `PATIENCE`; until then each replica runs this one or
one of those before it. What it reports narrows that down. It must not know what a plan says.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from tierfleet import plan
from tierfleet.planning import measured
from tierfleet.planning.measured import MeanCost, Rate

PATIENCE = timedelta(seconds=120)
"""A kubelet looks at the volumes of a pod every 60 to 90 s."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a plan that is in force says (`record.read`): the memory of what was promised.

    Attributes:
        version: of that plan; empty if there is none.
        reservations: accepted ones, as they were declared and granted.
        groups: between which its rates are divided.
        shadow: it only watches.
        policy: whose rules it has.
        mean_cost: of a request, where it was measured.
    """

    version: str = ""
    reservations: tuple[plan.Reservation, ...] = ()
    groups: tuple[plan.Group, ...] = ()
    shadow: bool = False
    policy: str = ""
    mean_cost: MeanCost | None = None

    @property
    def rates(self) -> Mapping[str, Rate]:
        """Of one replica by accelerator, where it was measured."""
        return measured.recorded(self.groups)

    def share(self, group: str) -> Fraction | None:
        """See `plan.share`; None if the plan has no such group."""
        own = next((one for one in self.groups if one.name == group), None)
        return None if own is None else plan.share(self.groups, own)


NOTHING_RECORDED = Recorded()


@dataclass(frozen=True, slots=True)
class Published:
    """A plan that replicas were given.

    Attributes:
        number: tells it from others of the pool, also from an equal one before; grows.
        plan: what it says.
        since: when it was first seen. After a restart of the operator that is later than it was.
    """

    number: int
    plan: Recorded
    since: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """What a replica said when it was last asked.

    Attributes:
        number: of the plan (`Published`) that was in force when it was asked.
        starts: how often its sidecar had been started again by then.
        since: when it was first asked of those times.
        version: of the plan that it said it runs, then or before; empty if it never answered.
        refusal: why it does not run the one that it was given, in its own words.
        silence: why there was no answer, the last time; empty if there was one.
    """

    number: int
    starts: int
    since: datetime
    version: str = ""
    refusal: str = ""
    silence: str = ""


def taken_in(
    published: Sequence[Published], plan: Recorded, number: int, now: datetime
) -> tuple[Published, ...]:
    """The plans that replicas may run now that this one is in force; the one in force is last.

    What was superseded more than `PATIENCE` ago no kubelet has left in any pod.
    """
    if published and published[-1].plan.version == plan.version:
        return (*published[:-1], Published(published[-1].number, plan, published[-1].since))
    kept = published[_taken_by_all(published, now) or 0 :]
    return (*kept, Published(number, plan, now)) if plan.version else ()


def ran(report: Report | None, published: Sequence[Published]) -> int | None:
    """Which of the plans the replica said that it runs, as an index; None if none of these."""
    if report is None or not report.version:
        return None
    return next(
        (
            index
            for index in reversed(range(len(published)))
            if published[index].number <= report.number
            and published[index].plan.version == report.version
        ),
        None,
    )


def runs_latest(report: Report | None, starts: int, published: Sequence[Published]) -> bool:
    """True if the process that was started for the `starts`-th time runs the plan in force."""
    return (
        report is not None
        and report.starts == starts
        and bool(published)
        and report.number == published[-1].number
        and report.version == published[-1].plan.version
    )


def may_run(
    report: Report | None, published: Sequence[Published], now: datetime
) -> Sequence[Recorded | None]:
    """The plans that a replica may run now; None among them is one that is not known any more.

    What it said it ran, or a later one; and none that was superseded more than `PATIENCE` ago: a
    replica that goes on with such a one is told of (`Enforced`), not waited for.
    """
    reported, over = ran(report, published), _taken_by_all(published, now)
    first = max((index for index in (reported, over) if index is not None), default=None)
    if first is None:
        return [None, *(one.plan for one in published)]
    return [one.plan for one in published[first:]]


def edges(published: Iterable[Published]) -> list[datetime]:
    """When `may_run` changes by time alone."""
    return [one.since + PATIENCE for one in published]


def _taken_by_all(published: Sequence[Published], now: datetime) -> int | None:
    """The last plan that has been there for `PATIENCE`, as an index; None if there is none."""
    found = [index for index, one in enumerate(published) if one.since + PATIENCE <= now]
    return max(found, default=None)
