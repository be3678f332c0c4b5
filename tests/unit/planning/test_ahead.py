"""What a pool has promised as far ahead as its engine loads, and when that changes."""

from datetime import datetime, timedelta
from typing import Any

from tests.unit.planning.world import (
    H100,
    NAMESPACE,
    NOW,
    accelerator,
    changed,
    nodes,
    pool,
    reservation,
    world,
    written,
)
from tierfleet.planning import ahead
from tierfleet.planning.snapshot import Snapshot

POOL = pool(
    "pool", accelerator(), replicas=8, engine={"image": "vllm:1", "startupTimeoutSeconds": 600}
)
LOADED = NOW + timedelta(minutes=10)
"""When an engine that is started at `NOW` serves."""


def fleet(**contracts: tuple[Any, datetime | None, datetime | None]) -> Snapshot:
    """The pool with these contracts on record: guarantee, start and end of each."""
    made = (
        reservation(name, guarantee, term={"start": start, "end": end})
        for name, (guarantee, start, end) in contracts.items()
    )
    return written(world(POOL, *made, nodes=nodes(H100, 1)))


def promised(snapshot: Snapshot, total: int = 0) -> int:
    return ahead.promised(snapshot, POOL, total)


def test_contracts_of_now_and_those_that_begin_before_an_engine_is_loaded_count_together() -> None:
    moment = timedelta(seconds=1)
    assert promised(fleet(now=(500, None, None), soon=(700, LOADED, None))) == 1200
    assert promised(fleet(now=(500, None, None), later=(700, LOADED + moment, None))) == 500


def test_a_contract_and_the_one_that_follows_it_are_served_by_the_same_replicas() -> None:
    half = NOW + timedelta(minutes=5)
    assert promised(fleet(now=(500, None, half), then=(700, half, None))) == 700
    assert promised(fleet(now=(700, None, half), then=(500, half, None))) == 700


def test_percents_are_of_what_is_asked_for() -> None:
    snapshot = fleet(share=("20%", None, None), rate=(300, None, None))
    assert promised(snapshot, 1000) == 500
    assert promised(snapshot) == 300


def test_it_changes_where_a_term_comes_into_sight_and_where_one_ends() -> None:
    start, end = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    snapshot = fleet(acme=(500, start, end), open=(100, None, None))
    in_sight = NOW + timedelta(minutes=50)
    assert set(ahead.changes(snapshot, POOL)) == {in_sight, end}
    moment = timedelta(seconds=1)
    for now, before, after in ((in_sight, 100, 600), (end, 600, 100)):
        assert promised(changed(snapshot, now=now - moment)) == before
        assert promised(changed(snapshot, now=now)) == after


def test_a_reservation_that_is_deleted_is_nothing_to_plan_for() -> None:
    start = NOW + timedelta(hours=1)
    snapshot = changed(fleet(acme=(500, start, None)), reservations={})
    assert promised(changed(snapshot, now=start)) == 0
    assert list(ahead.changes(snapshot, POOL)) == []


def test_the_pool_of_another_namespace_promises_nothing_of_it() -> None:
    other = POOL.model_copy(
        update={"metadata": POOL.metadata.model_copy(update={"namespace": f"{NAMESPACE}-other"})}
    )
    assert ahead.promised(fleet(acme=(500, None, None)), other, 0) == 0
