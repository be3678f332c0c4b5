"""The cgroup below which the containers of one cluster's node run.

Where cgroups of version 1 are mounted, it is in each of their hierarchies. Standard library only,
as the guard removes it. It must not know what runs in it.
"""

import contextlib
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

REMOVE_SECONDS = 10.0


def name_of(workdir: Path) -> str:
    """What the cgroup of the cluster in `workdir` is called, below the root."""
    digest = hashlib.sha256(str(workdir.resolve()).encode()).hexdigest()
    return f"tierfleet-{digest[:12]}"


def make(workdir: Path) -> None:
    """Make it, with every controller that there is.

    Raises:
        OSError: this machine does not let us.
    """
    for root in roots():
        controllers = root / "cgroup.subtree_control"  # version 2 hands them down one by one
        ours = root / name_of(workdir)
        ours.mkdir(exist_ok=True)
        for parent in (controllers, ours / controllers.name):
            if parent.exists():
                for controller in (parent.parent / "cgroup.controllers").read_text().split():
                    # One that processes of the parent still use cannot be handed down.
                    with contextlib.suppress(OSError):
                        parent.write_text(f"+{controller}")


def remove(workdir: Path) -> None:
    """Remove it, once its processes have ended.

    Raises:
        OSError: a process in it does not end.
    """
    deadline = time.monotonic() + REMOVE_SECONDS
    for root in roots():
        ours = root / name_of(workdir)
        if not ours.is_dir():
            continue
        below = sorted((path for path in ours.rglob("*") if path.is_dir()), reverse=True)
        for folder in (*below, ours):
            while True:
                try:
                    folder.rmdir()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)


def roots() -> Iterator[Path]:
    """Where the hierarchies of cgroups are mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mounted, kind, *_ = line.split()
        if kind in {"cgroup", "cgroup2"}:
            yield Path(mounted)
