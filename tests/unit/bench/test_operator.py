"""The large fleet: sizes that can be made, and of everything as much as they say."""

from collections import Counter

import pytest

from bench.operator import scenario
from bench.operator.__main__ import parsed
from bench.operator.scenario import Size


def test_the_sizes_that_are_measured_unless_told_otherwise_can_be_made() -> None:
    assert parsed([]).pools[-1] == 1000


@pytest.mark.parametrize("words", [["--pools", "500"], ["--pools", "0"], ["--changes", "3"]])
def test_a_size_that_cannot_be_made_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        parsed(words)
    assert refused.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_a_fleet_has_of_everything_as_much_as_its_size_says() -> None:
    size = Size(40)
    found = Counter(document["kind"] for document in scenario.objects(size))
    assert found == {
        "InferencePool": size.pools,
        "TierPolicy": size.policies,
        "Secret": size.keys,
        "CapacityReservation": size.reservations,
    }
    made = list(scenario.gpu_nodes(size))
    assert len(made) == size.nodes
    products = {node["metadata"]["labels"]["nvidia.com/gpu.product"] for node in made}
    assert products == {scenario.product(pool) for pool in range(size.pools)}
