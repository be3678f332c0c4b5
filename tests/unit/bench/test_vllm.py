"""The benchmark of a real vLLM measures what it says."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.flood.measure import Run
from bench.flood.scenario import service_tokens
from bench.vllm import __main__ as command
from bench.vllm import scenario
from tests.unit.bench.test_flood import run
from tierfleet.plan import parse


def test_the_plan_reserves_its_part_of_what_was_measured() -> None:
    plan = parse(scenario.contract(999.9))
    assert plan.groups[0].service_tokens_per_second == 999
    assert plan.groups[0].max_sequences == scenario.SEATS
    (reservation,) = plan.reservations
    assert reservation.granted == 299
    # As many seats as are kept free can start at once: a quarter.
    cost = service_tokens(64 * scenario.MEAN, 50 * scenario.MEAN)
    burst = reservation.granted * reservation.burst_window_milliseconds / 1000
    assert burst == pytest.approx(scenario.SEATS // 4 * cost, rel=0.01)


def test_vllm_is_told_of_enterprise_what_makes_it_sooner() -> None:
    able = run([0.1])
    enterprise, retail = command._told(able)
    assert enterprise.priority is not None
    assert retail.priority is not None
    assert enterprise.priority < retail.priority, "lower is sooner in vLLM"
    # The same load otherwise, and nothing to be told where that is the sidecar's business.
    assert [replace(one, priority=None) for one in (enterprise, retail)] == command._both(able)


def test_the_last_line_compares_with_vllms_own_priority(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rounds: dict[str, list[Run]] = {
        command.FCFS: [run([9.0], 200.0)],
        command.PRIORITY: [run([2.0])],
        command.OURS: [run([0.3], 198.0)],
        command.ALONE: [run([0.1])],
    }
    monkeypatch.setattr(command, "_measure", lambda *_: rounds)
    monkeypatch.setattr("sys.argv", ["bench", "--pictures", str(tmp_path)])
    assert command.main() == 0
    *_, before, last = capsys.readouterr().out.splitlines()
    assert last == "vllm ttft_p99_vs_priority=0.150"
    assert "throughput_vs_fcfs=0.9900" in before
    ET.parse(tmp_path / "ttft.svg")  # noqa: S314 - our own
