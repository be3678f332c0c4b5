"""A real Prometheus that scrapes what a test runs, and can be killed and started again."""

import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import yaml

from e2e.ports import free_ports
from e2e.programs import find
from e2e.wait import wait_until
from tests.unit.sidecar.waiting import DEADLINE

SCRAPE_SECONDS = 1

Target = tuple[str, str, str]
"""An address, and the namespace and the name of the pod that it is."""


class PrometheusServer:
    """A process with its data in a folder of the test's.

    Attributes:
        url: where it answers, whether it runs or not.
    """

    def __init__(self, folder: Path, targets: Iterable[Target]) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "prometheus.yml"
        self._write(targets)

    def scrape(self, targets: Iterable[Target]) -> None:
        """Scrape these from now on."""
        self._write(targets)
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        """Start it, and return once it answers."""
        program = find("prometheus")
        assert program is not None
        with (self._folder / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    f"--config.file={self._config}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._ready, timeout=DEADLINE, why="Prometheus to answer")

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE)
            self._process = None

    def forget(self) -> None:
        """Lose what it knew; it must not run."""
        shutil.rmtree(self._folder / "data")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _write(self, targets: Iterable[Target]) -> None:
        self._config.write_text(yaml.safe_dump(_config(targets)))

    def _ready(self) -> bool:
        assert self._process is not None
        log = (self._folder / "prometheus.log").read_text()
        assert self._process.poll() is None, log
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _config(targets: Iterable[Target]) -> dict[str, object]:
    """With the labels that a PodMonitor gives."""
    return {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": [
            {
                "job_name": "sidecars",
                "static_configs": [
                    {"targets": [address], "labels": {"namespace": namespace, "pod": pod}}
                    for address, namespace, pod in targets
                ],
            }
        ],
    }
