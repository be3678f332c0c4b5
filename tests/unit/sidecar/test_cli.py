"""`tierfleet sidecar` on the command line: every mistake is a sentence with the next step."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.unit.sidecar.plans import document
from tierfleet.cli.sidecar import sidecar

APP = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
APP.command()(sidecar)


def run(path: Path, **options: str) -> Result:
    given = {"group": "h100", "upstream": "http://127.0.0.1:1", "plan": str(path), **options}
    arguments = [word for name, value in given.items() for word in (f"--{name}", value)]
    return CliRunner().invoke(APP, arguments, env={"COLUMNS": "200", "TERM": "dumb"})


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "plan.json"
    path.write_text(json.dumps(document(**changes)))
    return path


UNUSABLE = {
    "no such plan": ({"plan": "/nowhere/plan.yaml"}, "nothing is there; check the path."),
    "no such group": ({"group": "b200"}, "The plan has no group 'b200'; its groups are: h100."),
    "not plain http": (
        {"upstream": "https://a"},
        "Give something like http://127.0.0.1:8000 or unix:/run/engine.sock.",
    ),
    "not a URL": (
        {"upstream": "a:8000"},
        "Give something like http://127.0.0.1:8000 or unix:/run/engine.sock.",
    ),
    "not a port": (
        {"upstream": "http://a:x"},
        "Give something like http://127.0.0.1:8000 or unix:/run/engine.sock.",
    ),
    "a path": ({"upstream": "http://a:80/v1"}, "must have nothing after the port."),
    "not this machine": ({"upstream": "http://192.0.2.1:80"}, "--allow-remote-upstream"),
    "half a socket": ({"upstream": "unix:engine.sock"}, "by its whole path"),
    "half of TLS": ({"tls-key": "/tls.key"}, "give both options, or neither."),
    "no such port": ({"port": "70000"}, "less than or equal to 65535"),
    "no such level": ({"log-level": "loud"}, "'loud'"),
}


@pytest.mark.parametrize(("options", "said"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_options_that_cannot_be_used_are_named(
    tmp_path: Path, options: dict[str, str], said: str
) -> None:
    done = run(write(tmp_path), **options)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("\u2502", " ").split())


UNRATED = [
    {
        "name": "h100",
        "accelerator": "h100",
        "desired": 1,
        "serviceTokensPerSecond": 0,
        "maxSequences": 2,
    }
]
FLOOR = [
    {"name": "enterprise", "priority": 1},
    {"name": "retail", "priority": 0, "minimumPercent": 9},
]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tiers": []}, "tiers"),
        ({"surprise": 1}, "surprise"),
        ({"groups": UNRATED, "tiers": FLOOR}, "set serviceTokensPerSecond of group h100"),
    ],
)
def test_a_plan_that_cannot_be_enforced_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = write(tmp_path, **changes)
    done = run(path)
    assert done.exit_code == 2
    assert said in done.stderr
    assert str(path) in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(write(tmp_path), **{"port": str(port), "admin-port": "0"})
    assert done.exit_code == 2
    assert done.stderr == (
        f"Cannot listen on 127.0.0.1:{port}: Address already in use."
        " Choose another --port; 0 takes a free one.\n"
    )


def test_every_option_can_come_from_the_environment() -> None:
    command = typer.main.get_command(APP)
    for option in command.params:
        if option.name != "help":
            assert option.envvar == f"TIERFLEET_{option.name.upper()}"
