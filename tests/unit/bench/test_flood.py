"""The benchmark of the flood measures what it says."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench import curves
from bench.flood import __main__ as command
from bench.flood import scenario
from bench.flood.figures import percentile
from bench.flood.load import Load
from bench.flood.measure import Run
from tests.integration.sidecar.processes import EngineProcess
from tierfleet.plan import parse


def run(ttft: list[float], served: float = 100.0) -> Run:
    enterprise = {
        "ttft": {str(number): one for number, one in enumerate(ttft)},
        "served": 1,
        "refused": 0,
        "broken": 0,
    }
    return Run(10.0, served, 1.0, 5.0, 0.0, 4.0, {"enterprise": enterprise})


def test_the_plan_reserves_its_part_of_what_was_measured(tmp_path: Path) -> None:
    scenario.write_plan(tmp_path / "plan.json", 33_333.3)
    plan = parse(json.loads((tmp_path / "plan.json").read_text()))
    assert plan.groups[0].service_tokens_per_second == 33_333
    assert [contract.granted for contract in plan.reservations] == [9_999]


def test_clients_survive_the_way_to_the_process_that_sends() -> None:
    for clients in (scenario.enterprise(21.0), scenario.flood(21.0), scenario.steady(7)):
        document = json.loads(json.dumps(scenario.as_document(clients)))
        assert scenario.from_document(document) == clients
    assert scenario.flood(21.0).per_second == 10 * 21.0


def test_the_flood_is_compared_with_the_best_and_with_first_come(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rounds = {
        command.FCFS: run([9.0], 200.0),
        command.OURS: run([0.3], 198.0),
        command.BEST: run([0.25]),
        command.ALONE: run([0.1]),
    }
    monkeypatch.setattr("bench.installed.sidecar", lambda: tmp_path)
    monkeypatch.setattr(command, "_round", lambda _: rounds)
    monkeypatch.setattr("sys.argv", ["bench", "--rounds", "2", "--pictures", str(tmp_path)])
    assert command.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "flood ttft_p99_vs_best=1.200 ttft_p99_vs_unloaded=3.000 throughput_vs_fcfs=0.9900"
    )
    ET.parse(tmp_path / "ttft.svg")  # noqa: S314 - our own


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert percentile([float(n) for n in range(1, 101)], 99) == 99.0
    assert percentile([1.0], 50) == 1.0


def test_a_curve_without_points_is_drawn_too() -> None:
    ET.fromstring(curves.svg("within", {"nothing": []}))  # noqa: S314 - our own


@pytest.mark.parametrize("stream", [True, False])
async def test_callers_note_what_became_of_each_request(stream: bool) -> None:
    with EngineProcess("--model", scenario.MODEL, "--max-model-len", "16384") as engine:
        clients = scenario.Clients("enterprise", ("key",), per_second=200.0, most=2, stream=stream)
        load = Load(f"http://127.0.0.1:{engine.port}", 1.0, 0.2, 1)
        await load.run([clients])
    seen: dict[str, Any] = load.seen["enterprise"]
    assert seen["served"] > 0
    assert seen["refused"] == seen["broken"] == 0
    assert bool(seen["ttft"]) is stream
    assert all(seconds > 0 for seconds in seen["ttft"].values())
