"""The parts of core/v1 that a pool passes on to its pods, typed.

Typed instead of free-form, so that a misspelt field is refused at `kubectl apply` of the pool and
not minutes later by a Deployment that nobody looks at. Only what a pool needs is here; defaults are
left to the API server of the pods, so that `to_raw` gives back what was written.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from tierfleet.api.common import (
    Labels,
    LabelValue,
    Model,
    ObjectName,
    QualifiedName,
    Quantity,
    Text,
)
from tierfleet.api.schema import ATOMIC_LIST, ATOMIC_MAP, Rule, cel

EnvName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^=\s]+$")]
DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
Weight100 = Annotated[int, Field(ge=1, le=100)]
UnixId = Annotated[int, Field(ge=0, le=2**31 - 1)]


class KeySelector(Model):
    """One entry of a Secret or ConfigMap in the same namespace."""

    model_config = ConfigDict(json_schema_extra=ATOMIC_MAP)

    name: ObjectName
    """Name of the object."""
    key: DataKey
    """Entry in it."""
    optional: bool | None = None
    """True if the pod may start without it."""


class FieldSelector(Model):
    """A field of the pod."""

    model_config = ConfigDict(json_schema_extra=ATOMIC_MAP)

    field_path: Annotated[str, Field(min_length=1, max_length=253)]
    """Path of the field, such as status.podIP."""


class EnvSource(Model):
    """Where a value comes from: exactly one of the three."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef)]"
                ".filter(given, given).size() == 1",
                "must be exactly one of secretKeyRef, configMapKeyRef and fieldRef",
            )
        )
    )

    secret_key_ref: KeySelector | None = None
    """An entry of a Secret."""
    config_map_key_ref: KeySelector | None = None
    """An entry of a ConfigMap."""
    field_ref: FieldSelector | None = None
    """A field of the pod."""


class EnvVar(Model):
    """One environment variable."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "!has(self.value) || !has(self.valueFrom)",
                "must be only one of value and valueFrom",
            )
        )
    )

    name: EnvName
    """Name of the variable."""
    value: Text | None = None
    """Its value; use valueFrom for anything secret."""
    value_from: EnvSource | None = None
    """Where its value comes from."""


class ResourceRequirements(Model):
    """Compute resources of a container, without accelerators: devicesPerReplica asks for those."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "!has(self.requests) || !has(self.limits) || self.requests.all(name, "
                "!(name in self.limits) || quantity(string(self.requests[name]))"
                ".compareTo(quantity(string(self.limits[name]))) <= 0)",
                "must be at least the request of the same resource",
                ".limits",
            )
        )
    )

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] = Field(default_factory=dict)
    """Minimum, by resource name, such as cpu: "8"."""
    limits: Annotated[dict[str, Quantity], Field(max_length=16)] = Field(default_factory=dict)
    """Maximum, by resource name, such as memory: 64Gi."""


class Capabilities(Model):
    """Linux capabilities of the container."""

    add: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(max_length=64, json_schema_extra=ATOMIC_LIST),
    ] = ()
    """Capabilities to add, such as IPC_LOCK."""
    drop: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(max_length=64, json_schema_extra=ATOMIC_LIST),
    ] = ()
    """Capabilities to drop; ALL is dropped by default."""


class SeccompType(StrEnum):
    """Which seccomp profile applies."""

    RUNTIME_DEFAULT = "RuntimeDefault"
    LOCALHOST = "Localhost"
    UNCONFINED = "Unconfined"


class SeccompProfile(Model):
    """Seccomp profile of the container."""

    type: SeccompType
    """RuntimeDefault, Localhost or Unconfined."""
    localhost_profile: Annotated[str, Field(max_length=1024)] | None = None
    """Path of the profile on the node, with type Localhost."""


class SecurityContext(Model):
    """Security settings of the container. What is set here replaces the restricted default."""

    run_as_user: UnixId | None = None
    """User id of the process."""
    run_as_group: UnixId | None = None
    """Group id of the process."""
    run_as_non_root: bool | None = None
    """Whether the kubelet refuses to start it as root; default true."""
    read_only_root_filesystem: bool | None = None
    """Whether its root file system is read-only; default true."""
    allow_privilege_escalation: bool | None = None
    """Whether it may gain privileges; default false."""
    privileged: bool | None = None
    """Whether it runs with all privileges of the node; default false."""
    capabilities: Capabilities | None = None
    """Linux capabilities; by default all are dropped."""
    seccomp_profile: SeccompProfile | None = None
    """Seccomp profile; default RuntimeDefault."""


class SelectorOperator(StrEnum):
    """How a label is compared with values."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelRequirement(Model):
    """One requirement on a label."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "(self.operator in ['In', 'NotIn']) "
                "== (has(self.values) && self.values.size() > 0)",
                "must be given for In and NotIn, and left out for Exists and DoesNotExist",
                ".values",
            )
        )
    )

    key: QualifiedName
    """Key of the label."""
    operator: SelectorOperator
    """In, NotIn, Exists or DoesNotExist."""
    values: Annotated[
        tuple[LabelValue, ...], Field(max_length=64, json_schema_extra=ATOMIC_LIST)
    ] = ()
    """Values for In and NotIn."""


class LabelSelector(Model):
    """Selects objects by their labels; all requirements must hold. Empty selects all."""

    model_config = ConfigDict(json_schema_extra=ATOMIC_MAP)

    match_labels: Labels = Field(default_factory=dict)
    """Labels that must have exactly these values."""
    match_expressions: Annotated[
        tuple[LabelRequirement, ...], Field(max_length=16, json_schema_extra=ATOMIC_LIST)
    ] = ()
    """Requirements on labels."""

    def matches(self, labels: dict[str, str]) -> bool:
        """True if an object with these labels is selected (apimachinery's labels.Selector)."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            _holds(requirement, labels.get(requirement.key))
            for requirement in self.match_expressions
        )


def _holds(requirement: LabelRequirement, value: str | None) -> bool:
    match requirement.operator:
        case SelectorOperator.IN:
            return value in requirement.values
        case SelectorOperator.NOT_IN:
            return value not in requirement.values
        case SelectorOperator.EXISTS:
            return value is not None
        case SelectorOperator.DOES_NOT_EXIST:
            return value is None
