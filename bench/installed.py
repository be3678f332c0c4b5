"""What is compared, installed as a user would: each in a virtual environment of its own.

The sidecar is the wheel with its path of a request compiled. Of the interpreters at hand the
distribution's is taken: it is what images have, and it is built with profile and link-time
optimisation, which many of pyenv's are not.
"""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

from e2e import debian
from e2e.programs import run

ROOT: Final = Path(__file__).parents[1]
_BUILD: Final = ROOT / "build" / "bench-installed"
_ROUTERS: Final = ("vllm-router==0.1.17", "sglang-router==0.3.2")


def programs() -> None:
    """Install nginx and wrk where they are missing.

    Raises:
        RuntimeError: they are missing and cannot be installed here.
    """
    debian.install({"nginx": "nginx-light", "wrk": "wrk"})


def routers() -> Path:
    """The folder of the routers' programs."""
    return _venv("routers", "".join(_ROUTERS), ["install", "--quiet", *_ROUTERS])


def sidecar() -> Path:
    """The folder of the sidecar's program, made anew when the source has changed."""
    digest = hashlib.sha256()
    for path in [
        *sorted((ROOT / "operator").rglob("*.py")),
        ROOT / "pyproject.toml",
        ROOT / "hatch_build.py",
    ]:
        digest.update(path.read_bytes())
    return _venv(
        "sidecar",
        digest.hexdigest(),
        ["install", "--quiet", "--force-reinstall", f"{ROOT}[sidecar]"],
        {"TIERFLEET_COMPILE": "1"},
    )


def interpreter() -> str:
    """Python that the sidecar runs on."""
    return next((p for p in ("/usr/bin/python3",) if _can_make_venvs(p)), sys.executable)


def _can_make_venvs(python: str) -> bool:
    code = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    try:
        return (
            subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


def _venv(name: str, stamp: str, pip: list[str], environment: dict[str, str] | None = None) -> Path:
    folder = _BUILD / name
    made = folder / "made-of"
    if not made.exists() or made.read_text() != stamp:
        run([interpreter(), "-m", "venv", "--clear", folder])
        run([folder / "bin" / "python", "-m", "pip", *pip], environment)
        made.write_text(stamp)
    return folder / "bin"
