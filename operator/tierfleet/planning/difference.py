"""What a change would do: two previews compared, of the world as it is and as it would be.

It must not know what was changed, nor how a difference is shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tierfleet import manifests, plan
from tierfleet.api import Key
from tierfleet.api.capacityreservation import CapacityReservationStatus
from tierfleet.api.conditions import find
from tierfleet.planning.pool import PoolPlan
from tierfleet.planning.preview import TOKENS, Preview
from tierfleet.planning.snapshot import PoolKey

_TOKENS = manifests.Tokens(*TOKENS)
_NO_MATTER = {"version", "adminTokenSha256", "hookTokenSha256"}

Children = Mapping[tuple[str, str], Any]
"""Manifests by kind and name."""


class PodsChange(NamedTuple):
    """What becomes of a pool's pods on one accelerator.

    Attributes:
        before, after: replicas that are planned.
        pods: those that are there.
        replaced: each of them is, because their template changes; else only the number does.
    """

    accelerator: str
    before: int
    after: int
    pods: tuple[str, ...]
    replaced: bool


@dataclass(frozen=True, slots=True)
class PoolChange:
    """What becomes of a pool.

    Attributes:
        before: None if it is new.
        plan: parts of the plan document that differ.
        children: children that differ, but for the plan's Secrets and Deployments.
    """

    before: PoolPlan | None
    after: PoolPlan
    plan: tuple[str, ...]
    children: tuple[str, ...]
    pods: tuple[PodsChange, ...]


class ReservationChange(NamedTuple):
    """What becomes of a reservation; before is None if it is new."""

    before: CapacityReservationStatus | None
    after: CapacityReservationStatus


@dataclass(frozen=True, slots=True)
class Difference:
    """All that becomes different, by key."""

    pools: Mapping[PoolKey, PoolChange]
    reservations: Mapping[Key, ReservationChange]

    def __bool__(self) -> bool:
        """True if there is any."""
        return bool(self.pools or self.reservations)


def difference(before: Preview, after: Preview) -> Difference:
    """What becomes different; nothing is deleted in between."""
    pools = {
        key: change for key in after.plans if (change := _pool(before, after, key)) is not None
    }
    reservations = {}
    for key, status in after.reservations.items():
        old = before.reservations.get(key)
        if old is None or _told(old) != _told(status):
            reservations[key] = ReservationChange(old, status)
    return Difference(pools, reservations)


def _pool(before: Preview, after: Preview, key: PoolKey) -> PoolChange | None:
    old, new = before.plans.get(key), after.plans[key]
    children, planned = _children(before, key), _children(after, key)
    change = PoolChange(
        before=old,
        after=new,
        plan=tuple(_parts(old, new)),
        children=tuple(_others(children, planned)),
        pods=tuple(_pods(before, after, key, children, planned)),
    )
    same = old is not None and (
        old.placement.desired,
        old.placement.movable,
        old.capacity,
        old.promised,
        old.accepted,
    ) == (new.placement.desired, new.placement.movable, new.capacity, new.promised, new.accepted)
    return None if same and not (change.plan or change.children or change.pods) else change


def _parts(old: PoolPlan | None, new: PoolPlan) -> Iterator[str]:
    """Parts of the document that differ; none while the pool is held, for then it stays."""
    if new.plan is None:
        return
    before = plan.render(old.plan) if old and old.plan else {}
    after = plan.render(new.plan)
    for part in {**after, **before}:
        if part not in _NO_MATTER and before.get(part) != after.get(part):
            yield part


def _children(preview: Preview, key: PoolKey) -> Children:
    pool = preview.snapshot.pools.get(key)
    if pool is None:
        return {}
    found = manifests.children(pool, preview.plans[key], _TOKENS)
    return {(child["kind"], child["metadata"]["name"]): child for child in found}


def _others(before: Children, after: Children) -> Iterator[str]:
    if not before or not after:
        return
    for kind, name in {**before, **after}:
        if kind in {"Secret", *manifests.REPLICAS}:
            continue
        if before.get((kind, name)) != after.get((kind, name)):
            # A Gateway's InferencePool is a child of ours, which has the same name.
            yield f"{kind}{' of the Gateway' * (kind == 'InferencePool')} {name}"


def _pods(
    before: Preview, after: Preview, key: PoolKey, children: Children, planned: Children
) -> Iterator[PodsChange]:
    old = before.plans[key].placement.desired if key in before.plans else {}
    new = after.plans[key].placement.desired
    for accelerator in {**new, **old}:
        was, becomes = old.get(accelerator, 0), new.get(accelerator, 0)
        name = manifests.names.replicas(key[1], accelerator)
        now, then = _of_replicas(children, name), _of_replicas(planned, name)
        replaced = _templates(now) != _templates(then)
        pods = tuple(
            sorted(
                pod.name
                for pod in before.snapshot.pods_of(key)
                if pod.accelerator == accelerator and not (pod.finished or pod.terminating)
            )
        )
        replaced = replaced and bool(pods) and then is not None
        if was != becomes or replaced:
            yield PodsChange(accelerator, was, becomes, pods, replaced)


def _of_replicas(children: Children, name: str) -> Any:
    """The child that replicas are made from; None if there is none."""
    found = (children.get((kind, name)) for kind in manifests.REPLICAS)
    return next((child for child in found if child is not None), None)


def _templates(child: Any) -> Any:
    return child and manifests.templates(child)


def _told(status: CapacityReservationStatus) -> tuple[object, ...]:
    """What people are told about a reservation, without times."""
    judged = [
        found and (found.status, found.reason)
        for type_ in ("Accepted", "Degraded")
        for found in [find(status.conditions, type_)]
    ]
    return (status.guarantee, status.granted, status.requested, status.short_by, *judged)
