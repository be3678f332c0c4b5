"""The package with its hot path compiled by mypyc, as `hatch_build.py` puts it into wheels.

The pure core stays the reference; this one has to give the same decisions. The result is a copy of
the package under `build/compiled`, to be put in front of `PYTHONPATH`; it is made anew when the
source has changed.
"""

import hashlib
import shutil
import sys
from pathlib import Path
from typing import Final

import hatch_build

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / hatch_build.PACKAGE
TARGET: Final = ROOT / "build" / "compiled"


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
    hatch_build.compile_into(TARGET)
    stamp.write_text(digest)
    return TARGET


def _digest() -> str:
    found = hashlib.sha256(sys.version.encode())
    for path in (ROOT / "hatch_build.py", *sorted(SOURCE.rglob("*.py"))):
        found.update(path.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    print(build())
