"""Build the Dockerfile's targets with the builder at hand. It must not know what is in them."""

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from e2e.paths import REPOSITORY
from e2e.programs import run

BUILD_SECONDS = 600.0

ATTEMPTS = 8
FLAKE = "sealing memfd copy"
"""What buildah says when the kernel still holds a page of the copy of itself that it is about to
seal (EBUSY). Steps that were done are kept, so trying again goes on from there."""


def tag(target: str) -> str:
    """What the image of a target is called."""
    return f"tierfleet/{target}:{version('tierfleet')}"


def revision() -> str:
    """The commit that is checked out, `-dirty` with changes; `unknown` outside of a checkout."""
    try:
        described = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return run(["git", "-C", REPOSITORY, *described]).strip()
    except (RuntimeError, OSError):
        return "unknown"


@dataclass(frozen=True)
class Builder:
    """A program that builds images: docker, podman or buildah.

    Attributes:
        program: its name.
        options: before its subcommand.
    """

    program: str
    options: tuple[str, ...] = field(default=())

    def build(self, target: str, arguments: Mapping[str, str]) -> None:
        """Build one target of the Dockerfile, with build arguments.

        Raises:
            RuntimeError: it failed; the message ends with what it said.
        """
        given = {"VERSION": version("tierfleet"), "REVISION": revision(), **arguments}
        command = [self.program, *self.options, "build", f"--target={target}"]
        command += [f"--build-arg={name}={value}" for name, value in given.items()]
        if self.program == "buildah":
            # As in a sandbox: without namespaces of its own for every step.
            command += ["--isolation=chroot", "--layers", "--format=oci"]
        command += [f"--tag={tag(target)}", str(REPOSITORY)]
        for _ in range(ATTEMPTS - 1):
            try:
                run(command, timeout=BUILD_SECONDS)
            except RuntimeError as error:
                if FLAKE not in str(error):
                    raise
            else:
                return
        run(command, timeout=BUILD_SECONDS)

    def command(self, *arguments: str | Path) -> str:
        """Run another of its subcommands; what it printed.

        Raises:
            RuntimeError: it failed.
        """
        return run([self.program, *self.options, *arguments], timeout=BUILD_SECONDS)


def at_hand() -> Builder | None:
    """The first builder that works here; None if there is none."""
    for program in ("docker", "podman", "buildah"):
        asked = {"docker": ["version"], "podman": ["info"], "buildah": ["info"]}[program]
        if shutil.which(program) and _works([program, *asked]):
            return Builder(program)
    return None


@contextmanager
def buildah() -> Iterator[Builder]:
    """A buildah with a store of its own, which is removed afterwards."""
    with TemporaryDirectory(prefix="tierfleet-buildah-") as folder:
        options = (f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=overlay")
        try:
            yield Builder("buildah", options)
        finally:
            # What failed half-way is still mounted.
            for mounted in sorted(_mounts_below(folder), reverse=True):
                run(["umount", mounted])


def _mounts_below(folder: str) -> Iterator[str]:
    for line in Path("/proc/mounts").read_text().splitlines():
        mounted = line.split()[1]
        if mounted.startswith(f"{folder}/"):
            yield mounted


def _works(command: Iterable[str]) -> bool:
    return subprocess.run(list(command), capture_output=True, check=False).returncode == 0
