"""Real `tierfleet engine` and `tierfleet sidecar` processes."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Self

from tests.unit.sidecar.waiting import DEADLINE


def _command(name: str, *options: str) -> list[str]:
    code = "from tierfleet.cli.main import app; app()"
    return [sys.executable, "-c", code, name, *options]


def run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        _command(name, *options),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200"}


class _Process:
    """A process whose output is kept, line by line."""

    def __init__(self, name: str, *options: str) -> None:
        self._command = _command(name, *options)

    def _start(self, pattern: str) -> re.Match[str]:
        self.process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._found: list[re.Match[str]] = []
        self._ready = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, args=(stream, lines, pattern))
            for stream, lines in self._listened()
        ]
        for thread in self._threads:
            thread.start()
        self._ready.wait(DEADLINE)
        assert self._found, "".join(self.err)
        return self._found[0]

    def _listened(self) -> tuple[tuple[IO[str] | None, list[str]], ...]:
        return (self.process.stdout, self.out), (self.process.stderr, self.err)

    def _read(self, stream: Iterable[str], lines: list[str], pattern: str) -> None:
        for line in stream:
            lines.append(line)
            if found := re.search(pattern, line):
                self._found.append(found)
                self._ready.set()

    def stop(self) -> int:
        """End it and collect what it said; its exit code."""
        if self.process.poll() is None:
            self.process.kill()
        for thread in self._threads:
            thread.join(DEADLINE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return self.process.wait(DEADLINE)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def __exit__(self, *_: object) -> None:
        self.stop()


class EngineProcess(_Process):
    """A simulated engine.

    Attributes:
        url: where it serves.
        port: of it.
    """

    def __init__(self, *options: str) -> None:
        super().__init__(
            "engine", "--port", "0", "--preset", "cpu-tiny", "--model", "llama", *options
        )

    def __enter__(self) -> Self:
        self.url = self._start(r"serves on (http://\S+)")[1]
        self.port = int(self.url.rpartition(":")[2])
        return self


class SidecarProcess(_Process):
    """A sidecar.

    Attributes:
        port: of the data port.
        admin: URL of the admin port.
    """

    def __init__(self, plan: Path, upstream: str, *options: str) -> None:
        super().__init__(
            "sidecar",
            *("--plan", str(plan), "--group", "h100", "--upstream", upstream),
            *("--port", "0", "--admin-port", "0", "--drain-accept-seconds", "0", *options),
        )

    def __enter__(self) -> Self:
        found = self._start(r"serves on https?://127\.0\.0\.1:(\d+), admin on (http://[^,]+),")
        self.port = int(found[1])
        self.admin = found[2]
        return self


class unread(SidecarProcess):  # noqa: N801 - reads as what it is
    """A sidecar whose standard output nobody reads."""

    def _listened(self) -> tuple[tuple[IO[str] | None, list[str]], ...]:
        return ((self.process.stderr, self.err),)
