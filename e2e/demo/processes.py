"""Processes that belong to a cluster: they end with it at the latest."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from e2e.health import PartDownError
from e2e.paths import REPOSITORY
from e2e.processes import marked_environment

STOP_SECONDS = 30.0
_SAID = 9000
"""Bytes of a log that are shown: a cause may stand far above its last line."""


class Processes:
    """Background processes of one cluster, with their logs in its folder."""

    def __init__(self, workdir: Path) -> None:
        self._workdir = workdir
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, *command: str | Path, environment: Mapping[str, str] | None = None
    ) -> int:
        """Starts one, which logs to `NAME.log`, and returns its process id.

        `environment` is added to ours.
        """
        with self._log(name).open("wb") as output:
            process = subprocess.Popen(
                list(map(str, command)),
                cwd=self._workdir,
                env={
                    **marked_environment(self._workdir),
                    "PYTHONPATH": str(REPOSITORY),
                    **(environment or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._started[name] = process
        return process.pid

    def check(self) -> None:
        """Returns if all of them live.

        Raises:
            PartDownError: one has ended.
        """
        for name, process in self._started.items():
            if process.poll() is not None:
                said = self._log(name).read_text()[-_SAID:]
                raise PartDownError(f"{name} has ended with {process.returncode}:\n{said}")

    def end(self, name: str, seconds: float = STOP_SECONDS) -> int | None:
        """Ends one, kills it if it takes longer, and returns its exit code; None if done before."""
        process = self._started.pop(name, None)
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def stop(self) -> None:
        """Ends those that are left, the last one first; kills what does not end."""
        for process in reversed(self._started.values()):
            if process.poll() is None:
                os.kill(process.pid, signal.SIGTERM)
        for process in self._started.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, name: str) -> Path:
        return self._workdir / f"{name}.log"


def tierfleet() -> Path:
    """The command that this environment has installed.

    Raises:
        FileNotFoundError: it has not.
    """
    found = shutil.which("tierfleet", path=str(Path(sys.executable).parent))
    if found is None:
        raise FileNotFoundError("The command tierfleet is not installed here. Run: make venv")
    return Path(found)
