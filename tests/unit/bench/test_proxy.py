"""The benchmark of the proxy prints what it has measured."""

import json
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.proxy import __main__ as command
from bench.proxy import picture, plan, profile, servers
from e2e import debian
from tierfleet.plan import parse


def test_the_plan_is_one_that_the_sidecar_takes(tmp_path: Path) -> None:
    plan.write(tmp_path / "plan.json")
    read = parse(json.loads((tmp_path / "plan.json").read_text()))
    assert len(read.tenants) == plan.TENANTS


def test_ratios_are_of_medians_of_one_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "_PICTURE", tmp_path / "cpu.svg")
    monkeypatch.setattr(command, "_nginx_version", lambda: "nginx")
    found: command.Found = defaultdict(lambda: defaultdict(list))
    for name in ("direct", *servers.NAMES):
        for what in ("rps", "request_us", "chunk_us", "p50_ms", "p99_ms", "failed", "missed"):
            found[name][what] = [1.0, 4.0, 100.0]
    found["sidecar"]["rps"] = [1.0, 2.0, 3.0]
    found["sidecar"]["p99_ms"] = [4.25]
    for what in ("half", "idle_kb", "queued_kb", "crowd_missed", "crowd_broken"):
        found["sidecar"][what] = [3.0]
    command._report(found, 777)
    said = capsys.readouterr().out
    assert "3 events missed of 777 streams" in said
    assert said.splitlines()[-1] == (
        "proxy rps_vs_nginx=0.500 rps_vs_vllm_router=0.50 chunk_cpu_vs_nginx=1.000"
        " added_p50_ms=0.000 added_p99_ms=0.250"
    )
    ET.parse(tmp_path / "cpu.svg")  # noqa: S314 - our own


def test_a_bar_is_as_long_as_its_value() -> None:
    drawn = ET.fromstring(picture.svg({"time": {"nginx": 10.0, "sidecar": 20.0}}))  # noqa: S314
    bars = [float(bar.get("width", "")) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert bars[-1] == 2 * bars[-2]


def test_what_cannot_be_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="wrk must be on PATH; Debian has wrk-package"):
        debian.install({"wrk": "wrk-package"})


def test_time_is_told_by_where_it_was_spent() -> None:
    report = [
        "# comment",
        "30.00%|[kernel.kallsyms]|[k] tcp_sendmsg",
        "20.00%|a__mypyc.cpython-311.so|[.] CPyDef_http1___RequestReader___next",
        "5.00%|hash__mypyc.cpython-311-x86_64-linux-gnu.so|[.] CPyDef_http1____field_name",
        "10.00%|python3.11|[.] _PyEval_EvalFrameDefault",
        "1.00%|strange.so|[.] it",
        "2.00%|loop.cpython-311-x86_64-linux-gnu.so|[.] __pyx_f_6uvloop_4loop",
        "3.00%|a__mypyc.cpython-311.so|[.] CPyDict_Get",
    ]
    assert profile.parts(report) == pytest.approx(
        {
            "kernel": 0.3,
            "http1": 0.25,
            "interpreter": 0.1,
            "other": 0.01,
            "uvloop": 0.02,
            "mypyc's helpers": 0.03,
        }
    )
