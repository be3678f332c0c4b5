"""What a pool has promised for now and for soon: terms are planned ahead by the engine's load time.

A replica that is placed now serves once its engine has loaded. So a contract counts from that long
before its term on, for how many replicas a pool wants (`scaling.py`) and for which pool is given
devices first (`devices.py`), whoever scales the pool. What a contract is granted is not known here.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tierfleet import plan
from tierfleet.api import InferencePool
from tierfleet.planning import promises
from tierfleet.planning.promises import Promise
from tierfleet.planning.snapshot import Snapshot


def lead(pool: InferencePool) -> timedelta:
    """How long before a term begins its replicas are wanted: the longest that an engine loads."""
    return timedelta(seconds=pool.spec.engine.startup_timeout_seconds)


def promised(snapshot: Snapshot, pool: InferencePool, total: int) -> int:
    """The most service tokens/s that contracts guarantee at one instant from now until the lead.

    A peak and no sum, because the same replicas serve a contract and the one that follows it.
    Percents are of `total`; with 0 they are left out.
    """
    # The end of a term is not a part of it, and what begins just then is due.
    until = snapshot.now + lead(pool) + timedelta.resolution
    kept = [
        Promise(promises.amount(contract.declared, total), contract.term)
        for contract in _contracts(snapshot, pool)
    ]
    return promises.peak(kept, plan.Term(end=until), snapshot.now)


def changes(snapshot: Snapshot, pool: InferencePool) -> Iterator[datetime]:
    """When `promised` may be another number with nothing but the time changed; past ones too.

    Where a term comes into sight, and where one ends; its start has been in sight by then.
    """
    for contract in _contracts(snapshot, pool):
        start, end = contract.term.start, contract.term.end
        if start is not None:
            yield start - lead(pool)
        if end is not None:
            yield end


def _contracts(snapshot: Snapshot, pool: InferencePool) -> Iterator[plan.Reservation]:
    """The contracts on record whose reservations are still there."""
    alive = {reservation.metadata.uid for reservation in snapshot.reservations_of(pool.key)}
    for contract in snapshot.recorded_of(pool.key).reservations:
        if contract.uid in alive:
            yield contract
