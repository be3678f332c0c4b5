"""Planning ahead: the peak of promises in sight, which changes only where it is said to."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.planning.world import NAMESPACE, NOW, changed, pool, reservation, world
from tierfleet import plan
from tierfleet.planning import ahead
from tierfleet.planning.published import Recorded
from tierfleet.planning.snapshot import Snapshot

KEY = (NAMESPACE, "pool")
STEP = timedelta(minutes=10)
LOADS = 3
"""Steps that an engine loads."""
POOL = pool("pool", engine={"image": "vllm:1", "startupTimeoutSeconds": 1800})
_TIME = st.none() | st.integers(-4, 12)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Contracts on record that begin and end at whole steps."""
    contracts = []
    for number in range(draw(st.integers(0, 4))):
        start, length = draw(_TIME), draw(st.none() | st.integers(1, 6))
        first = 0 if start is None else start
        contracts.append(
            plan.Reservation(
                uid=f"uid-r{number}",
                name=f"r{number}",
                tenants=("acme",),
                declared=plan.Guarantee(service_tokens_per_second=draw(st.integers(1, 9))),
                granted=0,
                rank=number,
                accepted_at=NOW,
                max_wait_milliseconds=100,
                term=plan.Term(
                    start=None if start is None else NOW + start * STEP,
                    end=None if length is None else NOW + (first + length) * STEP,
                ),
            )
        )
    made = (reservation(contract.name, 1) for contract in contracts)
    return changed(world(POOL, *made), recorded={KEY: Recorded("v", reservations=tuple(contracts))})


def promised(snapshot: Snapshot, now: datetime) -> int:
    return ahead.promised(changed(snapshot, now=now), POOL, 0)


@given(snapshots(), st.integers(0, 12))
def test_it_is_the_most_that_holds_at_any_instant_until_an_engine_is_loaded(
    snapshot: Snapshot, step: int
) -> None:
    """Looked at instant by instant; terms begin and end at whole steps only."""
    held = (
        sum(
            contract.declared.service_tokens_per_second or 0
            for contract in snapshot.recorded_of(KEY).reservations
            if contract.term.holds_at(NOW + at * STEP)
        )
        for at in range(step, step + LOADS + 1)
    )
    assert promised(snapshot, NOW + step * STEP) == max(held)


@given(snapshots(), st.integers(0, 100), st.integers(0, 100))
def test_between_two_of_the_changes_it_stays_the_same(
    snapshot: Snapshot, one: int, other: int
) -> None:
    """So whoever comes back at each of them misses nothing."""
    first, last = sorted(NOW + minutes * timedelta(minutes=1) for minutes in (one, other))
    coming = [at for at in ahead.changes(changed(snapshot, now=first), POOL) if at > first]
    if all(last < at for at in coming):
        assert promised(snapshot, last) == promised(snapshot, first)
