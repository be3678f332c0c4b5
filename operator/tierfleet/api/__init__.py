"""The three kinds of `tierfleet.dev`, as the API server validates and the operator reads them.

`InferencePool.model_validate(raw)` parses what the API server holds. Nothing here knows a client,
a clock or what the operator does with the kinds.
"""

from tierfleet.api.capacityreservation import CapacityReservation
from tierfleet.api.common import API_VERSION, GROUP, VERSION, Key
from tierfleet.api.inferencepool import InferencePool
from tierfleet.api.tierpolicy import TierPolicy

KINDS = (TierPolicy, InferencePool, CapacityReservation)

__all__ = [
    "API_VERSION",
    "GROUP",
    "KINDS",
    "VERSION",
    "CapacityReservation",
    "InferencePool",
    "Key",
    "TierPolicy",
]
