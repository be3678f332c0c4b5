"""Whose work decides when a Deployment shrinks, and what it is worth."""

from typing import Any

import pytest

from tests.unit.planning.world import replica
from tierfleet.planning import shrinking
from tierfleet.planning.snapshot import Pod


def serves(name: str, on: str = "h100", **more: Any) -> Pod:
    return replica("pool", on, "n", 1, name=name, **{"ready": True, **more})


THREE = (serves("c"), serves("a"), serves("b"))


def rivals(*pods: Pod, deployed: int, wanted: int) -> list[str]:
    return [pod.name for pod in shrinking.rivals(pods, "h100", deployed, wanted)]


@pytest.mark.parametrize("wanted", [1, 2])
def test_all_that_are_ready_are_rivals_when_some_go_and_some_stay(wanted: int) -> None:
    assert rivals(*THREE, deployed=3, wanted=wanted) == ["a", "b", "c"]


@pytest.mark.parametrize("wanted", [3, 4])
def test_nobody_is_while_nothing_shrinks(wanted: int) -> None:
    assert rivals(*THREE, serves("d"), deployed=3, wanted=wanted) == []


def test_nobody_is_when_all_go() -> None:
    assert rivals(*THREE, deployed=3, wanted=0) == []


def test_nobody_is_when_enough_are_not_ready_for_these_go_first() -> None:
    pods = (*THREE[:2], serves("loads", ready=False))
    assert rivals(*pods, deployed=3, wanted=2) == []
    assert rivals(*pods, deployed=3, wanted=1) == ["a", "c"]


def test_only_replicas_on_that_accelerator_that_stay_otherwise_are() -> None:
    others = (
        serves("elsewhere", on="b200"),
        serves("goes", terminating=True),
        serves("ended", finished=True),
    )
    assert rivals(*THREE[:2], *others, deployed=2, wanted=1) == ["a", "c"]
    assert rivals(THREE[0], *others, deployed=2, wanted=1) == []


def test_a_cost_is_the_number_of_requests_as_far_as_kubernetes_can_count() -> None:
    assert [shrinking.cost(count) for count in (0, 7, 2**31 - 1, 2**31)] == [
        *(0, 7),
        *(2_147_483_647,) * 2,
    ]
