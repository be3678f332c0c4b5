"""The processes of one cluster: found and killed by a marker in their environment.

Recorded process ids go stale (a killed starter never recorded them, a number is used again); the
environment is inherited by whatever a process starts and cannot be lost. In the middle of `exec` a
process has none for a moment; there its working directory tells, so every process of a cluster has
to be started inside the cluster's folder. Linux only. It must not know what the processes are.
"""

import os
import signal
import time
from pathlib import Path

MARKER = "TIERFLEET_CLUSTER"
KILL_SECONDS = 10.0


def marked_environment(workdir: Path) -> dict[str, str]:
    """Return our environment with the marker of the cluster in `workdir` added."""
    return {**os.environ, MARKER: str(workdir.resolve())}


def running(workdir: Path) -> dict[int, str]:
    """Return the living processes of the cluster in `workdir`: process id to program name."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _belongs(int(entry.name), workdir):
            try:
                found[int(entry.name)] = (entry / "exe").readlink().name
            except OSError:
                continue  # it ended while we looked
    return found


def lives(pid: int) -> bool:
    """Tell whether the process `pid` is there and has not ended, all of its threads included."""
    process = Path(f"/proc/{pid}")
    try:
        stat = (process / "stat").read_text()
        threads = len(list((process / "task").iterdir()))
    except OSError:
        return False
    # proc(5): the state is the third field; the second, in brackets, may hold anything. A first
    # thread that has ended says nothing of the others, which may still hold ports.
    return threads > 1 or stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def kill_all(workdir: Path) -> None:
    """Kill every process of the cluster in `workdir` and return once there is none.

    Raises:
        RuntimeError: some process is still there after 10 seconds.
    """
    deadline = time.monotonic() + KILL_SECONDS
    while alive := running(workdir):
        if time.monotonic() > deadline:
            raise RuntimeError(f"these processes do not end: {alive}")
        for pid in alive:
            _kill(pid, workdir)
        time.sleep(0.01)


def _kill(pid: int, workdir: Path) -> None:
    # The descriptor pins the process, so that the check and the signal meet the same one.
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _belongs(pid, workdir):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _belongs(pid: int, workdir: Path) -> bool:
    process = Path(f"/proc/{pid}")
    try:
        environment = (process / "environ").read_bytes()
        if environment:
            return f"{MARKER}={workdir.resolve()}".encode() in environment.split(b"\0")
        return (process / "cwd").readlink().is_relative_to(workdir.resolve())
    except OSError:  # it has ended, or is another user's: not ours
        return False
