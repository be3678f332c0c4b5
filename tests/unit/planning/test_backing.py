"""What replicas that are not ready mean for those who were promised something."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.unit.planning.world import (
    H100,
    NAMESPACE,
    NOW,
    accelerator,
    bound,
    nodes,
    placements,
    plan_of,
    pool,
    reservation,
    world,
    written,
)
from tierfleet.planning import backing, enforcement
from tierfleet.planning.snapshot import Snapshot
from tierfleet.planning.status import summarise_reservation

POOL = (NAMESPACE, "pool")
SHARE, RATE = reservation("share", "30%", age=9), reservation("rate", 5100)


def fleet(*ready: bool, rate: int | None = 1000, contracts: Any = (SHARE, RATE)) -> Snapshot:
    """Ten replicas of 1000 with one spare; 8100 can be sold. These of them are ready, or all."""
    ten = world(
        pool("pool", accelerator(rate=rate), replicas=10),
        *contracts,
        nodes=nodes(H100, 10, devices=1),
    )
    full = written(bound(ten, placements(ten), spread=True))
    away = zip(full.pods, ready or (True,) * 10, strict=True)
    return replace(full, pods=tuple(replace(pod, ready=is_) for pod, is_ in away))


def kept(snapshot: Snapshot) -> dict[str, int] | None:
    """By the reservation's name."""
    found = backing.of(snapshot, plan_of(snapshot))
    return None if found is None else {uid[4:]: amount for uid, amount in found.kept.items()}


def test_without_one_that_is_a_spare_nobody_is_short() -> None:
    assert kept(fleet(*[True] * 9, False)) == {"share": 3000, "rate": 5100}


def test_with_fewer_the_last_accepted_is_short_first() -> None:
    assert kept(fleet(*[True] * 5, *[False] * 5)) == {"share": 3000, "rate": 1500}
    assert kept(fleet(*[True] * 2, *[False] * 8)) == {"share": 1800, "rate": 0}


def test_one_that_leaves_serves_nobody_new() -> None:
    found = fleet()
    leaving = tuple(
        replace(pod, terminating=number < 5, gone_by=NOW + timedelta(hours=1))
        for number, pod in enumerate(found.pods)
    )
    assert kept(replace(found, pods=leaving)) == {"share": 3000, "rate": 1500}


def test_only_what_is_promised_now_needs_replicas_now() -> None:
    later = reservation("later", 5100, term={"start": NOW + timedelta(days=1)})
    assert kept(fleet(*[False] * 10, contracts=(SHARE, later))) == {"share": 0}


def test_a_pool_that_is_held_is_short_like_any_other() -> None:
    assert kept(replace(fleet(*[True] * 5, *[False] * 5), policies={})) == {
        "share": 3000,
        "rate": 1500,
    }


def test_while_a_rate_is_not_known_nothing_is_said() -> None:
    assert kept(fleet(rate=None)) is None


def degraded(snapshot: Snapshot, name: str) -> Any:
    plan = plan_of(snapshot)
    status = summarise_reservation(
        snapshot,
        (NAMESPACE, name),
        plan,
        enforcement.of(snapshot, POOL),
        backing.of(snapshot, plan),
    )
    (found,) = (c for c in status.conditions if c.type == "Degraded")
    return found


def test_who_is_short_is_told_with_the_numbers_and_nothing_is_taken_back() -> None:
    half = fleet(*[True] * 5, *[False] * 5)
    assert degraded(half, "share").status == "False"
    told = degraded(half, "rate")
    assert (told.status, told.reason) == ("True", "ReplicasNotReady")
    assert told.message == (
        "Only 5 of 10 replicas are ready: they can keep 1500 of the 5100 service tokens/s that are "
        "guaranteed, until more of them are. Ready of the InferencePool says what it waits for."
    )
    contracts = {one.name: one.granted for one in plan_of(half).plan.reservations}  # type: ignore[union-attr]
    assert contracts == {"share": 3000, "rate": 5100}
