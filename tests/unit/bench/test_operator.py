"""The large fleet: sizes that can be made, and of everything as much as they say."""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.operator import __main__ as command
from bench.operator import scenario
from bench.operator.__main__ import parsed
from bench.operator.measure import Found
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


def found(pools: int, *, seconds: float, change_cpu: float) -> Found:
    return Found(
        pools=pools,
        warm_seconds=seconds,
        warm_writes=0,
        warm_cpu=seconds,
        changes=(0.1,) * 99 + (0.5,),
        change_cpu=change_cpu,
        idle_requests=0,
        idle_seconds=300.0,
        idle_cpu=0.01,
        rss_megabytes=150.0,
    )


def test_the_larger_fleet_is_what_the_figures_are_of_and_the_growth_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few, many = (
        found(480, seconds=15.0, change_cpu=0.04),
        found(960, seconds=31.0, change_cpu=0.05),
    )
    command._report([few, many], tmp_path)
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "operator warm_s=31.0 change_p99_s=0.104 idle_writes=0 rss_mb=150"
    assert "Missed: warm_s is 31; the goal for 1,000 pools is 30." in told
    assert "With 2 times the pools a change costs 1.25 times the processor time." in told
    ET.parse(tmp_path / "changes.svg")  # noqa: S314 - our own
