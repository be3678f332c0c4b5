"""`python -m e2e.SOMETHING up|down`: a word in, an exit code and sentences out.

It must not know what is started or removed.
"""

import subprocess
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from e2e.health import PartDownError
from e2e.toolchain import BuildError
from e2e.tools.golang import GoMissingError

Action = Callable[[Console], None]

EXPECTED = (
    AssertionError,  # waited in vain
    BuildError,
    FileNotFoundError,
    GoMissingError,
    PartDownError,
    RuntimeError,  # a program that was run to its end, with what it said
    subprocess.CalledProcessError,
)
"""Errors whose message says all there is to say: no stack trace."""


def run(program: str, actions: Mapping[str, Action], arguments: Sequence[str]) -> int:
    """Do the action that the arguments name; return the exit code."""
    console = Console()
    if len(arguments) != 1 or arguments[0] not in actions:
        console.print(f"usage: python -m {program} {'|'.join(actions)}", markup=False)
        return 2
    try:
        actions[arguments[0]](console)
    except EXPECTED as error:
        console.print(str(error), markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; what was begun is removed.")
        return 130
    return 0
