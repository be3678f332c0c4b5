import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tierfleet.cli.listening import Listener, ListenError, check
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
    assert result.exit_code == 2
    assert "is not a host name" in result.stderr
    assert "Choose another --host" in result.stderr


def test_a_sidecar_on_a_host_that_cannot_be_is_told_so(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    options = ["--plan", str(plan), "--group", "h100", "--upstream", "http://127.0.0.1:1"]
    result = CliRunner().invoke(app, ["sidecar", *options, "--host", LONG, "--port", "0"])
    assert result.exit_code == 2
    assert "is not a host name" in result.stderr
    assert "Choose another --host" in result.stderr


def test_an_address_that_is_none_of_this_machine_is_not_taken_for_a_port() -> None:
    # 192.0.2.0/24 belongs to nobody (RFC 5737).
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:0: .*another --host: 127\.0\.0\.1"):
        check(Listener("192.0.2.1", 0))


def test_two_listeners_on_one_port_are_told_apart_by_their_options() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    data = Listener("127.0.0.1", port)
    admin = Listener("127.0.0.1", port, "--admin-host", "--admin-port")
    check(data)
    with pytest.raises(ListenError, match=r"Choose another --admin-port; 0 takes a free one\."):
        check(data, admin)


def test_what_was_looked_at_is_left_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for _ in range(2):
        check(Listener("127.0.0.1", port))


@pytest.mark.parametrize("host", ["x..y", f"{LONG}"])
def test_an_engine_at_a_host_that_cannot_be_is_refused_at_start(host: str) -> None:
    options = ["--plan", "p", "--group", "g", "--upstream", f"http://{host}:1"]
    result = CliRunner().invoke(app, ["sidecar", *options])
    assert result.exit_code == 2
    assert "'--upstream': " in result.stderr
    assert "is not a host name" in result.stderr
