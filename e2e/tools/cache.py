"""A folder that is made once: by one process at a time, and either wholly or not at all.

It must not know what is in the folder.
"""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

from rich.console import Console


def build_once(folder: Path, build: Callable[[Path], None], console: Console) -> Path:
    """Return `folder`, made by `build` if it is not there yet.

    `build` is given an empty folder beside it, which is renamed once `build` returns. Whatever a
    failed or killed run left behind is removed by the next one. A second process that wants the
    same folder waits for the first.

    Raises:
        Whatever `build` raises; nothing is left then.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        _wait_for(lock.fileno(), folder, console)
        if folder.is_dir():
            return folder
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            build(unfinished)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return folder


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Of the folders that match in `folder`, remove all but those that were made last.

    For what is made anew with every change of a source: somebody who changes it all day would
    otherwise fill the disk.
    """
    made = [path for path in folder.glob(pattern) if path.is_dir() and not path.suffix]
    for old in sorted(made, key=lambda path: path.stat().st_mtime)[:-count]:
        shutil.rmtree(old, ignore_errors=True)


def _wait_for(lock: int, folder: Path, console: Console) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        console.print(f"Another process is making {folder.name}; waiting for it.", highlight=False)
        fcntl.flock(lock, fcntl.LOCK_EX)
