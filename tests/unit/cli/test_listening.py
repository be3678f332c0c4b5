from pathlib import Path

import pytest
from typer.testing import CliRunner

from tierfleet.cli.main import app

LONG = "a" * 70
PLAN = """
pool: {name: llama}
model: {name: llama}
tiers: [{name: retail, priority: 0}]
groups: [{name: h100, accelerator: h100, desired: 1}]
"""


def test_an_engine_on_a_host_that_cannot_be_is_told_so() -> None:
    result = CliRunner().invoke(app, ["engine", "--host", LONG, "--port", "0"])
    assert result.exit_code == 1
    assert "is not a host name" in result.stderr
    assert "Choose another --host" in result.stderr


def test_a_sidecar_on_a_host_that_cannot_be_is_told_so(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    options = ["--plan", str(plan), "--group", "h100", "--upstream", "http://127.0.0.1:1"]
    result = CliRunner().invoke(app, ["sidecar", *options, "--host", LONG, "--port", "0"])
    assert result.exit_code == 1
    assert "is not a host name" in result.stderr


@pytest.mark.parametrize("host", ["x..y", f"{LONG}"])
def test_an_engine_at_a_host_that_cannot_be_is_refused_at_start(host: str) -> None:
    options = ["--plan", "p", "--group", "g", "--upstream", f"http://{host}:1"]
    result = CliRunner().invoke(app, ["sidecar", *options])
    assert result.exit_code == 2
    assert "is not a host name" in " ".join(result.stderr.replace("│", " ").split())
