"""What docs/chart.md says for Argo CD and Flux is what they can read."""

from typing import Any

import pytest
import yaml

from tests.integration.chart.argo import health, yaml_blocks


def judged(**conditions: str) -> dict[str, Any]:
    """An object whose conditions are judged for its current generation."""
    listed = [
        {"type": type_, "status": status, "message": f"{type_} is {status}."}
        for type_, status in conditions.items()
    ]
    status = {"observedGeneration": 2, "conditions": listed}
    return {"metadata": {"generation": 2}, "status": status}


def test_all_the_yaml_can_be_read() -> None:
    kinds = [
        document["kind"]
        for block in yaml_blocks()
        for document in yaml.safe_load_all(block)
        if "kind" in document
    ]
    assert kinds == [
        "NetworkPolicy",
        "Application",
        "GitRepository",
        "HelmRelease",
        "Kustomization",
    ]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(judged(Ready="True"), ("Healthy", "Ready is True."), id="ready"),
        pytest.param(judged(Ready="False"), ("Progressing", "Ready is False."), id="on its way"),
        pytest.param(
            judged(Ready="False", Stalled="True"), ("Degraded", "Stalled is True."), id="stalled"
        ),
        pytest.param(
            judged(Stalled="True", Ready="False"), ("Degraded", "Stalled is True."), id="order"
        ),
        pytest.param(judged(Ready="Unknown"), ("Progressing", "Ready is Unknown."), id="first"),
        pytest.param(
            {"metadata": {"generation": 1}},
            ("Progressing", "Waiting for the operator."),
            id="not seen",
        ),
        pytest.param(
            judged(Ready="True") | {"metadata": {"generation": 3}},
            ("Progressing", "Waiting for the operator."),
            id="changed since",
        ),
    ],
)
def test_argo_cd_shows_what_the_conditions_say(
    document: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert health(document) == expected
