"""`docs/standalone.md` does what it says, line by line."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import typer

from tests.unit.sidecar.waiting import DEADLINE
from tierfleet.cli.sidecar import sidecar

PAGE = (Path(__file__).parents[3] / "docs" / "standalone.md").read_text()


def _free_ports(count: int) -> list[int]:
    """Free now; kept apart from each other by being taken all at once."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in taken]
    for listener in taken:
        listener.close()
    return ports


def _commands() -> str:
    """All that a reader is told to run, with ports of our own."""
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    engine, data, admin = _free_ports(3)
    script = script.replace(
        "tierfleet sidecar ", f"tierfleet sidecar --port {data} --admin-port {admin} "
    )
    script = script.replace("--port 8000", f"--port {engine}")
    for written, ours in (("8000", engine), ("8080", data), ("9090", admin)):
        script = script.replace(f"127.0.0.1:{written}", f"127.0.0.1:{ours}")
    assert not re.search(r"\b(8000|8080|9090)\b", script)
    return script


def test_the_commands_do_what_the_page_says(tmp_path: Path) -> None:
    scripts = tmp_path / "bin"
    scripts.mkdir()
    command = scripts / "tierfleet"
    command.write_text(f"#!{sys.executable}\nfrom tierfleet.cli.main import app; app()\n")
    command.chmod(0o755)
    folder = tmp_path / "empty"
    folder.mkdir()
    # A file, because the engine and the sidecar outlive the shell and would keep a pipe open.
    with (tmp_path / "said").open("w+") as said:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", _commands()],
            cwd=folder,
            env={
                **os.environ,
                "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            status = shell.wait(DEADLINE)
        finally:
            os.killpg(shell.pid, signal.SIGKILL)
        said.seek(0)
        text = said.read()
    assert status == 0, text
    assert re.findall(r"^\d{3}$", text, re.MULTILINE) == ["401", "200", "429", "200", "200", "200"]
    for shown in (
        "API key of acme   demo-acme",
        "x-tierfleet-reservation: acme",
        '"finish_reason":"length"',
        '"waiting": []',
        'requests_total{outcome="refused",',
        "vllm:num_requests_waiting{",
        '"tenant":"acme"',
        "is in force",
    ):
        assert shown in text, text


def test_the_service_runs_a_command_that_there_is() -> None:
    (unit,) = re.findall(r"^```ini\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (line,) = re.findall(r"^ExecStart=\S+/tierfleet sidecar (.*)$", unit, re.MULTILINE)
    app = typer.Typer(add_completion=False)
    app.command()(sidecar)
    words = shlex.split(line)
    context = typer.main.get_command(app).make_context("sidecar", words)
    stop = int(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[0])
    assert context.params["drain_timeout_seconds"] + context.params["drain_accept_seconds"] < stop
