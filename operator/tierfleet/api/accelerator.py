"""One kind of accelerator that a pool's replicas may run on.

Declares what a person writes about it. How replicas are placed is not known here.
"""

from typing import Annotated

from pydantic import ConfigDict, Field

from tierfleet.api.common import (
    Labels,
    LabelValue,
    Model,
    QualifiedName,
    ReplicaCount,
    ServiceTokensPerSecond,
)
from tierfleet.api.engine import EngineOverride
from tierfleet.api.schema import SET, Rule, cel

AcceleratorName = Annotated[
    str, Field(min_length=1, max_length=15, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]


class DeclaredCapacity(Model):
    """What one replica can serve, until it has been measured."""

    service_tokens_per_second: ServiceTokensPerSecond
    """Service tokens per second that one replica can serve."""


def without_devices(engine: str, resource: str) -> str:
    """CEL: the resources of an engine do not name a device; both are CEL expressions."""
    resources = f"{engine}.resources"
    return (
        f"(!has({resources}) || "
        f"(!has({resources}.requests) || !({resource} in {resources}.requests)) "
        f"&& (!has({resources}.limits) || !({resource} in {resources}.limits)))"
    )


DEVICES_ARE_COUNTED = "must not name the accelerator's resource: devicesPerReplica asks for it"


class Accelerator(Model):
    """A kind of device that replicas may run on."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "!has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
                "must be at least minReplicas",
                ".maxReplicas",
            ),
            Rule(
                f"!has(self.engine) || {without_devices('self.engine', 'self.resource')}",
                DEVICES_ARE_COUNTED,
                ".engine.resources",
            ),
        )
    )

    name: AcceleratorName
    """Short name, at most 15 characters: part of the names of child objects."""
    product_label: QualifiedName = "nvidia.com/gpu.product"
    """Node label that tells the product."""
    products: Annotated[
        tuple[Annotated[LabelValue, Field(min_length=1)], ...],
        Field(min_length=1, max_length=16, json_schema_extra=SET),
    ]
    """Values of that label, compared exactly: shared and MIG variants are products of their own."""
    node_selector: Labels = Field(default_factory=dict)
    """More labels that a node must have."""
    resource: QualifiedName = "nvidia.com/gpu"
    """Extended resource that a pod asks for."""
    devices_per_replica: Annotated[int, Field(ge=1, le=64)] = 1
    """Devices that one replica takes on a node."""
    nodes_per_replica: Annotated[
        int,
        Field(
            ge=1,
            le=32,
            json_schema_extra=cel(
                Rule(
                    "self == oldSelf",
                    "must not be changed: add an accelerator of another name beside this one, and "
                    "take this one out once the other serves",
                )
            ),
        ),
    ] = 1
    """Nodes that one replica runs on, for a model that is too large for one: it takes
    devicesPerReplica on each. More than 1 needs LeaderWorkerSet 0.9 or newer in the cluster, whose
    groups the replicas then are. An engine of type VLLM gets the arguments for that; one of type
    Custom finds LWS_LEADER_ADDRESS, LWS_GROUP_SIZE and LWS_WORKER_INDEX in its environment, and
    args may refer to them. It cannot be changed."""
    min_replicas: ReplicaCount = 0
    """Replicas that are placed here before the order of preference counts."""
    max_replicas: ReplicaCount | None = None
    """Most replicas that may be placed here. Left out: as many as there are devices."""
    capacity: DeclaredCapacity | None = None
    """What one replica can serve, as declared; what is measured wins once it is. Left out and not
    measured: CapacityKnown is False, and the replicas count nothing towards promises."""
    engine: EngineOverride = EngineOverride()
    """What differs from spec.engine here."""
