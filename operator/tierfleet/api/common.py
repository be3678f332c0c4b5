"""What all kinds share: the base model, metadata, references and the scalar types with bounds.

Every scalar of a spec is bounded, because the API server estimates the cost of CEL rules from the
bounds. Reading is lenient where writing is strict: the API server refuses unknown fields, while an
older operator must be able to read an object that a newer one stored.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from tierfleet.api.schema import ATOMIC_MAP, Definition

GROUP = "tierfleet.dev"
VERSION = "v1alpha1"
API_VERSION: Literal["tierfleet.dev/v1alpha1"] = "tierfleet.dev/v1alpha1"
CATEGORY = "tierfleet"

POLICY_LABEL = f"{GROUP}/policy"
TENANT_LABEL = f"{GROUP}/tenant"
TIER_LABEL = f"{GROUP}/tier"
WEIGHT_ANNOTATION = f"{GROUP}/weight"

DECIMAL_PATTERN = r"^(0|[1-9][0-9]{0,5})(\.[0-9]{1,6})?$"
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
_TIME_PATTERN = (
    r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-](0[0-9]|1[0-4]):[0-5][0-9])$"
)
_QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]+)?([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$"


def to_rfc3339(value: datetime) -> str:
    """A time as Kubernetes writes it: UTC, whole seconds, `Z`."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _to_whole_seconds(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise ValueError("must be a time whose year has four digits in UTC") from None


Timestamp = Annotated[
    AwareDatetime,
    AfterValidator(_to_whole_seconds),
    PlainSerializer(to_rfc3339, return_type=str, when_used="json"),
]
"""A time with a zone, in UTC and whole seconds as metav1.Time has it."""

WrittenTime = Annotated[Timestamp, Field(json_schema_extra={"pattern": _TIME_PATTERN})]
"""A time that people write. The API server takes more for a date-time than can be read, such as one
in the year 0, and an object that cannot be read would be none."""

DnsLabel = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
ObjectName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]
TenantName = Annotated[
    str,
    Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"),
]
"""A label value, because a tenant is the value of a label on its Secrets."""

QualifiedName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=317,
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
    ),
]
"""The key of a label, or the name of an extended resource."""

LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL_VALUE_PATTERN)]
Labels = Annotated[dict[str, LabelValue], Field(max_length=64)]
ImageName = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^\S+$")]
Text = Annotated[str, Field(max_length=4096)]

DecimalString = Annotated[str, Field(max_length=13, pattern=DECIMAL_PATTERN)]
"""A decimal of at most six decimals below a million: a whole number of micro units."""

Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(max_length=32, pattern=_QUANTITY_PATTERN),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "maxLength": 32, "pattern": _QUANTITY_PATTERN}
    ),
]
"""A resource.Quantity that is not negative, such as 500m, 8 or 64Gi."""

Percent = Annotated[int, Field(ge=1, le=100)]
PercentOrZero = Annotated[int, Field(ge=0, le=100)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
ReplicaCount = Annotated[int, Field(ge=0, le=10_000)]
ServiceTokensPerSecond = Annotated[int, Field(ge=1, le=10**9)]
TokenCount = Annotated[int, Field(ge=1, le=10**9)]
Milliseconds = Annotated[int, Field(ge=1, le=3_600_000)]
Seconds = Annotated[int, Field(ge=1, le=86_400)]


class Model(BaseModel):
    """Base of every part of a kind: camelCase outside, immutable, tolerant of unknown fields."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    def to_raw(self) -> dict[str, Any]:
        """The JSON form that the API server takes: camelCase, without what is unset or None.

        So what was parsed comes back as it was written, less unknown fields.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


class Ref(Model):
    """Names another object in the same namespace."""

    model_config = ConfigDict(json_schema_extra=ATOMIC_MAP)

    name: ObjectName
    """Name of the object, which must be in the same namespace."""


class Metadata(Model):
    """The part of ObjectMeta that the operator reads."""

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


Key = tuple[str, str]
"""Namespace and name."""


class Resource(Model):
    """An object of one of the kinds; the subclasses add `kind`, `spec` and `status`."""

    definition: ClassVar[Definition]

    metadata: Metadata

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return (self.metadata.namespace, self.metadata.name)
