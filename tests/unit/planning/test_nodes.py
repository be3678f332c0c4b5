"""Which nodes take a replica: the scheduler's rules, as far as nodes go."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.planning.world import GPU, PRODUCT, accelerator, pool
from tierfleet.planning import nodes
from tierfleet.planning.snapshot import Node, Taint

NODE = Node("n1", {PRODUCT: "NVIDIA-H100-80GB-HBM3", "zone": "a", "cores": "64"})


def takes(node: Node = NODE, template: Any = None, **spec: Any) -> bool:
    found = pool("pool", accelerator(**spec), template=template or {}).spec
    return nodes.takes(node, found.accelerators[0], found.template)


def affine(*terms: Any) -> Any:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


def expression(key: str, operator: str, *values: str) -> Any:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def test_a_node_selector_must_match_every_label() -> None:
    assert takes(nodeSelector={"zone": "a"})
    assert not takes(nodeSelector={"zone": "b"})
    assert not takes(nodeSelector={"zone": "a", "rack": "1"})


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (expression("zone", "In", "a", "b"), True),
        (expression("zone", "In", "b"), False),
        (expression("zone", "NotIn", "b"), True),
        (expression("zone", "NotIn", "a"), False),
        (expression("rack", "NotIn", "a"), True),
        (expression("zone", "Exists"), True),
        (expression("rack", "Exists"), False),
        (expression("rack", "DoesNotExist"), True),
        (expression("zone", "DoesNotExist"), False),
        (expression("cores", "Gt", "32"), True),
        (expression("cores", "Gt", "64"), False),
        (expression("cores", "Lt", "65"), True),
        (expression("cores", "Lt", "64"), False),
        (expression("zone", "Gt", "1"), False),
        (expression("cores", "Gt"), False),
        ({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}, True),
        ({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}, False),
        ({}, False),
    ],
)
def test_a_required_node_affinity_term_is_read_as_the_scheduler_reads_it(
    term: Any, expected: bool
) -> None:
    assert takes(template=affine(term)) is expected


def test_terms_of_a_node_affinity_are_alternatives_and_their_requirements_are_not() -> None:
    here, away = expression("zone", "In", "a"), expression("zone", "In", "b")
    both = {"matchExpressions": here["matchExpressions"] + away["matchExpressions"]}
    assert takes(template=affine(away, here))
    assert not takes(template=affine(both))


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"key": "team", "operator": "Exists"}, True),
        ({"key": "team", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "team", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "team", "value": "research"}, True),
        ({"key": "team", "operator": "Equal", "value": "other"}, False),
        ({"key": "team"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"operator": "Exists"}, True),
        ({"value": "research"}, False),
    ],
)
def test_a_toleration_is_read_as_the_scheduler_reads_it(toleration: Any, expected: bool) -> None:
    tainted = replace(NODE, taints=(Taint("team", "NoSchedule", "research"),))
    assert takes(tainted, {"tolerations": [toleration]}) is expected


def test_a_taint_that_only_prefers_keeps_nobody_away() -> None:
    assert takes(replace(NODE, taints=(Taint("busy", "PreferNoSchedule"),)))


def test_the_taint_named_like_the_devices_is_tolerated_whatever_they_are_called() -> None:
    tainted = replace(NODE, taints=(Taint("google.com/tpu", "NoSchedule", "present"),))
    assert takes(tainted, resource="google.com/tpu")
    assert not takes(tainted, resource=GPU)
