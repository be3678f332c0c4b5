"""Offers as tables for people and as JSON for programs."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

from tierfleet.api import InferencePool, Key
from tierfleet.api.accelerator import Accelerator
from tierfleet.api.common import to_rfc3339
from tierfleet.api.inferencepool import ScalingMode
from tierfleet.cli import tables
from tierfleet.planning.offers import Largest, More, Offer
from tierfleet.planning.placement import Limit, Shortfall
from tierfleet.planning.preview import Preview

_FOR_SALE = (
    *("POOL", "SELLABLE", "LEFT NOW", "LEFT THROUGHOUT"),
    *("LARGEST PERCENT", "LARGEST RATE", "LIMIT"),
)
_MORE = ("POOL", "ACCELERATOR", "REPLICAS", "ONE MORE ADDS", "WHAT IT TAKES")


def table(found: Preview, offers: Mapping[Key, Offer | None], notes: list[str]) -> Group:
    """What can be sold, what would make more, and what to know about it."""
    parts: list[list[Any]] = [
        list(map(Text, notes)),
        [tables.table(_FOR_SALE, (_row(key, own) for key, own in offers.items()))],
    ]
    more = [
        ("/".join(key), m.accelerator, m.replicas, m.adds, what_it_takes(_pool(found, key), m))
        for key, own in offers.items()
        for m in (own.more if own else ())
    ]
    if more:
        parts.append([tables.table(_MORE, more)])
    parts.append([Text(line) for line in _remarks(found, offers)])
    blocks = [block for block in parts if block]
    return Group(*(line for i, block in enumerate(blocks) for line in ([""] * bool(i) + block)))


def document(found: Preview, offers: Mapping[Key, Offer | None]) -> list[dict[str, Any]]:
    """The same, an object a pool; rates in service tokens per second."""
    return [
        {
            "namespace": key[0],
            "pool": key[1],
            **(_offer(found, key, own) if own else {"held": True}),
        }
        for key, own in offers.items()
    ]


def what_it_takes(pool: InferencePool, more: More) -> str:
    """What would have to be so that one more replica runs there."""
    accelerator = next(a for a in pool.spec.accelerators if a.name == more.accelerator)
    steps = []
    if more.shortfall is not None:
        steps.append(_devices(accelerator, more.shortfall))
    if more.full:
        steps.append(f"maxReplicas above {accelerator.max_replicas}")
    if not more.asked:
        automatic = pool.spec.scaling.mode is ScalingMode.AUTOMATIC
        steps.append(
            f"scaling.minReplicas {more.wanted + 1}"
            if automatic
            else f"spec.replicas {more.wanted + 1}"
        )
    there = "" if more.shortfall else "there are devices for it; "
    if more.first not in {None, more.accelerator} and not (more.shortfall or more.full):
        steps.append(f"and {more.first} gets one more first")
    return there + ", ".join(steps)


def _devices(accelerator: Accelerator, shortfall: Shortfall) -> str:
    each, products = accelerator.devices_per_replica, " or ".join(accelerator.products)
    nodes = accelerator.nodes_per_replica
    if shortfall.limit is Limit.LEADER_WORKER_SET_MISSING:
        return "LeaderWorkerSet, which the cluster does not know"
    if shortfall.limit is Limit.NO_SUCH_ACCELERATOR:
        whole = "a node" if nodes == 1 else f"{nodes} nodes"
        return f"{whole} with {each} {accelerator.resource} of {products} (there is none)"
    known = [
        f"{shortfall.stranded} are free where too few are left" if shortfall.stranded else "",
        f"{shortfall.closed} of its nodes take no new pods" if shortfall.closed else "",
    ]
    told = ", ".join(filter(None, known))
    more = f" ({told})" if told else ""
    where = "one node" if nodes == 1 else f"each of {nodes} nodes"
    return f"{each} free {accelerator.resource} on {where} of {products}{more}"


def _row(key: Key, own: Offer | None) -> tuple[object, ...]:
    if own is None:
        return ("/".join(key), None, None, None, None, None, "held: not accepted")
    return (
        "/".join(key),
        own.plan.capacity.sellable,
        own.left_now,
        own.left_throughout,
        f"{own.percent.value}%",
        f"{own.rate.value}/s",
        _limit(own.rate) or _limit(own.percent),
    )


def _limit(largest: Largest) -> str:
    return str(largest.refused.reason) if largest.refused else ""


def _remarks(found: Preview, offers: Mapping[Key, Offer | None]) -> Iterator[str]:
    for key, own in offers.items():
        name = f"InferencePool {'/'.join(key)}"
        if own is None:
            yield f"{name}: {found.plans[key].accepted.message}"
            continue
        if own.worst is not None:
            yield (
                f"{name}: most is promised from {to_rfc3339(own.worst)} on, {own.promised_most} of "
                f"{own.plan.capacity.sellable}; {own.promised_now} now."
            )
        if own.promised_most > own.plan.capacity.sellable:
            yield (
                f"{name}: more is promised than can be sold, {own.promised_most} of "
                f"{own.plan.capacity.sellable}, since capacity was lost."
            )
        if own.rate.refused is not None and own.rate.value < own.left_throughout:
            yield f"{name}: a larger rate is refused. {own.rate.refused.message}"
        for unknown in own.plan.capacity.unknown:
            yield (
                f"{name}: the capacity of {unknown} is not known, so its replicas have nothing to "
                "sell. Declare its capacity.serviceTokensPerSecond."
            )


def _offer(found: Preview, key: Key, own: Offer) -> dict[str, Any]:
    able = own.plan.capacity
    return {
        "total": able.total,
        "sellable": able.sellable,
        "promisedNow": own.promised_now,
        "promisedMost": own.promised_most,
        "mostPromisedFrom": to_rfc3339(own.worst) if own.worst else None,
        "leftNow": own.left_now,
        "leftThroughout": own.left_throughout,
        "largestPercent": own.percent.value,
        "largestServiceTokensPerSecond": own.rate.value,
        "limit": _limit(own.rate) or _limit(own.percent) or None,
        "accelerators": [
            {
                "name": more.accelerator,
                "replicas": more.replicas,
                "oneMoreAdds": more.adds,
                "devicesFree": more.shortfall is None,
                "whatItTakes": what_it_takes(_pool(found, key), more),
            }
            for more in own.more
        ],
    }


def _pool(found: Preview, key: Key) -> InferencePool:
    return found.snapshot.pools[key]
