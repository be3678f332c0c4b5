import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tierfleet.cli import kubectl, main

SCRIPTS = Path(sys.executable).parent


@pytest.mark.parametrize("command", ["operator", "sidecar", "engine", "plan"])
def test_help_names_every_command_and_each_explains_itself(command: str) -> None:
    overview = CliRunner().invoke(main.app, ["--help"])
    assert command in overview.stdout
    own = CliRunner().invoke(main.app, [command, "--help"])
    assert own.exit_code == 0
    assert len(own.stdout.splitlines()) > 5


@pytest.mark.parametrize("app", [main.app, kubectl.app], ids=["tierfleet", "kubectl-tierfleet"])
def test_help_of_a_small_terminal_names_every_option_in_full(app: typer.Typer) -> None:
    for words, command in commands(typer.main.get_command(app)):
        shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"}).stdout
        options = [p for p in command.params if p.param_type_name == "option"]
        names = [name for option in options for name in option.opts]
        assert [name for name in names if name not in shown] == []
        assert max(map(len, shown.splitlines())) <= 80


def commands(command: Any, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The command and all below it, each with the words that call it."""
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, *words, name)


def test_the_installed_command_tells_its_version() -> None:
    said = subprocess.run(
        [SCRIPTS / "tierfleet", "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout == f"tierfleet {version('tierfleet')}\n"


def test_a_word_that_is_no_command_is_answered_with_help() -> None:
    result = CliRunner().invoke(main.app, ["sidcar"])
    assert result.exit_code == 2
    assert "No such command 'sidcar'" in result.stderr


def test_the_plugin_has_the_name_that_kubectl_looks_for() -> None:
    said = subprocess.run(
        [SCRIPTS / "kubectl-tierfleet", "--help"], capture_output=True, text=True, check=True
    )
    assert "plan" in said.stdout


def test_the_plugin_without_a_cluster_says_what_to_give(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    result = CliRunner().invoke(kubectl.app, ["plan", "llama", "--kubeconfig", nowhere])
    assert result.exit_code == 2
    assert result.stderr == (
        f"There is no kubeconfig at {nowhere}."
        " Name an existing file with --kubeconfig or in KUBECONFIG.\n"
    )


def test_the_plugin_knows_two_formats() -> None:
    result = CliRunner().invoke(kubectl.app, ["plan", "llama", "--output", "xml"])
    assert result.exit_code == 2
    assert "Give yaml or json" in result.stderr
