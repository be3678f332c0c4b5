"""A difference between two previews, as tables and sentences for people."""

from collections.abc import Collection, Iterator
from typing import Any

from rich.console import Group
from rich.text import Text

from tierfleet.api import Key
from tierfleet.cli import tables
from tierfleet.cli.overview import amiss, message
from tierfleet.cli.tables import change
from tierfleet.planning.difference import Difference, PodsChange, PoolChange
from tierfleet.planning.preview import Preview


def shown(
    found: Difference, before: Preview, after: Preview, given: Collection[Key], notes: list[str]
) -> Group:
    """All of it; `given` are the pools that were changed, others are said to be touched."""
    parts: list[list[Any]] = [list(map(Text, notes))]
    if not found:
        parts.append([Text("No difference: every pool and reservation stays as it is.")])
    if found.pools:
        columns = ("POOL", "PLACEMENT", "CAPACITY", "SELLABLE", "PROMISED", "PLAN CHANGES IN")
        parts.append([tables.table(columns, _pools(found))])
    if found.reservations:
        columns = (*("RESERVATION", "GUARANTEE", "ACCEPTED"), *("GRANTED", "SHORT BY", "MESSAGE"))
        parts.append([tables.table(columns, _reservations(found))])
    pods = list(_pods(found))
    if pods:
        parts.append([tables.table(("PODS OF", "ACCELERATOR", "REPLICAS", "WHAT HAPPENS"), pods)])
    parts.append([Text(line) for line in _sentences(found, before, after, given)])
    blocks = [block for block in parts if block]
    return Group(*(line for i, block in enumerate(blocks) for line in ([""] * bool(i) + block)))


def _pools(found: Difference) -> Iterator[tuple[object, ...]]:
    for key, pool in found.pools.items():
        old, new = pool.before, pool.after
        yield (
            "/".join(key),
            change(old and old.placement.summary, new.placement.summary),
            change(old and old.capacity.total, new.capacity.total),
            change(old and old.capacity.sellable, new.capacity.sellable),
            change(old and old.promised, new.promised),
            ", ".join(pool.plan) if old else "all of it: the pool is new",
        )


def _reservations(found: Difference) -> Iterator[tuple[object, ...]]:
    for key, (old, new) in found.reservations.items():
        was = {c.type: c for c in old.conditions} if old else {}
        now = {c.type: c for c in new.conditions}
        yield (
            "/".join(key),
            change(old and old.guarantee, new.guarantee),
            change(was["Accepted"].status if was else None, now["Accepted"].status),
            change(old and old.granted, new.granted),
            change(old and old.short_by, new.short_by),
            message(new),
        )


def _pods(found: Difference) -> Iterator[tuple[object, ...]]:
    for key, pool in found.pools.items():
        for pods in pool.pods:
            yield (
                "/".join(key),
                pods.accelerator,
                change(pods.before, pods.after),
                ". ".join(_happens(pods)),
            )


def _happens(pods: PodsChange) -> Iterator[str]:
    if pods.after > pods.before:
        yield f"{pods.after - pods.before} more"
    elif pods.after < pods.before:
        gone = pods.before - pods.after
        named = f": {', '.join(pods.pods)}" if pods.pods else ""
        yield f"{gone} of these {'goes' if gone == 1 else 'go'}, drained first{named}"
    if pods.replaced and pods.after:
        named = "" if pods.after < pods.before else f": {', '.join(pods.pods)}"
        yield f"replaced, because the pod template changes{named}"


def _sentences(
    found: Difference, before: Preview, after: Preview, given: Collection[Key]
) -> Iterator[str]:
    touched = [key for key in found.pools if key not in given]
    if touched:
        names = ", ".join("/".join(key) for key in touched)
        yield (f"Touched though not given: {names}, by the same devices, policy or reservations.")
    for key, pool in found.pools.items():
        yield from _of_pool(key, pool)
    was, becomes = list(amiss(before)), list(amiss(after))
    yield from (f"No longer: {line}" for line in was if line not in becomes)
    yield from (f"Then: {line}" for line in becomes if line not in was)


def _of_pool(key: Key, pool: PoolChange) -> Iterator[str]:
    movable = pool.after.placement.movable
    if movable and movable != (pool.before and pool.before.placement.movable):
        yield (
            f"InferencePool {'/'.join(key)}: {movable} of its replicas would move later to an "
            "accelerator that it prefers, if there is still room."
        )
    if pool.children:
        yield f"InferencePool {'/'.join(key)}: {', '.join(pool.children)} would be changed."
