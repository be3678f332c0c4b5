"""The three kinds as they are kept: typed, with what others wrote into their status. Pure.

kopf watches them. It says neither when it has listed again after a gap nor what was deleted in it,
so the lists that keep the caches complete are ours (`shell.py`).
"""

import logging
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from tierfleet.api import CapacityReservation, InferencePool
from tierfleet.api.common import Resource
from tierfleet.kube import ownership
from tierfleet.kube.ownership import Foreign
from tierfleet.kube.resources import Raw, key_of

STATUS_MANAGER = "tierfleet-status"
"""Field manager of the status of our kinds."""

Kind = TypeVar("Kind", bound=Resource)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Own(Generic[Kind]):
    """An object of one of our kinds.

    Attributes:
        object: with the status as it is, whoever wrote it.
        foreign: what others wrote into the status.
    """

    object: Kind
    foreign: tuple[Foreign, ...] = ()


def projection(kind: type[Kind]) -> Callable[[Raw], Own[Kind] | None]:
    """The projection of a kind, for its cache."""

    def project(raw: Raw) -> Own[Kind] | None:
        try:
            found = kind.model_validate(raw)
        except ValidationError:
            # Somebody wrote a status that no model of ours reads: it is replaced as a whole.
            try:
                found = kind.model_validate({**raw, "status": {}})
            except ValidationError:
                logger.exception("%s %s cannot be read.", raw.get("kind"), "/".join(key_of(raw)))
                return None
        return Own(found, ownership.foreign(raw, STATUS_MANAGER, "status", "status"))

    return project


def pool_terms(own: Own[InferencePool]) -> Iterator[Hashable]:
    """Under what a pool is found: its policy, and every product it may run on."""
    pool = own.object
    yield ("policy", (pool.key[0], pool.spec.policy_ref.name))
    for accelerator in pool.spec.accelerators:
        for product in accelerator.products:
            yield ("product", accelerator.product_label, product)


def reservation_terms(own: Own[CapacityReservation]) -> Iterator[Hashable]:
    """Under what a reservation is found: its pool."""
    reservation = own.object
    yield ("pool", (reservation.key[0], reservation.spec.pool_ref.name))
