"""The command as it is installed, in a process of its own, on the files of its page."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

COMMAND = Path(sys.executable).parent / "tierfleet"
PAGE = Path(__file__).parents[3] / "docs" / "simulator.md"
# As Azure/AzurePublicDataset has it.
TRACE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 18:17:04.0781490,110,27
2023-11-16 18:17:04.1055690,7433,14
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that the page tells to save, the load cut to a tenth of its time."""
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        (tmp_path / name).write_text(text.replace("seconds: 600", "seconds: 60"))
    (tmp_path / "trace.csv").write_text(TRACE)
    return tmp_path


def run(folder: Path, *options: str) -> str:
    said = subprocess.run(
        [COMMAND, "simulate", *options], cwd=folder, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    return said.stdout


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def commands() -> list[str]:
    text = PAGE.read_text().replace("\\\n", " ")
    return re.findall(r"^\$ tierfleet simulate (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("options", commands())
def test_every_command_of_the_page_runs(options: str, folder: Path) -> None:
    assert "service tokens/s" in run(folder, *shlex.split(options))


def test_the_page_shows_the_files_that_are_in_the_examples() -> None:
    shown = re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert dict(shown) == {
        path.name: path.read_text() for path in (PAGE.parents[1] / "examples/simulate").iterdir()
    }


def test_the_page_has_commands() -> None:
    assert len(commands()) >= 3


def test_one_command_answers_what_a_larger_reservation_does(folder: Path) -> None:
    options = ("--plan", "plan.yaml", "--clients", "clients.yaml", "--json", "r.json")
    table = run(folder, *options, "--set", "reservation.acme.percent=40", "--plot", "r.svg")
    assert "What reservation.acme.percent=40 does" in table
    made = read(folder / "r.json")
    base, changed = made["base"], made["changed"]
    assert base["requests"] == changed["requests"] > 500
    guaranteed = [run["reservations"][0]["guaranteed"] for run in (base, changed)]
    assert guaranteed == [5700, 7600]
    for judged in ("by_true_cost", "by_label"):
        before, after = (run["reservations"][0][judged] for run in (base, changed))
        assert before["conforming"] < after["conforming"]
    picture = (folder / "r.svg").read_text()
    assert len(list(ET.fromstring(picture).iter())) > 20  # noqa: S314 - our own


def test_the_same_command_gives_the_same_figures(folder: Path) -> None:
    options = ("--plan", "plan.yaml", "--clients", "clients.yaml", "--json")
    first, second = (run(folder, *options, name) for name in ("a.json", "b.json"))
    assert first == second
    assert read(folder / "a.json") == read(folder / "b.json")
    run(folder, *options, "c.json", "--seed", "7")
    assert read(folder / "a.json") != read(folder / "c.json")


def test_a_published_trace_runs_as_it_is(folder: Path) -> None:
    options = ("--plan", "plan.yaml", "--trace", "trace.csv", "--tenants", "acme=1,hobby=1")
    run(folder, *options, "--json", "r.json")
    base = read(folder / "r.json")["base"]
    assert sum(tier["completed"] for tier in base["tiers"]) == 4
    assert sum(tier["output_tokens"] for tier in base["tiers"]) == 10 + 8 + 27 + 14
