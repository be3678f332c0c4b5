"""InferencePool: a model, the engine that serves it, and the accelerators it may run on.

Declares the kind as the API server and the operator read it; its status is in `poolstatus.py`. It
must not know how replicas are placed or what pods look like. The Gateway API has a GA kind of the
same name in another group: in code, RBAC and docs always name the group.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from tierfleet.api.accelerator import DEVICES_ARE_COUNTED, Accelerator, without_devices
from tierfleet.api.common import (
    API_VERSION,
    Labels,
    Model,
    ObjectName,
    Percent,
    PercentOrZero,
    PortNumber,
    Ref,
    ReplicaCount,
    Resource,
)
from tierfleet.api.corev1 import LabelSelector
from tierfleet.api.engine import GENERATED_ARGS_RULES, Engine, Sidecar
from tierfleet.api.poolstatus import InferencePoolStatus, PoolCondition
from tierfleet.api.scheduling import Affinity, Toleration
from tierfleet.api.schema import (
    AGE,
    ATOMIC_LIST,
    SET,
    Column,
    Definition,
    Rule,
    Scale,
    cel,
    condition_column,
    keyed_by,
    reason_column,
)

ModelName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[^\s]+$")]
DesiredCount = Annotated[int, Field(ge=1, le=10_000)]

NAMES_OF_SEVERAL_NODES = 46
"""Characters of a pool's and an accelerator's name together. With two dashes, the replica's number
(4 digits) and the hash of a StatefulSet's revision (10) they are a label's value (63)."""


class ScalingMode(StrEnum):
    """Who decides the number of replicas."""

    MANUAL = "Manual"
    AUTOMATIC = "Automatic"
    EXTERNAL = "External"


class PartitioningMode(StrEnum):
    """How reserved and shared traffic divide the replicas."""

    SLICED = "Sliced"
    DEDICATED = "Dedicated"


class GatewayMode(StrEnum):
    """Whether a Gateway API object is made."""

    NEVER = "Never"
    EMIT = "Emit"


class FailureMode(StrEnum):
    """What a Gateway does when the endpoint picker does not answer."""

    FAIL_OPEN = "FailOpen"
    FAIL_CLOSE = "FailClose"


class Access(Model):
    """Which tenants may use the pool."""

    tenant_selector: LabelSelector = LabelSelector()
    """Selects tenants by the labels of their Secrets; others get 403. Empty selects all."""


class ServedModel(Model):
    """The model that is served."""

    name: ModelName
    """Name that callers put into the field model of a request."""
    source: (
        Annotated[
            str, Field(min_length=1, max_length=1024, pattern=r"^([a-z][a-z0-9+.-]*://|/)\S+$")
        ]
        | None
    ) = None
    """Where the engine loads it from: hf://org/name, another URI that the engine understands, or an
    absolute path in its container. Required unless engine.type is Custom, whose args say it."""
    aliases: Annotated[tuple[ModelName, ...], Field(max_length=16, json_schema_extra=SET)] = ()
    """Other names for the same model."""


class Scaling(Model):
    """Who decides the number of replicas."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "self.mode == 'Automatic' || !(has(self.minReplicas) || has(self.maxReplicas) "
                "|| has(self.targetUtilizationPercent))",
                "must be Automatic when minReplicas, maxReplicas or targetUtilizationPercent "
                "is set",
                ".mode",
            ),
            Rule(
                "self.mode != 'Automatic' || has(self.maxReplicas)",
                "must be given when mode is Automatic",
                ".maxReplicas",
            ),
            Rule(
                "!has(self.minReplicas) || !has(self.maxReplicas) "
                "|| self.minReplicas <= self.maxReplicas",
                "must be at least minReplicas",
                ".maxReplicas",
            ),
        )
    )

    mode: ScalingMode = ScalingMode.MANUAL
    """Manual: spec.replicas. Automatic: the operator, between minReplicas and maxReplicas, by what
    it measures; spec.replicas is not used, so kubectl scale and an HPA change nothing.
    External: spec.replicas, owned by an HPA or another controller through the scale subresource."""
    min_replicas: DesiredCount | None = None
    """Fewest replicas, with mode Automatic. Left out: 1."""
    max_replicas: DesiredCount | None = None
    """Most replicas, with mode Automatic."""
    target_utilization_percent: Percent | None = None
    """Percent of capacity to aim for, with mode Automatic. Left out: 80."""


