"""Wrong variants of the pure cores, a table a part; most are known from other schedulers."""

from tests.mutants.tables import (
    accounts,
    ahead,
    devices,
    guarantees,
    measured,
    order,
    promises,
    reclaim,
    reports,
    room,
    shares,
    shedding,
    shrinking,
    traffic,
)

MUTANTS = (
    *guarantees.MUTANTS,
    *order.MUTANTS,
    *room.MUTANTS,
    *reclaim.MUTANTS,
    *shedding.MUTANTS,
    *accounts.MUTANTS,
    *devices.MUTANTS,
    *promises.MUTANTS,
    *ahead.MUTANTS,
    *shares.MUTANTS,
    *reports.MUTANTS,
    *measured.MUTANTS,
    *shrinking.MUTANTS,
    *traffic.MUTANTS,
)
