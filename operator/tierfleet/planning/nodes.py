"""Which nodes carry an accelerator, and which of them take a new replica: the scheduler's rules.

Only the rules that depend on nodes alone: product, selector, affinity, taints, ready, cordoned
(kube-scheduler's NodeAffinity, TaintToleration and NodeUnschedulable). CPU, memory, volumes and
affinity between pods are left to the scheduler; what it refuses is reported, not guessed.
"""

from collections.abc import Iterable

from tierfleet.api.accelerator import Accelerator
from tierfleet.api.inferencepool import PodTemplate
from tierfleet.api.scheduling import (
    NodeRequirement,
    NodeSelectorOperator,
    NodeSelectorTerm,
    TaintEffect,
    Toleration,
    TolerationOperator,
)
from tierfleet.planning.snapshot import Node, Taint

NAME_FIELD = "metadata.name"


def carries(node: Node, accelerator: Accelerator) -> bool:
    """True if the node is of one of the accelerator's products, exactly, and has its labels."""
    return node.labels.get(accelerator.product_label) in accelerator.products and all(
        node.labels.get(key) == value for key, value in accelerator.node_selector.items()
    )


def takes(node: Node, accelerator: Accelerator, template: PodTemplate) -> bool:
    """True if the scheduler may bind a new replica to the node, as far as devices allow."""
    return (
        node.ready
        and node.schedulable
        and carries(node, accelerator)
        and _tolerated(node.taints, tolerations(accelerator, template))
        and _affine(node, template)
    )


def tolerations(accelerator: Accelerator, template: PodTemplate) -> tuple[Toleration, ...]:
    """What the pods tolerate: the taint named like their device resource, then the template's."""
    own = Toleration(key=accelerator.resource, operator=TolerationOperator.EXISTS)
    return (own, *template.tolerations)


def _tolerated(taints: Iterable[Taint], tolerations: tuple[Toleration, ...]) -> bool:
    return all(
        any(_tolerates(toleration, taint) for toleration in tolerations)
        for taint in taints
        if taint.effect != TaintEffect.PREFER_NO_SCHEDULE
    )


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    """core/v1 `Toleration.ToleratesTaint`."""
    if toleration.effect is not None and toleration.effect != taint.effect:
        return False
    if toleration.key is not None and toleration.key != taint.key:
        return False
    if toleration.operator is TolerationOperator.EXISTS:
        return True
    return toleration.key is not None and (toleration.value or "") == taint.value


def required(template: PodTemplate) -> tuple[NodeSelectorTerm, ...] | None:
    """The node affinity that pods must have, as alternatives; None if there is none."""
    affinity = template.affinity.node_affinity
    selector = affinity and affinity.required_during_scheduling_ignored_during_execution
    return selector.node_selector_terms if selector else None


def _affine(node: Node, template: PodTemplate) -> bool:
    terms = required(template)
    return terms is None or any(_matches(node, term) for term in terms)


def _matches(node: Node, term: NodeSelectorTerm) -> bool:
    """component-helpers `nodeaffinity`: all requirements hold; an empty term matches nothing."""
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {NAME_FIELD: node.name}
    return all(
        _holds(requirement, node.labels.get(requirement.key))
        for requirement in term.match_expressions
    ) and all(_holds(requirement, fields.get(requirement.key)) for requirement in term.match_fields)


def _holds(requirement: NodeRequirement, value: str | None) -> bool:
    match requirement.operator:
        case NodeSelectorOperator.IN:
            return value in requirement.values
        case NodeSelectorOperator.NOT_IN:
            return value not in requirement.values
        case NodeSelectorOperator.EXISTS:
            return value is not None
        case NodeSelectorOperator.DOES_NOT_EXIST:
            return value is None
    try:
        found, bound = int(value or ""), int(requirement.values[0])
    except (ValueError, IndexError):
        return False
    return found > bound if requirement.operator is NodeSelectorOperator.GT else found < bound