class Disruption(Model):
    """How many replicas may be missing on purpose."""

    max_unavailable: DesiredCount = 1
    """Replicas that may be down at once through rollouts, evictions and moves to a preferred
    accelerator, over the pool. A pool that has fewer than `replicas` anyway lets none be evicted,
    so a node drain waits: lower `replicas` to what there is, or raise this."""


class Partitioning(Model):
    """How the pool's throughput is divided, promised and lent."""

    mode: PartitioningMode = PartitioningMode.SLICED
    """Sliced: every replica carries the same slice of each promise. Dedicated: reserved tenants get
    whole replicas."""
    sellable_percent: Percent = 90
    """Percent of what survives the loss of spareReplicas that may be promised."""
    spare_replicas: ReplicaCount = 1
    """Replicas, the largest first, that may be lost without breaking a promise. At most all but one
    are set aside."""
    lendable_percent: PercentOrZero = 100
    """Percent of idle reserved throughput that serves other traffic; a reservation's own value
    wins."""


class EndpointPickerPort(Model):
    """Port of the endpoint picker."""

    number: PortNumber
    """Port number."""


class EndpointPickerRef(Model):
    """The Gateway API Inference Extension's endpoint picker."""

    name: ObjectName
    """Service in the same namespace."""
    port: EndpointPickerPort
    """Port of the Service."""
    failure_mode: FailureMode = FailureMode.FAIL_CLOSE
    """FailClose or FailOpen: what a Gateway does when it does not answer."""


class GatewayOptions(Model):
    """Whether a Gateway can route to the pool."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "(self.inferencePool == 'Emit') == has(self.endpointPickerRef)",
                "must be given when inferencePool is Emit, and left out otherwise",
                ".endpointPickerRef",
            ),
        )
    )

    inference_pool: GatewayMode = GatewayMode.NEVER
    """Emit makes an InferencePool of group inference.networking.k8s.io that selects the pods. While
    the cluster does not know that kind, Ready is False with reason GatewayApiMissing."""
    endpoint_picker_ref: EndpointPickerRef | None = None
    """Its endpoint picker; with Emit only."""


_NOT_OURS = cel(
    Rule("self.all(key, !key.startsWith('tierfleet.dev/'))", "must not use keys of tierfleet.dev/")
)


class PodTemplate(Model):
    """What is added to the pods."""

    labels: Annotated[Labels, Field(json_schema_extra=_NOT_OURS)] = Field(default_factory=dict)
    """Labels of the pods."""
    annotations: Annotated[
        dict[str, Annotated[str, Field(max_length=4096)]],
        Field(max_length=64, json_schema_extra=_NOT_OURS),
    ] = Field(default_factory=dict)
    """Annotations of the pods."""
    tolerations: Annotated[
        tuple[Toleration, ...], Field(max_length=32, json_schema_extra=ATOMIC_LIST)
    ] = ()
    """Taints of nodes that the pods put up with, beside that of the accelerator's resource."""
    affinity: Affinity = Affinity()
    """Where the pods may run or prefer to, beside the accelerator's products."""


