"""Programs that benchmarks run to the end before they begin."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_LINES_OF_A_FAILURE: Final = 20


def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """Run it, with more environment than ours; what it said on standard output.

    Raises:
        RuntimeError: it failed; the message ends with what it said.
    """
    done = subprocess.run(
        list(map(str, command)),
        env=os.environ | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-_LINES_OF_A_FAILURE:])
        raise RuntimeError(f"{command[0]} failed:\n{said}")
    return done.stdout
