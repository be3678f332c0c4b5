"""Where replicas are placed, and why there are not more: the result of the device grant.

Numbers only; the sentences are made in `status.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Limit(StrEnum):
    """What kept an accelerator from more replicas."""

    NO_SUCH_ACCELERATOR = "NoSuchAccelerator"
    INSUFFICIENT_DEVICES = "InsufficientDevices"
    MAX_REPLICAS = "MaxReplicas"
    MOVING = "Moving"
    LEADER_WORKER_SET_MISSING = "LeaderWorkerSetMissing"


class Scale(StrEnum):
    """Why a pool that is scaled by the operator has the number of replicas that it has."""

    AT_TARGET = "AtTarget"
    """As many as the load asks for."""
    NO_METRICS = "NoMetrics"
    """Nobody knows the load: as many as there were."""
    MIN_REPLICAS = "MinReplicas"
    """Fewer would do."""
    PROMISED = "Promised"
    """Fewer would do for the load, but not for what was promised."""
    MAX_REPLICAS = "MaxReplicas"
    """More are needed."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why an accelerator has fewer replicas than were wanted on it.

    Attributes:
        wanted: replicas that would have been placed here.
        found: replicas that are.
        stranded: free devices on nodes that have too few left for a whole replica, or that are too
            few nodes for one.
        closed: nodes of the product that take no new pods: not ready, cordoned, or with a taint,
            label or affinity that keeps these pods away.
    """

    limit: Limit
    wanted: int
    found: int
    stranded: int = 0
    closed: int = 0


@dataclass(frozen=True, slots=True)
class AcceleratorPlacement:
    """Replicas planned on one accelerator."""

    name: str
    desired: int
    shortfall: Shortfall | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Replicas planned on each accelerator, in the order of preference.

    Attributes:
        wanted: replicas over all accelerators, as the spec asks for, or with scaling mode Automatic
            the load.
        movable: of the planned ones, how many would rather be on another accelerator that has room.
        scale: why so many are wanted; None unless the operator decides about that.
    """

    wanted: int
    accelerators: tuple[AcceleratorPlacement, ...]
    movable: int = 0
    scale: Scale | None = None

    @property
    def total(self) -> int:
        """Replicas over all accelerators, as planned."""
        return sum(accelerator.desired for accelerator in self.accelerators)

    @property
    def desired(self) -> Mapping[str, int]:
        """Planned replicas by accelerator, those with none too."""
        return {accelerator.name: accelerator.desired for accelerator in self.accelerators}

    @property
    def summary(self) -> str:
        """As a person reads it: `b200:4 h100:2`, or `none`."""
        return " ".join(f"{a.name}:{a.desired}" for a in self.accelerators if a.desired) or "none"
