"""Processes on chosen cores of this machine, and the processor time that they take."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_CORES: Final = sorted(os.sched_getaffinity(0))
CORES: Final = os.cpu_count() or 1
"""Of the machine."""
SERVER_CORE: Final = _CORES[-1]
"""For what is measured."""
LOAD_CORE: Final = _CORES[0]
"""For clients and origins; the same as `SERVER_CORE` where there is only one."""


class Pinned:
    """A process on one core; a context manager that ends it.

    Args:
        command: to run.
        core: to run on.
        log: takes its output.
        environment: added to this process's.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        core: int,
        log: IO[bytes],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(environment or {}),
        )

    def __enter__(self) -> "Pinned":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def cpu_seconds(self) -> float:
        """User and system time so far, of the process, its threads and its children."""
        return cpu_seconds(self._process.pid)

    def rss_kilobytes(self) -> int:
        """Resident memory, summed likewise."""
        return sum(_rss(pid) for pid in _tree(self._process.pid))

    def wait_for(self, url: str, seconds: float = 60.0, *, unauthorized: bool = False) -> None:
        """Return when a GET is answered with a success, or with a 401 if that is what is expected.

        Raises:
            RuntimeError: the process ended, or did not answer in time.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._process.args!r} ended with {self._process.returncode}.")
            try:
                with urllib.request.urlopen(url, timeout=1.0) as answer:  # noqa: S310 - loopback
                    if answer.status == 200:
                        return
            except urllib.error.HTTPError as error:
                if unauthorized and error.code == 401:
                    return
                time.sleep(0.05)
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self._process.args!r} did not answer at {url}.")


def cpu_seconds(pid: int) -> float:
    """User and system time so far of a process, its threads and its children."""
    return sum(_ticks(one) for one in _tree(pid)) / _TICKS


def busy_seconds() -> float:
    """Processor time that the machine has spent so far, over all cores and processes.

    All but `idle` and `iowait` of proc(5), `/proc/stat`; guests are in `user` already.
    """
    first, *_ = Path("/proc/stat").read_text().splitlines()
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, first.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def _tree(pid: int) -> list[int]:
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _tree(int(child))
    except OSError:
        pass
    return found


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _rss(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
