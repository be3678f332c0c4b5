"""How much of a plan's index contracts may take: one that did not fit could not be written at all.

Then no change would reach the pool any more, revocations neither. It must not know which contract
is worth its room.
"""

from collections.abc import Iterable

from tierfleet import plan

CONTRACT_BYTES = 900_000
"""Most bytes of contracts in the index, which is one Secret of 1 MiB at most (core/v1
MaxSecretSize). All else in it is bounded by the CRDs, to less than 100 kB."""

_ENTRY_BYTES = 720
"""Most of an entry but for its names: every field there is, the largest numbers."""

_NAME_BYTES = 8
"""A line of the list of tenants, without the name."""


def size(contract: plan.Reservation) -> int:
    """Most bytes that the contract takes, whatever is granted: none of it changes by itself."""
    tenants = _NAME_BYTES * len(contract.tenants) + sum(map(len, contract.tenants))
    return _ENTRY_BYTES + len(contract.uid) + len(contract.name) + tenants


def room(contracts: Iterable[plan.Reservation]) -> int:
    """Bytes that these contracts leave to others; less than 0 if they take more than they may."""
    return CONTRACT_BYTES - sum(map(size, contracts))
