"""Who is told to be short while replicas are not ready."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.planning.worlds import markets
from tests.unit.planning.world import bound, placements, plans, written
from tierfleet.planning import backing
from tierfleet.planning.backing import Backing
from tierfleet.planning.snapshot import Snapshot


def behind(snapshot: Snapshot, ready: set[str]) -> Backing | None:
    """What stands behind the promises while these pods are ready, by name."""
    (found,) = plans(snapshot).values()
    pods = tuple(replace(pod, ready=pod.name in ready) for pod in snapshot.pods)
    return backing.of(replace(snapshot, pods=pods), found)


@given(markets(), st.data())
def test_as_many_spares_as_the_pool_has_may_be_away_and_nobody_is_short(
    market: Snapshot, data: st.DataObject
) -> None:
    """That is what is sold: `capacity.of` sets the largest spares aside, and any may be away."""
    snapshot = written(bound(market, placements(market), spread=True))
    ((key, found),) = plans(snapshot).items()
    names = sorted(pod.name for pod in snapshot.pods_of(key))
    spares = snapshot.pools[key].spec.partitioning.spare_replicas
    away = min(data.draw(st.integers(0, spares)), max(0, len(names) - 1))
    there = set(data.draw(st.permutations(names))[away:])
    stands = behind(snapshot, there)
    assume(stands is not None and found.plan is not None)
    assert stands is not None
    assert found.plan is not None
    for contract in found.plan.reservations:
        if contract.term.holds_at(snapshot.now):
            assert stands.kept[contract.uid] == contract.granted
    assert stands.ready == len(there)


@given(markets(), st.data())
def test_one_replica_more_makes_nobody_shorter(market: Snapshot, data: st.DataObject) -> None:
    snapshot = written(bound(market, placements(market), spread=True))
    names = sorted(pod.name for pod in snapshot.pods)
    assume(names)
    there = set(data.draw(st.sets(st.sampled_from(names))))
    before, after = behind(snapshot, there), behind(snapshot, there | {names[0]})
    assume(before is not None and after is not None)
    assert before is not None
    assert after is not None
    assert all(before.kept[uid] <= after.kept[uid] for uid in before.kept)
