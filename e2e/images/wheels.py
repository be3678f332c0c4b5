"""The wheels of each image: what its lock file says, and tierfleet itself, compiled.

They are made outside of the image, so that it is built without a network, and for the Python that
the base has. It must not know how images are built.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from e2e.paths import REPOSITORY, cache_folder
from e2e.programs import run
from e2e.progress import Step
from e2e.tools.cache import build_once

TARGETS = ("operator", "sidecar", "engine")

PYTHON = (3, 11)
"""Of the base image: the default one of the Dockerfile, and Debian bookworm's."""

FOLDER = REPOSITORY / "build" / "images"
LOCKS = REPOSITORY / "images"

PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")


class PythonMissingError(RuntimeError):
    """There is no Python of the version that the images have."""


def collect(console: Console) -> None:
    """Make `build/images/TARGET` hold the wheels of each image, and nothing else.

    Raises:
        RuntimeError: pip or the compiler failed; the message ends with what it said.
        PythonMissingError: there is no Python to compile with.
    """
    own = build_once(cache_folder() / "wheels" / f"tierfleet-{source_key()}", _tierfleet, console)
    with Step("wheels of the images", len(TARGETS), console) as step:
        for target in TARGETS:
            lock = LOCKS / f"{target}.lock"
            key = hashlib.sha256(lock.read_bytes() + repr((PYTHON, PLATFORMS)).encode())
            locked = build_once(
                cache_folder() / "wheels" / f"{target}-{key.hexdigest()[:16]}",
                lambda folder, lock=lock: _download(lock, folder),  # type: ignore[misc]
                console,
            )
            folder = FOLDER / target
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for wheel in (*locked.glob("*.whl"), *own.glob("*.whl")):
                shutil.copy(wheel, folder)
            step.advance(target)


def source_key() -> str:
    """A short hash over everything that tierfleet's own wheel is made from."""
    digest = hashlib.sha256(repr((PYTHON, _compiled())).encode())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    # How tests and style are checked is in the same file and changes no wheel.
    parts = (project["build-system"], project["project"], project["tool"]["hatch"])
    digest.update(json.dumps(parts, sort_keys=True).encode())
    for path in sorted(_source()):
        digest.update(str(path.relative_to(REPOSITORY)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _source() -> Iterator[Path]:
    yield from (REPOSITORY / name for name in ("hatch_build.py", "README.md"))
    package = REPOSITORY / "operator"
    yield from (p for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def _tierfleet(folder: Path) -> None:
    pins = folder / "constraints.txt"
    pins.write_text(_pins())
    command = [_python(), "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    options = {"TIERFLEET_COMPILE": _compiled(), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    # Through the environment it also holds for what the build itself needs.
    run([*command, str(REPOSITORY)], options | {"PIP_CONSTRAINT": str(pins)})


def _compiled() -> str:
    """What the build is told: compiled, unless somebody in a hurry sets the variable to 0."""
    return os.environ.get("TIERFLEET_COMPILE", "1")


def _pins() -> str:
    """The locked versions, without their hashes: pip takes those from requirement files only."""
    lines = (REPOSITORY / "requirements-dev.lock").read_text().splitlines()
    return "".join(f"{line.rstrip(' ' + chr(92))}\n" for line in lines if "==" in line)


def _download(lock: Path, folder: Path) -> None:
    version = ".".join(map(str, PYTHON))
    machine = run(["uname", "-m"]).strip()
    platforms = [f"--platform={platform}_{machine}" for platform in PLATFORMS]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", f"--python-version={version}", *platforms]
    run([*command, "--dest", str(folder), "--requirement", str(lock)])


def _python() -> str:
    """A Python of the images' version that can compile against itself."""
    name = "python" + ".".join(map(str, PYTHON))
    for candidate in (sys.executable, f"/usr/bin/{name}", name):
        code = (
            "import sys, sysconfig, pathlib, pip;"
            f"sys.exit(sys.version_info[:2] != {PYTHON} or not"
            " (pathlib.Path(sysconfig.get_paths()['include']) / 'Python.h').exists())"
        )
        try:
            done = subprocess.run([candidate, "-c", code], capture_output=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    raise PythonMissingError(
        f"The images have {name}, and there is none here with its headers and pip to compile for "
        f"them. Install it (Debian 12: {name}-dev {name}-venv), or make .venv with it: "
        f"make PYTHON={name}"
    )
