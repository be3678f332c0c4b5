"""The part of a plan that comes from the InferencePool: model and groups of replicas. Pure."""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from math import isqrt

from tierfleet.plan.base import Count, Name, Part, Positive, Time


def most_held_back(seats: int) -> int:
    """Seats of an engine with so many that are kept free for what is promised: a quarter at most.

    Both sides of the plan go by it: the operator promises no burst that needs more, and the
    admission core keeps no more in a steady flow, so that no promise can idle more than a quarter
    of an engine for long.
    """
    return seats // 4


def burst_window(milliseconds: int, share: Fraction) -> int:
    """For how many milliseconds of its own part of a rate a replica may run ahead.

    Requests are spread over K equal replicas by chance, and chance adds up with the root of K: each
    is given rβ/√K of a burst of rβ, which is β·√K at its rate r/K. Of rβ/K, much that conforms as a
    whole would not where it comes to. The price is a burst of √K·rβ if all come at once. The
    operator promises no burst that seats cannot start at this rate (`planning/burst.py`).

    Args:
        milliseconds: β, of the whole rate.
        share: of the whole rate, in (0, 1].
    """
    return isqrt(milliseconds**2 * share.denominator // share.numerator)


class PartitionName(StrEnum):
    """The partition a replica belongs to; a `Sliced` one carries the same slice of both as all."""

    SLICED = "Sliced"
    RESERVED = "Reserved"
    SHARED = "Shared"


class EngineType(StrEnum):
    """Which engine serves the model; Custom is any server with OpenAI's API."""

    VLLM = "VLLM"
    TENSORRT_LLM = "TensorRTLLM"
    SGLANG = "SGLang"
    CUSTOM = "Custom"

    @property
    def takes_priority(self) -> bool:
        """Whether a request can tell it a priority."""
        return self in {EngineType.VLLM, EngineType.SGLANG}


class PoolIdentity(Part):
    """Which InferencePool (`tierfleet.dev`) the plan is for."""

    namespace: Name = "default"
    name: Name


class Model(Part):
    """The model that callers name: its served name, and the aliases that mean the same."""

    name: Name
    aliases: tuple[Name, ...] = ()

    def serves(self, name: str) -> bool:
        """True if a request for `name` is a request for this model."""
        return name == self.name or name in self.aliases


class MeanCost(Part):
    """What a request of this pool costs at the mean. The operator's memory, like `measured_since`.

    Attributes:
        service_tokens: at the scheduling rates.
        measured_since: when it was measured.
    """

    service_tokens: Positive
    measured_since: Time


class Group(Part):
    """Replicas of one accelerator and partition.

    Attributes:
        name: the accelerator's name; in Dedicated mode with its partition.
        accelerator: as in the pool's spec.
        partition: which promises these replicas serve.
        desired: replicas that share the rates, ready or not: those that are wanted, and those that
            are leaving until they are gone.
        service_tokens_per_second: rate of one replica; 0 while it is neither declared nor measured.
        measured_since: when it was measured; None: it is as declared. The operator's memory, which
            sidecars have no use for.
        max_sequences: seats of one replica's engine.
    """

    name: Name
    accelerator: Name
    partition: PartitionName = PartitionName.SLICED
    desired: Count
    service_tokens_per_second: Count = 0
    measured_since: Time | None = None
    max_sequences: Positive = 256


def share(groups: Sequence[Group], own: Group) -> Fraction:
    """Part of every fleet-wide rate that one replica of a group serves, in (0, 1].

    Its own rate over the sum of all desired replicas' rates; by replica count as soon as one rate
    is unknown. Desired, never ready: a restart elsewhere changes nothing here. A replica of a group
    that is no longer desired counts itself in, so that it goes on serving sensibly until it is
    gone.
    """
    counted = [
        (max(group.desired, 1 if group is own else 0), group.service_tokens_per_second)
        for group in groups
    ]
    if all(rate > 0 for desired, rate in counted if desired):
        return Fraction(
            own.service_tokens_per_second, sum(desired * rate for desired, rate in counted)
        )
    return Fraction(1, sum(desired for desired, _ in counted))
