"""Wrong variants of the admission core, a table a part; most are known from other schedulers."""

from tests.mutants.tables import accounts, guarantees, order, reclaim, room, shedding

MUTANTS = (
    *guarantees.MUTANTS,
    *order.MUTANTS,
    *room.MUTANTS,
    *reclaim.MUTANTS,
    *shedding.MUTANTS,
    *accounts.MUTANTS,
)
