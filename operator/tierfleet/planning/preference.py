"""On which of its accelerators a pool's replicas go: where they stand, then where it likes them.

What stands, stays, as long as it has its devices; what is missing goes where the pool prefers it. A
replica that would rather be elsewhere moves there only when that has been so for a while, and then
so few at a time that no more are missing than `disruption.maxUnavailable`. How long that while is,
is not known here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tierfleet.api import InferencePool
from tierfleet.planning.inventory import Offer
from tierfleet.planning.placement import (
    AcceleratorPlacement,
    Limit,
    Placement,
    Scale,
    Shortfall,
)
from tierfleet.planning.scaling import Wanted


@dataclass(frozen=True, slots=True)
class Standing:
    """The replicas that a pool has.

    Attributes:
        replicas: what its Deployments ask for, by accelerator.
        ready: how many replicas are ready, by accelerator.
        settled: it has been so for a while that replicas would rather be elsewhere: they may move.
    """

    replicas: Mapping[str, int]
    ready: Mapping[str, int]
    settled: bool = False

    def unready(self, name: str, desired: int) -> int:
        """Replicas of the accelerator that are not ready: asked for, or yet to be (`shares`)."""
        return max(0, max(desired, self.replicas.get(name, 0)) - self.ready.get(name, 0))


class _Move(NamedTuple):
    """Replicas that would rather be on another accelerator, and that there is room for."""

    source: Offer
    target: Offer
    replicas: int


def place(
    pool: InferencePool,
    offers: Sequence[Offer],
    standing: Standing,
    wanted: Wanted,
    enough: Callable[[Mapping[str, int]], bool],
) -> Placement:
    """The pool's replicas on the devices on offer, taken from the inventory.

    As many as are `wanted`, and one more at a time until what is placed is `enough`. `offers` are
    in the order of preference. Replicas that move away leave their devices taken: they are free
    only once the replica has drained.
    """
    desired = dict.fromkeys((offer.accelerator.name for offer in offers), 0)
    left = _fill(offers, desired, standing, wanted.replicas)
    count, scale = wanted.replicas, wanted.scale
    while count < wanted.most and not left and not enough(desired):
        count, scale = count + 1, Scale.PROMISED
        left = _fill(offers, desired, standing, 1)
    if scale is not None and not left and not enough(desired):
        scale = Scale.MAX_REPLICAS
    moves = list(_wishes(offers, desired))
    if standing.settled:
        _carry_out(moves, desired, standing, pool.spec.disruption.max_unavailable)
    shortfalls = _shortfalls(count, offers, desired)
    return Placement(
        count,
        tuple(
            AcceleratorPlacement(name, planned, shortfalls.get(name))
            for name, planned in desired.items()
        ),
        movable=sum(move.replicas for move in moves),
        scale=scale,
    )


def _fill(offers: Sequence[Offer], desired: dict[str, int], standing: Standing, count: int) -> int:
    """Places so many more; how many found no room."""
    for most in _steps(standing):
        for offer in offers:
            name = offer.accelerator.name
            found = offer.take(max(0, min(count, most(offer) - desired[name])))
            desired[name] += found
            count -= found
    return count


def _steps(standing: Standing) -> Iterator[Callable[[Offer], int]]:
    """How many replicas each accelerator is filled up to, step by step."""
    yield lambda offer: min(_least(offer), standing.replicas.get(offer.accelerator.name, 0))
    yield lambda offer: min(_most(offer), standing.replicas.get(offer.accelerator.name, 0))
    yield _least
    yield _most


def _least(offer: Offer) -> int:
    return offer.accelerator.min_replicas


def _most(offer: Offer) -> int:
    most = offer.accelerator.max_replicas
    return _UNBOUNDED if most is None else most


_UNBOUNDED = 1_000_000
"""Beyond what a pool can ask for."""


def _wishes(offers: Sequence[Offer], desired: Mapping[str, int]) -> Iterator[_Move]:
    """The moves that would be made if nothing spoke against moving.

    Minimums first, then the order of preference; the least preferred replicas move first.
    """
    planned = dict(desired)
    room = {offer.accelerator.name: offer.room() for offer in offers}
    for below_minimum in (True, False):
        for place, target in enumerate(offers):
            sources = offers if below_minimum else offers[place + 1 :]
            most = _least(target) if below_minimum else _most(target)
            there = target.accelerator.name
            for source in reversed(sources):
                here = source.accelerator.name
                spare = planned[here] - _least(source)
                count = min(spare, most - planned[there], room[there])
                if source is not target and count > 0:
                    planned[here] -= count
                    planned[there] += count
                    room[there] -= count
                    yield _Move(source, target, count)


def _carry_out(
    moves: Sequence[_Move], desired: dict[str, int], standing: Standing, max_unavailable: int
) -> None:
    """Move as many as may be missing; one that is not ready is missing already."""
    unready = {name: standing.unready(name, count) for name, count in desired.items()}
    spare = max_unavailable - sum(unready.values())
    for source, target, count in moves:
        here, there = source.accelerator.name, target.accelerator.name
        found = target.take(min(count, unready[here] + max(0, spare)))
        missing_anyway = min(found, unready[here])
        unready[here] -= missing_anyway
        spare -= found - missing_anyway
        desired[here] -= found
        desired[there] += found


def _shortfalls(
    count: int, offers: Sequence[Offer], desired: Mapping[str, int]
) -> Mapping[str, Shortfall]:
    """Why accelerators have fewer replicas than a pool of so many would like to have there."""
    left = count
    least: dict[str, int] = {}
    for offer in offers:
        least[offer.accelerator.name] = min(left, _least(offer))
        left -= least[offer.accelerator.name]
    found = {name: min(few, desired[name]) for name, few in least.items()}
    left = count - sum(found.values())
    shortfalls = {}
    for offer in offers:
        name = offer.accelerator.name
        wanted = max(least[name], found[name] + min(left, _most(offer) - found[name]))
        there = min(desired[name], wanted)
        if there < wanted:
            moving = offer.room() > 0
            shortfalls[name] = (
                Shortfall(Limit.MOVING, wanted, there) if moving else offer.shortfall(wanted, there)
            )
        elif there < found[name] + left:
            shortfalls[name] = Shortfall(Limit.MAX_REPLICAS, found[name] + left, there)
        left -= there - found[name]
    return shortfalls
