"""Mistakes on the command line of `tierfleet simulate`. That it runs: tests/integration."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tierfleet.cli.main import app

PLAN = """
pool: {name: llama}
model: {name: llama}
tiers: [{name: retail, priority: 0}]
groups: [{name: h100, accelerator: h100, desired: 1}]
tenants: [{name: hobby, tier: retail}]
"""
TWO_GROUPS = PLAN.replace("desired: 1}", "desired: 1}, {name: b200, accelerator: b200, desired: 1}")
TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens,Tenant\n2023-11-16 18:17:03.98,48,10,hobby\n"
CLIENTS = "{seconds: 1, clients: [{tenant: hobby, requestsPerSecond: 5, prompt: 5, output: 5}]}"

GIVEN = "--plan plan.yaml --trace trace.csv"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("plan.yaml", PLAN), ("trace.csv", TRACE), ("clients.yaml", CLIENTS)):
        Path(name).write_text(text)
    Path("two.yaml").write_text(TWO_GROUPS)
    Path("odd.yaml").write_text("a: [")
    Path("odd.csv").write_text("TIMESTAMP\n")
    Path("stranger.csv").write_text(TRACE.replace("hobby", "stranger"))
    Path("nobody.csv").write_text(TRACE.replace("hobby", ""))
    Path("nobody.yaml").write_text(CLIENTS.replace("tenant: hobby, ", ""))
    Path("taken.svg").mkdir()
    Path("link.yaml").symlink_to("plan.yaml")
    Path("binary").write_bytes(b"\xff\xfe")
    Path("none.yaml").write_text(CLIENTS.replace("seconds: 1", "seconds: 0.0000001"))
    return tmp_path


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--trace trace.csv", "--plan"),
        ("--plan gone.yaml --trace trace.csv", "gone.yaml is not a plan: nothing is there"),
        ("--plan odd.yaml --trace trace.csv", "odd.yaml is not a plan: it is neither JSON nor"),
        ("--plan plan.yaml", "Give either --trace (a CSV of requests) or --clients"),
        (f"{GIVEN} --clients clients.yaml", "Give either --trace"),
        ("--plan plan.yaml --trace gone.csv", "gone.csv cannot be used: No such file"),
        ("--plan plan.yaml --trace odd.csv", "odd.csv cannot be used: The first line lacks"),
        ("--plan plan.yaml --trace binary", "binary cannot be used: it is not text in UTF-8"),
        ("--plan plan.yaml --clients binary", "binary cannot be used: it is not text in UTF-8"),
        ("--plan plan.yaml --clients odd.yaml", "odd.yaml cannot be used: it is not YAML at"),
        ("--plan plan.yaml --clients plan.yaml", "plan.yaml cannot be used: seconds: "),
        ("--plan plan.yaml --clients none.yaml", "makes no requests: give a higher rate"),
        ("--plan plan.yaml --trace stranger.csv", "The plan has no tenant stranger: add it"),
        ("--plan plan.yaml --trace nobody.csv", "lets nobody in without: add a column Tenant, or"),
        ("--plan plan.yaml --clients nobody.yaml", "without: give each client a tenant, or say"),
        (f"{GIVEN} --tenants acme=1", "The plan has no tenant acme"),
        (f"{GIVEN} --tenants hobby=-1", "is not a list of names and weights"),
        (f"{GIVEN} --tenants hobby=x", "is not a list of names and weights"),
        (f"{GIVEN} --engine h900", "There is no engine 'h900'. Give one of h100"),
        (f"{GIVEN} --group b200", "The plan has no group 'b200'. Give one of h100 to --group"),
        ("--plan two.yaml --trace trace.csv", "The plan has groups b200, h100: say which one"),
        (f"{GIVEN} --speed-up 0", "--speed-up 0 is no pace"),
        (f"{GIVEN} --speed-up nan", "--speed-up nan is no pace"),
        (
            "--plan plan.yaml --clients clients.yaml --speed-up 1e-12",
            "of which at most 100,000,000 can be simulated: give fewer",
        ),
        (f"{GIVEN} --start 9999-12-31", "--start 9999-12-31 is too late: give a year up to 9900"),
        (f"{GIVEN} --replicas 0", "--replicas"),
        (f"{GIVEN} --core magic", "'tierfleet', 'fcfs', 'vtc'"),
        (f"{GIVEN} --start noon", "--start noon is not a time: give something like 2026-"),
        (f"{GIVEN} --set tier.gold.weight=2", "--set tier.gold.weight=2: the plan has no such"),
        (f"{GIVEN} --json gone/r.json", "There is no folder gone to write r.json to"),
        (f"{GIVEN} --json taken.svg", "taken.svg is a folder: name a file in it to write to"),
        (f"{GIVEN} --plot taken.svg", "taken.svg is a folder: name a file in it to write to"),
        (f"{GIVEN} --json plan.yaml", "plan.yaml is read, and would be written over"),
        (f"{GIVEN} --json ../{{folder}}/trace.csv", "trace.csv is read, and would be written over"),
        (f"{GIVEN} --json link.yaml", "link.yaml is read, and would be written over"),
        ("--plan . --trace trace.csv --json plan.yaml", "plan.yaml is read, and would be"),
        (f"{GIVEN} --json r.svg --plot ./r.svg", "both r.svg: give each its own file"),
        (f"{GIVEN} --plot r.png", "give --plot a file that ends with .svg, not r.png"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence_and_status_2(
    options: str, sentence: str, folder: Path
) -> None:
    options = options.replace("{folder}", folder.name)
    result = CliRunner().invoke(app, ["simulate", *options.split()])
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert Path("plan.yaml").read_text() == PLAN
    assert Path("trace.csv").read_text() == TRACE


def test_a_place_that_cannot_be_written_is_told_before_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "access", lambda _, mode, **__: mode != os.W_OK)
    result = CliRunner().invoke(app, ["simulate", *GIVEN.split(), "--json", "r.json"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "r.json cannot be written. Choose another place." in result.stderr


def test_a_disk_that_fills_up_is_told_after_the_tables() -> None:
    result = CliRunner().invoke(app, ["simulate", *GIVEN.split(), "--json", "/dev/full"])
    assert result.exit_code == 2
    assert "/dev/full cannot be written: No space left on device" in result.stderr


HELD = """
groups: [{name: h100, accelerator: h100, desired: 1, serviceTokensPerSecond: 1000}]
reservations:
- {uid: one, name: one, tenants: [hobby], declared: {percent: 60}, granted: 600}
- {uid: two, name: two, tenants: [hobby], declared: {percent: 40}, granted: 400}
"""
SOLD = PLAN.replace("groups: [{name: h100, accelerator: h100, desired: 1}]\n", HELD)


def test_selling_more_than_there_is_is_told_in_one_line_for_the_plan_that_does_it() -> None:
    Path("plan.yaml").write_text(SOLD)
    alone = CliRunner().invoke(app, ["simulate", *GIVEN.split()])
    assert (alone.exit_code, alone.stderr) == (0, "")
    change = "reservation.two.percent=70"
    both = CliRunner().invoke(app, ["simulate", *GIVEN.split(), "--set", change])
    assert both.exit_code == 0
    assert both.stderr == (
        f"Warning ({change}): reservations are 130% of the rate of all desired replicas"
        " (1,300 of 1,000 service tokens per second); the operator would refuse.\n"
    )


def test_whose_requests_they_are_can_be_said_for_a_trace_without_tenants() -> None:
    options = "--plan plan.yaml --trace nobody.csv --tenants hobby"
    result = CliRunner().invoke(app, ["simulate", *options.split()])
    assert result.exit_code == 0, result.output
    assert "hobby" in result.stdout


def test_a_trace_that_a_spreadsheet_saved_is_read() -> None:
    Path("trace.csv").write_text(TRACE, encoding="utf-8-sig")
    result = CliRunner().invoke(app, ["simulate", *GIVEN.split()])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("core", ["fcfs", "vtc", "tierfleet"])
def test_every_core_can_be_asked(core: str) -> None:
    result = CliRunner().invoke(app, ["simulate", *GIVEN.split(), "--core", core])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("1 request in 1 s on 1 x 256 seats")


def test_what_is_not_a_terminal_gets_every_figure_and_no_trailing_blanks() -> None:
    name = "a-customer-with-a-name-of-many-words-" * 2
    Path("plan.yaml").write_text(SOLD.replace("hobby", name).replace("two", name))
    Path("trace.csv").write_text(TRACE.replace("hobby", name))
    change = f"reservation.{name}.percent=20"
    result = CliRunner(env={"COLUMNS": "80"}).invoke(
        app, ["simulate", *GIVEN.split(), "--set", change]
    )
    assert result.exit_code == 0, result.output
    assert "…" not in result.stdout
    assert not [line for line in result.stdout.splitlines() if line != line.rstrip()]
    assert f"{name} by true cost" in result.stdout
    assert f"What {change} does\n" in result.stdout
