"""What of a pool can still be sold, and what would make more.

Largest contracts are found by asking the function that accepts them, so what is offered here is
accepted as long as nothing changes. It must not know how an offer is shown.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from tierfleet import plan
from tierfleet.api import InferencePool
from tierfleet.api.inferencepool import Scaling
from tierfleet.planning import capacity, index, promises
from tierfleet.planning.devices import device_groups, grant
from tierfleet.planning.placement import Placement, Shortfall
from tierfleet.planning.pool import PoolPlan
from tierfleet.planning.preview import Preview
from tierfleet.planning.refusals import Market, Refusal, refusal
from tierfleet.planning.snapshot import PoolKey, Snapshot

_BUYER = "a-new-tenant"
_OPEN = plan.Term()


class Largest(NamedTuple):
    """The largest contract of a kind that would be accepted now, without an end.

    Attributes:
        value: percent, or service tokens/s; 0 if none would be.
        refused: why one more would not be; None if there is no more.
    """

    value: int
    refused: Refusal | None


_BY_HAND = Scaling()
"""So that a number of replicas is what the spec says."""


class More(NamedTuple):
    """What one replica more on an accelerator would take and give.

    Attributes:
        replicas: that are planned there.
        adds: service tokens/s that could be sold then, beside what can be now.
        shortfall: why there are no devices for one more; None if there are.
        full: there are `maxReplicas` already.
        asked: the pool asks for more replicas than are placed.
        wanted: replicas that it asks for.
        first: the accelerator that gets one more, as the spec prefers; None if none does.
    """

    accelerator: str
    replicas: int
    adds: int
    shortfall: Shortfall | None
    full: bool
    asked: bool
    wanted: int
    first: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be sold of a pool; rates in service tokens per second.

    Attributes:
        promised_now: to contracts whose term holds, and floors.
        promised_most: at the worst instant from now on.
        worst: the first such instant; None if it is now.
        percent, rate: the largest contract with the defaults of burst and wait.
    """

    plan: PoolPlan
    promised_now: int
    promised_most: int
    worst: datetime | None
    percent: Largest
    rate: Largest
    more: tuple[More, ...]

    @property
    def left_now(self) -> int:
        """What is not promised at this instant."""
        return max(0, self.plan.capacity.sellable - self.promised_now)

    @property
    def left_throughout(self) -> int:
        """What is never promised: the room for a contract without an end."""
        return max(0, self.plan.capacity.sellable - self.promised_most)


def offer(preview: Preview, key: PoolKey) -> Offer | None:
    """What can be sold of the pool; None while it is held, for then it sells nothing.

    Raises:
        KeyError: there is no such pool.
    """
    found = preview.plans[key]
    market = found.market
    if market is None:
        return None
    agreed = [v.contract for v in found.reservations.values() if v.contract is not None]
    by_instant = {
        when: market.floors + sum(market.amount(c) for c in agreed if c.term.holds_at(when))
        for when in sorted({market.now, *_starts(agreed, market.now)})
    }
    most = max(by_instant.values())
    worst = next(when for when, promised in by_instant.items() if promised == most)

    def refused(guarantee: plan.Guarantee) -> Refusal | None:
        return refusal(_contract(guarantee), agreed, _with_buyer(market), index.room(agreed))

    return Offer(
        plan=found,
        promised_now=by_instant[market.now],
        promised_most=most,
        worst=None if worst == market.now else worst,
        percent=_largest(100, lambda value: refused(plan.Guarantee(percent=value))),
        rate=_largest(
            market.capacity.sellable,
            lambda value: refused(plan.Guarantee(service_tokens_per_second=value)),
        ),
        more=tuple(_more(preview.snapshot, preview.snapshot.pools[key], found)),
    )


def _starts(agreed: list[plan.Reservation], now: datetime) -> Iterator[datetime]:
    """Sums of promises rise there and nowhere else."""
    for contract in agreed:
        start = promises.begin(contract.term, now)
        if start > now:
            yield start


def _contract(guarantee: plan.Guarantee) -> plan.Reservation:
    return plan.Reservation(
        uid=_BUYER, name=_BUYER, tenants=(_BUYER,), declared=guarantee, granted=0, term=_OPEN
    )


def _with_buyer(market: Market) -> Market:
    tier = next(iter(market.tiers))
    buyer = plan.Tenant(name=_BUYER, tier=tier)
    return replace(market, callers={**market.callers, _BUYER: buyer})


def _largest(bound: int, refused: Callable[[int], Refusal | None]) -> Largest:
    """The largest value up to the bound that is not refused; whoever asks for more is, too."""
    low, high, why = 0, bound, None
    while low < high:
        middle = (low + high + 1) // 2
        found = refused(middle)
        if found is None:
            low = middle
        else:
            high, why = middle - 1, found
    return Largest(low, why)


def _more(snapshot: Snapshot, pool: InferencePool, found: PoolPlan) -> Iterator[More]:
    placement = found.placement
    desired = placement.desired
    asked = _changed(pool, replicas=placement.wanted + 1, scaling=_BY_HAND)
    larger = _granted(snapshot, asked).desired
    first = next((name for name, count in larger.items() if count > desired[name]), None)
    for accelerator in pool.spec.accelerators:
        name, count = accelerator.name, desired[accelerator.name]
        with_it: Mapping[str, int] = {**desired, name: count + 1}
        most = accelerator.max_replicas
        yield More(
            accelerator=name,
            replicas=count,
            adds=capacity.of(pool, with_it, found.rates).sellable - found.capacity.sellable,
            shortfall=_lacking(snapshot, pool, name, placement),
            full=most is not None and count >= most,
            asked=placement.total < placement.wanted,
            wanted=placement.wanted,
            first=first,
        )


def _lacking(
    snapshot: Snapshot, pool: InferencePool, name: str, placement: Placement
) -> Shortfall | None:
    """Why one replica more would find no devices on the accelerator, wherever others go."""
    wanted = placement.desired[name] + 1
    accelerators = tuple(
        a.model_copy(
            update={"min_replicas": wanted, "max_replicas": wanted}
            if a.name == name
            else {"min_replicas": 0, "max_replicas": placement.desired[a.name]}
        )
        for a in pool.spec.accelerators
    )
    asked = _changed(
        pool, replicas=placement.total + 1, scaling=_BY_HAND, accelerators=accelerators
    )
    found = {a.name: a for a in _granted(snapshot, asked).accelerators}[name]
    return found.shortfall if found.desired < wanted else None


def _changed(pool: InferencePool, **spec: object) -> InferencePool:
    return pool.model_copy(update={"spec": pool.spec.model_copy(update=spec)})


def _granted(snapshot: Snapshot, pool: InferencePool) -> Placement:
    """Where the pool would be if it were so, and nothing else changed."""
    asked = replace(snapshot, pools={**snapshot.pools, pool.key: pool})
    groups = device_groups(asked.pools.values(), asked.nodes.values())
    return grant(asked, next(group for group in groups if pool.key in group))[pool.key]
