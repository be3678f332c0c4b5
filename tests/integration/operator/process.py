"""The operator as people run it: a process with a kubeconfig, told apart by its user agent.

The replicas on fake nodes are answered for (`answers.py`).
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from e2e.cluster import Cluster
from e2e.paths import REPOSITORY
from tests.integration.operator import answers

PROGRAM = Path(sys.executable).with_name("tierfleet")
USER_AGENT = f"tierfleet-operator/{version('tierfleet')}"
READY_SECONDS = 60.0
STOP_SECONDS = 30.0

Request = dict[str, Any]


class Operator:
    """A running `tierfleet operator`."""

    def __init__(
        self, cluster: Cluster, log: Path, *options: str, kubeconfig: Path | None = None
    ) -> None:
        self.cluster = cluster
        self._kubeconfig = kubeconfig or cluster.kubeconfig
        self._log = log
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    @property
    def log(self) -> str:
        """All that it wrote on standard error so far."""
        return self._log.read_text()

    def start(self) -> None:
        """Start it, and return once it says that it is ready."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.integration.operator.answered"),
                    *(answers.of(self.cluster).url, "operator"),
                    *(f"--kubeconfig={self._kubeconfig}", *self._options),
                ],
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    def wait_ready(self) -> None:
        """Return once it says that it is ready."""
        assert self._process is not None
        line = _line(self._process)
        assert "ready" in line, f"it said {line!r} and {self.log}"

    def kill(self) -> None:
        """Kill it as a crash or a lost node does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        self._close()

    def pause(self) -> None:
        """From now on it hears and does nothing, as in a machine that swaps."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """End it as Kubernetes does; returns its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self.resume()  # a test that fails may leave it paused
        status = self._process.wait(STOP_SECONDS)
        self._close()
        return status

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """True while it has neither ended nor been ended."""
        return self._process is not None and self._process.poll() is None

    def requests(self) -> Iterator[Request]:
        """What all operators have asked of the API server so far, from its audit log."""
        return (e for e in self.cluster.audit() if e.get("userAgent") == USER_AGENT)

    def _close(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.contextmanager
def running(
    cluster: Cluster, log: Path, *options: str, kubeconfig: Path | None = None
) -> Iterator[Operator]:
    """A running operator that must survive the block, end in peace, and not complain meanwhile."""
    operator = Operator(cluster, log, *options, kubeconfig=kubeconfig)
    operator.start()
    try:
        yield operator
        assert operator.running, f"it ended by itself: {operator.log}"
    finally:
        if operator.running:
            assert operator.stop() == 0, operator.log
    assert " ERROR " not in operator.log, operator.log


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if select.select([process.stdout], [], [], 0.1)[0]:
            return process.stdout.readline()
    return process.stdout.read() if process.poll() is not None else "nothing"
