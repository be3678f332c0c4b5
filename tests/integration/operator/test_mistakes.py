"""Every mistake gets one sentence with the next step, and exit status 2."""

import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.world import World
from tests.integration.operator.access import kubeconfig, server_of
from tests.integration.operator.process import PROGRAM

SECONDS = 60


def access(folder: Path, server: str, **user: str) -> str:
    """The option for a kubeconfig of that server and user."""
    return f"--kubeconfig={kubeconfig(folder / 'config', server, **user)}"


def said(*options: str, **environment: str) -> str:
    """What the operator answers to a mistake."""
    return answered(str(PROGRAM), "operator", *options, **environment)


def plugin_said(*options: str) -> str:
    """What `kubectl tierfleet plan` answers to a mistake."""
    return answered(str(PROGRAM.with_name("kubectl-tierfleet")), "plan", "llama", *options)


def answered(*command: str, **environment: str) -> str:
    """What the command answers to a mistake: one line, but for those in its options."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("KUBE", "HOME"))}
    done = subprocess.run(
        command,
        env=env | {"HOME": "/nonexistent", "COLUMNS": "300", "TERM": "dumb"} | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 or "Usage" in done.stderr, done.stderr
    return done.stderr


@pytest.fixture
def empty_server() -> Iterator[str]:
    """An HTTP server that knows nothing."""

    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing either."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_no_usable_kubeconfig() -> None:
    answer = said("--kubeconfig=/nowhere/config")
    assert "There is no kubeconfig at /nowhere/config" in answer
    assert "--kubeconfig" in answer


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    option = access(tmp_path, "https://127.0.0.1:1")
    answer = said(option)
    assert "The API server at https://127.0.0.1:1 does not answer" in answer
    assert "--context" in answer
    assert plugin_said(option) == answer


def test_a_certificate_that_nobody_here_vouches_for(world: World, tmp_path: Path) -> None:
    config = yaml.safe_load(kubeconfig(tmp_path / "config", server_of(world)).read_text())
    (known,) = config["clusters"]
    del known["cluster"]["insecure-skip-tls-verify"]
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    answer = said(f"--kubeconfig={tmp_path / 'config'}")
    assert "The certificate of the API server at" in answer
    assert "cannot be trusted: unable to get local issuer certificate" in answer
    assert "certificate-authority" in answer


def test_a_cluster_without_our_kinds(tmp_path: Path, empty_server: str) -> None:
    answer = said(access(tmp_path, empty_server))
    assert "does not know tierpolicies.tierfleet.dev, inferencepools.tierfleet.dev" in answer
    assert "kubectl apply" in answer


def test_credentials_that_are_not_accepted(world: World, tmp_path: Path) -> None:
    option = access(tmp_path, server_of(world), token="wrong")
    answer = said(option)
    assert "does not accept these credentials" in answer
    assert plugin_said(option) == answer


def test_rights_that_are_missing(world: World, tmp_path: Path) -> None:
    world.kubectl("create", "serviceaccount", "nobody")
    token = world.kubectl("create", "token", "nobody").strip()
    option = access(tmp_path, server_of(world), token=token)
    answer = said(option, f"--namespace={world.namespace}")
    assert "The operator may not list nodes" in answer
    assert "docs/operator.md" in answer
    answer = plugin_said(option, f"--namespace={world.namespace}")
    assert "which you may not list" in answer
    assert f"the right to list Secrets in namespace {world.namespace}" in answer


def test_a_port_that_is_taken(empty_server: str) -> None:
    port = empty_server.rpartition(":")[2]
    answer = said(f"--health-port={port}")
    assert f"Port {port} cannot be listened on: Address already in use" in answer
    assert "--health-port" in answer


def test_one_port_for_two_things() -> None:
    answer = said("--health-port=9555", "--metrics-port=9555")
    assert "--metrics-port and --health-port are both 9555" in answer


@pytest.mark.parametrize("name", ["", "Foo_Bar", "-a", "a.b", "a" * 64])
def test_a_namespace_that_can_never_be(name: str) -> None:
    assert f"{name!r} cannot be a namespace" in said("--namespace", name)


def test_namespaces_given_twice() -> None:
    assert "either --namespace or --all-namespaces" in said("-A", "-n", "inference")
