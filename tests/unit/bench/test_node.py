"""The benchmark on a real node computes what it says, and compares like with like."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench.flood.measure import Run
from bench.node import __main__ as command
from bench.node import figures, report, scenario
from bench.node.figures import Attained
from bench.node.rounds import ALONE, BEST, FCFS, OURS, Results, Round
from e2e.node.machine import UnableError
from tierfleet.api import InferencePool
from tierfleet.manifests import engine

Log = list[dict[str, Any]]


def line(request: str, **more: Any) -> dict[str, Any]:
    """Of a request that conformed and had a seat at once."""
    return {
        "id": request,
        "outcome": "served",
        "conforming": True,
        "wait_ms": 0.1,
        "pod": "p",
        **more,
    }


def run(ttft: dict[str, float | None], served: float = 100.0) -> Run:
    enterprise = {"ttft": ttft, "served": 1, "refused": 0, "broken": 0}
    return Run(10.0, served, 1.0, 5.0, 0.0, 4.0, {"enterprise": enterprise}, 0.5, 0.1)


def results(ours: float = 0.3, served: float = 198.0, **log: Any) -> Results:
    """Two rounds, alike but for their requests' names."""
    rounds = [
        Round(
            {
                FCFS: run({name: 9.0}, 200.0),
                OURS: run({name: ours}, served),
                ALONE: run({name: 0.1}),
                BEST: run({name: 0.25}),
            },
            [line(name, **log)],
            dict.fromkeys((FCFS, OURS, ALONE, BEST), 1.0),
        )
        for name in ("a", "b")
    ]
    return Results(rounds, 33_000.0, 0.1)


def attained(waited: dict[str, float | None], log: Log) -> Attained:
    return figures.by_log(figures.owed(waited, log, 0.1), log, 0.1)


def test_what_conforms_is_owed_a_seat_within_the_bound() -> None:
    log = [line("soon"), line("late", wait_ms=100.1), line("beyond", conforming=False)]
    assert attained({"soon": 0.2, "late": 0.4, "beyond": 3.0}, log) == Attained(1, 2)


def test_a_seat_in_time_counts_also_if_the_run_was_cut_before_the_answer_ended() -> None:
    assert attained({"cut": 0.2}, [line("cut", outcome="client-gone")]) == Attained(1, 1)


@pytest.mark.parametrize("outcome", ["refused", "evicted", "engine-lost", "engine-error"])
def test_what_conforms_and_is_refused_or_not_finished_was_not_given(outcome: str) -> None:
    assert attained({"one": None}, [line("one", outcome=outcome)]) == Attained(0, 1)


def test_what_waited_in_vain_is_owed_though_no_log_has_a_label_for_it() -> None:
    gone = line("gone", outcome="client-gone", conforming=None, wait_ms=None)
    assert attained({"gone": 9.0, "unheard": None}, [gone]) == Attained(0, 2)


def test_what_came_just_before_the_cut_is_not_judged() -> None:
    assert attained({"fresh": 0.05}, []) == Attained(0, 0)
    assert math.isnan(Attained(0, 0).share)


def test_a_log_of_requests_that_do_not_count_changes_nothing() -> None:
    assert attained({"counts": 0.2}, [line("counts"), line("warm-up")]) == Attained(1, 1)


def test_callers_see_what_is_in_time_by_the_bound_and_what_a_prompt_takes() -> None:
    waited = {"soon": 0.35, "late": 0.36, "refused": None}
    assert figures.by_callers([*waited, "unsent"], waited, 0.1, 0.25) == Attained(1, 4)


def test_the_last_line_has_the_figures_with_goals() -> None:
    found = report.figures_of(results())
    assert report.last_line(found) == (
        "node ttft_p99_vs_best=1.200 attained=1.0000 throughput_vs_fcfs=0.9900"
    )
    assert found.by_callers == {ALONE: Attained(2, 2), BEST: Attained(2, 2)} | {
        OURS: Attained(2, 2),
        FCFS: Attained(0, 2),
    }
    assert all("met" in verdict for verdict in report.verdicts(found))


def test_how_evenly_the_replicas_were_asked_is_told() -> None:
    found = results()
    found.rounds[0].log.extend([line("c"), line("d", pod="q")])
    assert report.spread(found).endswith("in each round: 1+2, 1")


def test_a_goal_that_is_missed_is_called_so() -> None:
    found = report.figures_of(results(ours=0.31, served=193.0, wait_ms=101.0))
    assert ["MISSED" in verdict for verdict in report.verdicts(found)] == [True, True, True]


def test_all_is_printed_and_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @contextmanager
    def staged(_: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(command, "staged", staged)
    monkeypatch.setattr(command, "measure", lambda *_: results())
    # The stage would have installed it.
    monkeypatch.setattr(command, "_containerd", lambda: "containerd 1.7")
    monkeypatch.setattr("sys.argv", ["bench", "--build", str(tmp_path)])
    assert command.main() == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("node ttft_p99_vs_best=1.200 ")
    ET.parse(tmp_path / "ttft.svg")  # noqa: S314 - our own
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept["figures"]["by_log"] == {"kept": 2, "owed": 2}
    assert len(kept["results"]["rounds"]) == 2


@pytest.mark.parametrize("option", ["--rounds=0", "--seconds=1"])
def test_what_cannot_be_measured_is_refused(
    option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", option])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert f"{option.partition('=')[0]}: give " in capsys.readouterr().err


def test_a_machine_that_cannot_is_told_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: object, **__: object) -> None:
        raise UnableError("A real node needs root.")

    monkeypatch.setattr("bench.node.stage.start_real", unable)
    monkeypatch.setattr("sys.argv", ["bench"])
    assert command.main() == 1
    assert "A real node needs root." in capsys.readouterr().err


def test_the_engines_compared_with_differ_in_order_and_address_only() -> None:
    pool = InferencePool.model_validate(
        scenario.pool(30_000)[0] | {"metadata": {"name": "ours", "namespace": "n"}}
    )
    ours = engine.container(pool, pool.spec.accelerators[0], "token")
    deployment, _ = scenario.engines("straight", scenario.SEATS)
    (theirs,) = deployment["spec"]["template"]["spec"]["containers"]
    for same in ("image", "resources", "securityContext"):
        assert ours[same] == theirs[same]
    differ = {"--scheduling-policy", "--host", "--model", "--served-model-name"}
    assert options(ours["args"], differ) == options(theirs["args"], differ)
    assert deployment["spec"]["replicas"] == pool.spec.replicas


def options(args: list[str], but: set[str]) -> dict[str, str]:
    pairs = dict(zip(args[::2], args[1::2], strict=True))
    return {name: value for name, value in pairs.items() if name not in but}