class InferencePoolSpec(Model):
    """What is served, on what, and how it is shared."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            *GENERATED_ARGS_RULES,
            Rule(
                "self.engine.type == 'Custom' || has(self.model.source)",
                "must be given unless engine.type is Custom",
                ".model.source",
            ),
            Rule(
                "self.engine.type != 'Custom' || !has(self.model.source)",
                "must be left out when engine.type is Custom: engine.args name the model",
                ".model.source",
            ),
            Rule(
                "self.sidecar.port != self.sidecar.adminPort "
                "&& self.engine.port != self.sidecar.port "
                "&& self.engine.port != self.sidecar.adminPort",
                "must be different from sidecar.port and sidecar.adminPort, and those from each "
                "other: they share the pod's network",
                ".engine.port",
            ),
            Rule(
                f"self.accelerators.all(a, {without_devices('self.engine', 'a.resource')})",
                DEVICES_ARE_COUNTED,
                ".engine.resources",
            ),
        )
    )

    policy_ref: Ref
    """TierPolicy that decides who is served in which order."""
    access: Access = Access()
    """Which tenants of the policy may use this pool."""
    model: ServedModel
    """The model that is served."""
    engine: Engine
    """The engine that serves it."""
    sidecar: Sidecar
    """The sidecar in front of the engine."""
    accelerators: Annotated[
        tuple[Accelerator, ...],
        Field(min_length=1, max_length=8, json_schema_extra=keyed_by("name")),
    ]
    """Devices that replicas may run on, at most 8. Their order is the order of preference."""
    replicas: ReplicaCount = 1
    """Replicas over all accelerators. Set by kubectl scale, or by an HPA with scaling.mode
    External; the operator never writes it. With scaling.mode Automatic it is not used."""
    scaling: Scaling = Scaling()
    """Who decides the number of replicas."""
    placement_weight: Annotated[int, Field(ge=1, le=1000)] = 1
    """Order among pools that want the same devices and have promised equally much (more is first):
    the higher weight is served first, and gets all it wants before the next gets any."""
    disruption: Disruption = Disruption()
    """How many replicas may be missing on purpose."""
    drain_timeout_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """Longest that a replica which is going away finishes its running requests."""
    partitioning: Partitioning = Partitioning()
    """How throughput is divided, promised and lent."""
    gateway: GatewayOptions = GatewayOptions()
    """Whether a Gateway can route to the pool."""
    template: PodTemplate = PodTemplate()
    """What is added to the pods."""

    @property
    def most_replicas(self) -> int:
        """As many as the pool may come to have without a change of the spec."""
        if self.scaling.mode is ScalingMode.AUTOMATIC:
            return self.scaling.max_replicas or self.replicas
        return self.replicas

    @property
    def on_several_nodes(self) -> bool:
        """Whether replicas on one of the accelerators take several nodes each."""
        return any(accelerator.nodes_per_replica > 1 for accelerator in self.accelerators)


class InferencePool(Resource):
    """A model served by a fleet of replicas on one or several kinds of accelerator."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "self.metadata.name.size() <= 40 "
                "&& self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                "must be at most 40 lower-case letters, digits and dashes, and begin with a "
                "letter: Services are named after it",
            ),
            Rule(
                "self.spec.accelerators.all(a, a.nodesPerReplica == 1 || "
                f"self.metadata.name.size() + a.name.size() <= {NAMES_OF_SEVERAL_NODES})",
                "must have names that are short enough where nodesPerReplica is more than 1: the "
                f"pool's and the accelerator's at most {NAMES_OF_SEVERAL_NODES} characters "
                "together, because pods carry both and more in one label",
                ".spec.accelerators",
            ),
        )
    )

    definition: ClassVar[Definition] = Definition(
        kind="InferencePool",
        plural="inferencepools",
        short_name="tpool",
        columns=(
            Column("Model", ".spec.model.name", "Name that callers ask for."),
            Column("Ready", ".status.readySummary", "Ready of wanted replicas."),
            Column("Placement", ".status.placementSummary", "Replicas on each accelerator."),
            Column(
                "Capacity", ".status.capacity.total", "Service tokens per second.", type="integer"
            ),
            Column(
                "Promised",
                ".status.capacity.promised",
                "Service tokens per second that are promised.",
                type="integer",
            ),
            condition_column(PoolCondition.ENFORCED, "Whether pods report the current plan."),
            Column("Policy", ".spec.policyRef.name", "TierPolicy that is used.", wide=True),
            reason_column("Accepted", PoolCondition.ACCEPTED, "Why it is accepted or not."),
            reason_column("Placed", PoolCondition.PLACED, "Why its replicas are placed or not."),
            reason_column("Scaled", PoolCondition.SCALED, "With scaling.mode Automatic: by what."),
            AGE,
        ),
        scale=Scale(),
    )

    api_version: Literal["tierfleet.dev/v1alpha1"] = API_VERSION
    kind: Literal["InferencePool"] = "InferencePool"
    spec: InferencePoolSpec
    """What is served, as wanted."""
    status: InferencePoolStatus = InferencePoolStatus()
    """What the operator found; written by it alone."""
