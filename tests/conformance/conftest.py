"""The sidecar and nginx, each in front of the same origin."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import debian
from tests.conformance.origin import Origin
from tests.integration.sidecar.processes import SidecarProcess
from tests.unit.sidecar.plans import document

NGINX = """\
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/a; uwsgi_temp_path {folder}/b; scgi_temp_path {folder}/c;
  client_max_body_size 32m;
  upstream engine {{ server 127.0.0.1:{upstream}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""


@pytest.fixture(scope="session")
def origin() -> Iterator[Origin]:
    with Origin() as one:
        yield one


@pytest.fixture(scope="session")
def sidecar_port(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    path = tmp_path_factory.mktemp("conformance") / "plan.json"
    groups = document()["groups"]
    groups[0]["maxSequences"] = 64
    path.write_text(json.dumps(document(groups=groups, reservations=[])))
    with SidecarProcess(path, f"http://127.0.0.1:{origin.port}") as process:
        yield process.port


@pytest.fixture(scope="session")
def nginx_port(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Debian's nginx. Installed in CI only: a test run must not change somebody's machine."""
    if os.environ.get("CI"):
        try:
            debian.install({"nginx": "nginx-light"})
        except RuntimeError as error:
            pytest.skip(f"The second opinion cannot be had: {error}")
    elif shutil.which("nginx") is None:
        pytest.skip("The second opinion needs nginx on PATH (Debian: nginx-light).")
    folder = tmp_path_factory.mktemp("nginx")
    port = _free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, upstream=origin.port, port=port))
    command = ["nginx", "-c", str(config), "-p", str(folder), "-e", str(folder / "errors")]
    with subprocess.Popen(command) as process:
        try:
            _listens(port, folder, process)
            yield port
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def _listens(port: int, folder: Path, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.01)
    raise AssertionError((folder / "errors").read_text())
