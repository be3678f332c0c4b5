"""Contracts and the room in the plan that carries them, as it is really written."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from tests.property.planning.test_reservations import agreed, history
from tests.property.planning.worlds import markets
from tests.unit.planning.world import NOW, plans, reservation, written
from tierfleet import plan
from tierfleet.plan.parts import INDEX
from tierfleet.planning import contracts, index
from tierfleet.planning.pool import PoolPlan
from tierfleet.planning.snapshot import Snapshot

_ROOM = st.integers(0, 6_000)
_COUNT = st.integers(0, 10**15)
_RATE = st.integers(1, 10**9)
_LETTERS = st.characters(codec="ascii", categories=("Ll", "Nd"))
_NAMES = st.text(_LETTERS, min_size=1, max_size=63)
_WHEN = st.integers(0, 10**9).map(lambda seconds: NOW + timedelta(seconds=seconds, microseconds=1))
_PREPAID = st.fixed_dictionaries(
    {
        "serviceTokens": st.integers(1, 10**15),
        "period": st.sampled_from(["Hour", "Month"]),
        "serviceTokensPerSecond": _RATE,
    }
)
_GUARANTEES = (
    st.integers(1, 100).map(lambda percent: f"{percent}%")
    | _RATE
    | _PREPAID.map(lambda prepaid: {"prepaid": prepaid})
)


@contextmanager
def room_for(bytes_: int) -> Iterator[None]:
    """Plans have room for so many bytes of contracts."""
    with patch.object(index, "CONTRACT_BYTES", bytes_):
        yield


def taken(found: PoolPlan) -> int:
    """Bytes of the index that are there because of contracts."""
    assert found.plan is not None
    without = plan.Plan.model_validate(
        found.plan.model_dump(exclude={"version"}) | {"reservations": ()}
    )
    return len(plan.split(found.plan)[INDEX]) - len(plan.split(without)[INDEX])


@st.composite
def carried(draw: st.DrawFn) -> plan.Reservation:
    """A contract as a plan may carry it, with anything that the CRD lets a person write."""
    end = draw(st.none() | st.integers(1, 10**9))
    start = draw(st.none() | _WHEN)
    declared = reservation(
        draw(_NAMES) * 3,
        draw(_GUARANTEES),
        draw(st.lists(_NAMES, min_size=1, max_size=64, unique=True)),
        maxWaitMilliseconds=draw(st.integers(1, 60_000)),
        burst={"windowMilliseconds": draw(st.integers(1, 60_000))},
        spillover={
            "action": draw(st.sampled_from(["Shared", "Queue", "Reject"])),
            **draw(st.just({}) | _NAMES.map(lambda tier: {"tier": tier})),
        },
        lending={
            "reclaim": draw(st.sampled_from(["NextSeat", "Abort"])),
            **draw(st.just({}) | st.integers(0, 100).map(lambda n: {"lendablePercent": n})),
        },
        term={
            **({} if start is None else {"start": start}),
            **({} if end is None else {"end": (start or NOW) + timedelta(seconds=end)}),
        },
    )
    made = contracts.of(declared, None, draw(_COUNT), NOW)
    return made.model_copy(update={"granted": draw(_COUNT), "accepted_at": draw(_WHEN)})


@given(st.lists(carried(), min_size=1, max_size=4, unique_by=lambda contract: contract.uid))
def test_a_contract_takes_no_more_than_what_it_is_reckoned_to_take(
    carried: list[plan.Reservation],
) -> None:
    """Beside the name of the list itself."""
    tiers = {contract.spillover.tier for contract in carried} - {None}
    document = plan.Plan(
        pool=plan.PoolIdentity(name="p"),
        model=plan.Model(name="m"),
        tiers=tuple(plan.Tier(name=str(name), priority=1) for name in (tiers or {"t"}))[:16],
        groups=(plan.Group(name="g", accelerator="g", desired=1),),
        reservations=tuple(carried),
    )
    bare = plan.Plan(**{**dict(document), "version": "", "reservations": ()})
    length = len(plan.split(document)[INDEX]) - len(plan.split(bare)[INDEX])
    assert length <= sum(map(index.size, carried)) + len(' "reservations": [\n ],\n')


@given(markets(), _ROOM, st.data())
def test_contracts_never_take_more_of_a_plan_than_there_is(
    snapshot: Snapshot, room: int, data: st.DataObject
) -> None:
    """Bound: `CONTRACT_BYTES`, whatever is made, edited, lost and forgotten."""
    with room_for(room):
        for found in plans(history(data, snapshot)).values():
            assert taken(found) <= room


@given(markets(), _ROOM, _ROOM, st.data())
def test_what_was_accepted_stays_accepted_when_there_is_less_room(
    snapshot: Snapshot, before: int, after: int, data: st.DataObject
) -> None:
    """As after an upgrade; and what is on record takes no more than it did, or than there is."""
    with room_for(before):
        had = written(history(data, snapshot))
    kept = {c.uid for recorded in had.recorded.values() for c in recorded.reservations}
    with room_for(min(before, after)):
        for found in plans(written(had)).values():
            assert kept <= {contract.uid for contract in agreed(found)}
            assert taken(found) <= before


@given(markets(), _ROOM, st.randoms(use_true_random=False))
def test_the_order_of_what_is_in_a_snapshot_says_nothing_about_who_finds_room(
    snapshot: Snapshot, room: int, random: Random
) -> None:
    shuffled = list(snapshot.reservations.items())
    random.shuffle(shuffled)
    with room_for(room):
        other = plans(replace(snapshot, reservations=dict(shuffled)))
        assert {key: found.plan for key, found in plans(snapshot).items()} == {
            key: found.plan for key, found in other.items()
        }
