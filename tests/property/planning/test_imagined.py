"""What is imagined is what was wished for, and goes through the same grant."""

from dataclasses import replace

from hypothesis import given

from tests.property.planning.worlds import snapshots
from tierfleet.api.capacityreservation import ReservationReason
from tierfleet.api.conditions import Status
from tierfleet.planning import capacity, imagined
from tierfleet.planning.preview import preview
from tierfleet.planning.snapshot import Snapshot


@given(snapshots())
def test_every_pool_is_placed_as_it_likes_whatever_others_want(snapshot: Snapshot) -> None:
    bare = replace(snapshot, replicas={}, nodes={}, pods=())
    found = preview(bare, imagined.with_devices(bare))
    for key, plan in found.plans.items():
        if plan.accepted.status is Status.TRUE:
            assert plan.placement.desired == capacity.preferred(snapshot.pools[key])
            assert plan.placement.movable == 0


@given(snapshots())
def test_no_tenant_is_missing_and_nothing_else_is_different(snapshot: Snapshot) -> None:
    namespaces = {key[0] for key in snapshot.pools}
    strangers = replace(snapshot, tenants=())
    found = preview(imagined.with_tenants(strangers, namespaces))
    for plan in found.plans.values():
        for verdict in plan.reservations.values():
            assert verdict.accepted.reason != ReservationReason.TENANT_NOT_FOUND
    known = preview(snapshot)
    assert [p.placement for p in found.plans.values()] == [
        p.placement for p in known.plans.values()
    ]
    assert imagined.with_tenants(snapshot, ()) is snapshot
