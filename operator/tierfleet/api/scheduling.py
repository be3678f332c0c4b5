"""core/v1 tolerations and affinity, typed, as a pool passes them on to its pods.

Apart from `corev1.py` because only people with special nodes need them. Defaults are left to the
API server of the pods, so that `to_raw` gives back what was written.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from tierfleet.api.common import DnsLabel, Model, QualifiedName
from tierfleet.api.corev1 import LabelSelector, Weight100
from tierfleet.api.schema import ATOMIC_LIST, ATOMIC_MAP, Rule, cel

_LabelKeys = Annotated[
    tuple[QualifiedName, ...], Field(max_length=16, json_schema_extra=ATOMIC_LIST)
]


class TolerationOperator(StrEnum):
    """How a toleration is compared with a taint."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Model):
    """A taint of nodes that the pods put up with."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
                "must be given unless operator is Exists",
                ".key",
            ),
            Rule(
                "!has(self.value) || !has(self.operator) || self.operator == 'Equal'",
                "must be left out when operator is Exists",
                ".value",
            ),
        )
    )

    key: QualifiedName | None = None
    """Key of the taint. Left out, with operator Exists: every taint."""
    operator: TolerationOperator | None = None
    """Exists, or Equal (the default)."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the taint, with operator Equal."""
    effect: TaintEffect | None = None
    """NoSchedule, PreferNoSchedule or NoExecute. Left out: all of them."""
    toleration_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """With NoExecute: seconds that a pod stays. Left out: for ever."""


class NodeSelectorOperator(StrEnum):
    """How a label or field of a node is compared with values."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


class NodeRequirement(Model):
    """One requirement on a node."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "(self.operator in ['Exists', 'DoesNotExist']) "
                "!= (has(self.values) && self.values.size() > 0)",
                "must be given for In, NotIn, Gt and Lt, and left out for Exists and DoesNotExist",
                ".values",
            )
        )
    )

    key: QualifiedName
    """Label of the node (or its field metadata.name)."""
    operator: NodeSelectorOperator
    """In, NotIn, Exists, DoesNotExist, Gt or Lt."""
    values: Annotated[
        tuple[Annotated[str, Field(max_length=63)], ...],
        Field(max_length=64, json_schema_extra=ATOMIC_LIST),
    ] = ()
    """Values for In and NotIn; one integer for Gt and Lt."""


_NodeRequirements = Annotated[
    tuple[NodeRequirement, ...], Field(max_length=16, json_schema_extra=ATOMIC_LIST)
]


class NodeSelectorTerm(Model):
    """Selects nodes; all requirements must hold."""

    model_config = ConfigDict(json_schema_extra=ATOMIC_MAP)

    match_expressions: _NodeRequirements = ()
    """Requirements on labels."""
    match_fields: _NodeRequirements = ()
    """Requirements on fields."""


class NodeSelector(Model):
    """Selects nodes; one term must hold."""

    model_config = ConfigDict(json_schema_extra=ATOMIC_MAP)

    node_selector_terms: Annotated[
        tuple[NodeSelectorTerm, ...],
        Field(min_length=1, max_length=16, json_schema_extra=ATOMIC_LIST),
    ]
    """Terms, of which one must hold."""


class PreferredNodes(Model):
    """Nodes that are preferred."""

    weight: Weight100
    """How much, 1 to 100."""
    preference: NodeSelectorTerm
    """Which nodes."""


class NodeAffinity(Model):
    """On which nodes the pods may run, beside the accelerator's products."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    """Nodes that pods must run on."""
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredNodes, ...], Field(max_length=16, json_schema_extra=ATOMIC_LIST)
    ] = ()
    """Nodes that are preferred."""


class PodAffinityTerm(Model):
    """Other pods, and the part of the cluster in which they count."""

    topology_key: QualifiedName
    """Label of nodes that makes up the part, such as topology.kubernetes.io/zone."""
    label_selector: LabelSelector | None = None
    """Which pods."""
    namespaces: Annotated[
        tuple[DnsLabel, ...], Field(max_length=16, json_schema_extra=ATOMIC_LIST)
    ] = ()
    """In which namespaces. Left out: the pool's."""
    namespace_selector: LabelSelector | None = None
    """In which namespaces, by label."""
    match_label_keys: _LabelKeys = ()
    """Labels whose value must be the pod's own."""
    mismatch_label_keys: _LabelKeys = ()
    """Labels whose value must not be the pod's own."""


class WeightedPodAffinityTerm(Model):
    """A preferred term."""

    weight: Weight100
    """How much, 1 to 100."""
    pod_affinity_term: PodAffinityTerm
    """The term."""


class PodAffinity(Model):
    """Other pods to run near to, or (as podAntiAffinity) away from."""

    required_during_scheduling_ignored_during_execution: Annotated[
        tuple[PodAffinityTerm, ...], Field(max_length=16, json_schema_extra=ATOMIC_LIST)
    ] = ()
    """Terms that must hold."""
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[WeightedPodAffinityTerm, ...], Field(max_length=16, json_schema_extra=ATOMIC_LIST)
    ] = ()
    """Terms that are preferred."""


class Affinity(Model):
    """Where the pods may run or prefer to."""

    node_affinity: NodeAffinity | None = None
    """Nodes to run on."""
    pod_affinity: PodAffinity | None = None
    """Pods to run near to."""
    pod_anti_affinity: PodAffinity | None = None
    """Pods to run away from."""
