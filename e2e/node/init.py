"""The first process of a node's namespaces: starts its programs, and again when they end.

`python -S init.py` reads from standard input what to do, as JSON: `folders`, where the node has
files of its own by where the machine has them, and `programs`, the command lines by name. A program
that ends is started again after a second, as systemd would on a real node. Whatever a container
leaves behind is reaped here. It must not know what the programs are; it imports only the standard
library, so that it starts at once.
"""

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

RESTART_SECONDS = 1.0

MS_BIND, MS_REC, MS_SHARED = 0x1000, 0x4000, 1 << 20  # mount(2)


def mount(source: str, target: str, flags: int) -> None:
    """Mount it there; the file system type and its options are left out."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), None, flags, None):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), target)


def start(name: str, command: list[str]) -> int:
    """Start a program that logs to `/var/log/NAME.log`; return its process id."""
    log = os.open(f"/var/log/{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        return os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
            setsigmask=[],
        )
    finally:
        os.close(log)
        os.close(nothing)


def main() -> None:
    """Prepare the file systems, start everything, reap for ever."""
    wanted = json.load(sys.stdin)
    for target, source in wanted["folders"].items():
        Path(source).mkdir(parents=True, exist_ok=True)
        mount(source, target, MS_BIND | MS_REC)
    # Mounts that the kubelet makes for a pod have to reach the containers of that pod.
    mount("none", "/", MS_SHARED | MS_REC)
    running = {start(name, command): name for name, command in wanted["programs"].items()}
    ended: dict[str, float] = {}
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        signal.sigtimedwait({signal.SIGCHLD}, RESTART_SECONDS)
        while running:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid in running:
                ended[running.pop(pid)] = time.monotonic()
        for name, since in list(ended.items()):
            if time.monotonic() - since >= RESTART_SECONDS:
                del ended[name]
                running[start(name, wanted["programs"][name])] = name


if __name__ == "__main__":
    main()
