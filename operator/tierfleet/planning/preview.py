"""What the operator would plan for a whole snapshot at once, and would say about it.

The operator plans a group, a pool, a reservation at a time, as they change; the functions are the
same. It must not know how a plan is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tierfleet.api import Key
from tierfleet.api.capacityreservation import CapacityReservationStatus
from tierfleet.api.poolstatus import InferencePoolStatus
from tierfleet.api.tierpolicy import TierPolicyStatus
from tierfleet.plan import sha256_hex
from tierfleet.planning import record
from tierfleet.planning.devices import device_groups, grant
from tierfleet.planning.enforcement import Enforcement
from tierfleet.planning.pool import PoolPlan, TokenHashes, plan_pool
from tierfleet.planning.snapshot import PoolKey, Snapshot
from tierfleet.planning.status import summarise_policy, summarise_pool, summarise_reservation

TOKENS = TokenHashes(sha256_hex("admin"), sha256_hex("hook"))
"""Of nobody: a plan that is only looked at is never given to a sidecar with them in it."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The plans of all pools, by key, and the statuses of all objects that go with them."""

    snapshot: Snapshot
    plans: Mapping[PoolKey, PoolPlan]
    pools: Mapping[PoolKey, InferencePoolStatus]
    reservations: Mapping[Key, CapacityReservationStatus]
    policies: Mapping[Key, TierPolicyStatus]


def preview(snapshot: Snapshot, granting: Snapshot | None = None) -> Preview:
    """All plans of the snapshot; devices are granted from `granting`, if that is another one."""
    devices = granting or snapshot
    placements = {
        key: placement
        for group in device_groups(devices.pools.values(), devices.nodes.values())
        for key, placement in grant(devices, group).items()
    }
    # As it is once those that would leave are gone: until then a plan counts them too (`shares`).
    settled = replace(snapshot, pods=(), replicas={})
    plans = {
        key: plan_pool(settled, key, placement, TOKENS)
        for key, placement in sorted(placements.items())
    }
    # Nobody runs them yet.
    running = {
        key: Enforcement(record.of(found.plan) if found.plan else snapshot.recorded_of(key))
        for key, found in plans.items()
    }
    pool_of = {
        key: (key[0], reservation.spec.pool_ref.name)
        for key, reservation in sorted(snapshot.reservations.items())
    }
    return Preview(
        snapshot=snapshot,
        plans=plans,
        pools={key: summarise_pool(snapshot, plans[key], running[key]) for key in plans},
        reservations={
            key: summarise_reservation(snapshot, key, plans.get(pool), running.get(pool))
            for key, pool in pool_of.items()
        },
        policies={key: summarise_policy(snapshot, key) for key in sorted(snapshot.policies)},
    )
