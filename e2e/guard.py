"""Leave nothing behind: a process that outlives its owner and then removes the owner's cluster.

`claim()` makes a folder and starts the guard, in a session of its own so that Ctrl-C does not
reach it. The guard waits for the end of a pipe that only the owner holds: it ends when the owner
closes it and when the owner dies, however that happens. So there is one way to remove a cluster.
If the guard was killed too, nobody holds the folder's lock any more and the next `claim()` sweeps
it. It must not know what runs in the folder; it imports only the standard library, so that it
starts at once.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from e2e import cgroups
from e2e.paths import REPOSITORY
from e2e.processes import kill_all

OWNER_LOCK = "owner.lock"
RELEASE_SECONDS = 30.0


@dataclass(frozen=True)
class Claim:
    """A folder that is removed, with the processes marked for it, when its owner ends."""

    workdir: Path
    guard: subprocess.Popen[bytes]
    lock: int

    def release(self) -> None:
        """Have the guard remove everything now. A second call does nothing.

        Raises:
            RuntimeError: something is left; the guard has said what on standard error.
        """
        if self.guard.returncode is not None:
            return
        assert self.guard.stdin is not None
        self.guard.stdin.close()
        code = self.guard.wait(RELEASE_SECONDS)
        os.close(self.lock)
        if code != 0:
            raise RuntimeError(f"could not remove everything of {self.workdir}, see above")


def claim(name: str) -> Claim:
    """Make a folder for the cluster `name` and have it guarded. Sweeps what the dead left."""
    base = base_folder()
    with locked(base / ".lock"):
        sweep(base)
        workdir = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base))
        lock = os.open(workdir / OWNER_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    # Owner and guard share one open file, so the lock is held while either of them lives.
    guard = subprocess.Popen(
        [sys.executable, "-m", "e2e.guard", str(workdir)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=(lock,),
        start_new_session=True,
    )
    return Claim(workdir, guard, lock)


def sweep(base: Path) -> None:
    """Remove every folder below `base` whose owner and guard are both dead."""
    for workdir in base.iterdir():
        if not workdir.is_dir():
            continue
        try:
            # Not made if it is not there: a guard that is removing the folder would find it anew.
            lock = os.open(workdir / OWNER_LOCK, os.O_RDWR)
        except FileNotFoundError:
            # The lock goes last, so it is nobody's, or there is nothing left in it.
            tear_down(workdir)
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tear_down(workdir)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


def tear_down(workdir: Path) -> None:
    """Kill the processes that are marked for `workdir`, then remove it and its cgroup."""
    kill_all(workdir)
    cgroups.remove(workdir)
    # Somebody else may remove the empty folder at the same time.
    with suppress(FileNotFoundError):
        for path in workdir.iterdir():
            if path.name == OWNER_LOCK:
                continue  # the last, because who finds it free removes the folder too
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        (workdir / OWNER_LOCK).unlink(missing_ok=True)
        workdir.rmdir()


def base_folder() -> Path:
    """Where the folders of all clusters of this user are, whatever their home.

    Raises:
        RuntimeError: it is not this user's.
    """
    base = Path(tempfile.gettempdir()) / f"tierfleet-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    if base.is_symlink() or base.stat().st_uid != os.getuid():
        raise RuntimeError(f"{base} belongs to somebody else; set TMPDIR to a folder of your own")
    return base


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One at a time, of all processes that name the file; `waiting` is called if it is another."""
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(workdir: Path) -> None:
    """Be the guard: wait for the end of standard input, then remove the cluster."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    tear_down(workdir)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
