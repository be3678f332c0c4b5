"""Sums of promises over time: what is promised at the worst instant of a term.

A promise holds from its start (inclusive) to its end (exclusive), so the sum rises only at starts:
looking there is looking everywhere. It must not know who is promised what, or why.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tierfleet import plan


@dataclass(frozen=True, slots=True)
class Promise:
    """A rate in service tokens per second over a term."""

    amount: int
    term: plan.Term


def amount(guarantee: plan.Guarantee, total: int) -> int:
    """What a guarantee takes of a pool of `total`, in its unit; a percent is rounded down."""
    if guarantee.percent is not None:
        return total * guarantee.percent // 100
    if guarantee.prepaid is not None:
        return guarantee.prepaid.service_tokens_per_second
    return guarantee.service_tokens_per_second or 0


def peak(promises: Iterable[Promise], term: plan.Term, now: datetime) -> int:
    """The largest sum of promises at any instant of the term from now on; 0 if it is over."""
    first = begin(term, now)
    if over(term, now):
        return 0
    changes: list[tuple[datetime, int]] = []
    current = 0
    for promise in promises:
        start, end = begin(promise.term, first), promise.term.end
        if (end is not None and end <= start) or (term.end is not None and start >= term.end):
            continue
        if start == first:
            current += promise.amount
        else:
            changes.append((start, promise.amount))
        if end is not None:
            changes.append((end, -promise.amount))
    highest = current
    for _, change in sorted(changes):
        current += change
        highest = max(highest, current)
    return highest


def begin(term: plan.Term, now: datetime) -> datetime:
    """The first instant of the term that is not past."""
    return now if term.start is None else max(now, term.start)


def over(term: plan.Term, now: datetime) -> bool:
    """True once the term has ended."""
    return term.end is not None and term.end <= now


def overlap(one: plan.Term, other: plan.Term, now: datetime) -> bool:
    """True if both terms hold at some instant from now on."""
    start = max(begin(one, now), begin(other, now))
    return all(term.end is None or start < term.end for term in (one, other))


def within(inner: plan.Term, outer: plan.Term, now: datetime) -> bool:
    """True if the outer term holds, from now on, whenever the inner one does."""
    ends = outer.end is None or (inner.end is not None and inner.end <= outer.end)
    return ends and begin(outer, now) <= begin(inner, now)
