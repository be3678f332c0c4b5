"""Programs that are run to their end: what they said, or an error with what they said."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_LINES_OF_A_FAILURE: Final = 20

_SYSTEM_FOLDERS: Final = "/usr/sbin:/sbin"
"""Where programs for root are; not on everybody's PATH."""


def run(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """Run it, with more environment than ours; what it said on standard output.

    Args:
        command: the program and its arguments.
        environment: variables beside, or instead of, ours.
        timeout: seconds; None waits for ever.

    Raises:
        RuntimeError: it failed, and the message ends with what it said; or it took longer than
            that, and was killed.
    """
    try:
        done = subprocess.run(
            list(map(str, command)),
            env=os.environ | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{command[0]} did not end within {timeout:g} s.") from error
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-_LINES_OF_A_FAILURE:])
        raise RuntimeError(f"{command[0]} failed:\n{said}")
    return done.stdout


def find(name: str) -> str | None:
    """The full path of a program, also of those for root; None if it is not here."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_FOLDERS}")
