"""Builds the admission core with mypyc: the same source, as extension modules.

The pure core stays the reference; this one has to give the same decisions. Needs a C compiler and
setuptools. The result is a copy of the package under `build/compiled`, to be put in front of
`PYTHONPATH`; it is made anew when the source has changed.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "operator" / "tierfleet"
TARGET: Final = ROOT / "build" / "compiled"
_INTERPRETED: Final = {"__init__.py", "interface.py", "supported.py", "types.py"}
"""Structs of msgspec and a Protocol cannot be compiled, and nothing would be gained."""


def build() -> Path:
    """Where the compiled package is, built if it is not there or not of this source.

    Raises:
        RuntimeError: it cannot be compiled; the message ends with what the compiler said.
    """
    stamp = TARGET / "of"
    digest = _digest()
    if stamp.exists() and stamp.read_text() == digest:
        return TARGET
    shutil.rmtree(TARGET, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCE, TARGET / "tierfleet", ignore=ignored)
    modules = sorted((TARGET / "tierfleet" / "admission").glob("*.py"))
    files = [str(m.relative_to(TARGET)) for m in modules if m.name not in _INTERPRETED]
    options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
    done = subprocess.run(
        [sys.executable, "-m", "mypyc", *options, *files],
        cwd=TARGET,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise RuntimeError(f"mypyc cannot compile the core (it needs gcc and setuptools):\n{said}")
    stamp.write_text(digest)
    return TARGET


def _digest() -> str:
    found = hashlib.sha256(sys.version.encode())
    for path in sorted(SOURCE.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    print(build())
