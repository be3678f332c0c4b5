"""Programs of Debian's that are compared with, installed where they are missing."""

import os
import shutil
import subprocess
from collections.abc import Mapping


def install(packages: Mapping[str, str]) -> None:
    """Install what is not on PATH; without starting any service.

    Args:
        packages: Debian's, by the program that is wanted.

    Raises:
        RuntimeError: something is missing and cannot be installed here.
    """
    missing = [program for program in packages if shutil.which(program) is None]
    if not missing:
        return
    wanted = [packages[program] for program in missing]
    if os.geteuid() or shutil.which("apt-get") is None:
        raise RuntimeError(
            f"{' and '.join(missing)} must be on PATH; Debian has {' and '.join(wanted)}."
        )
    # At run level 1 no service is started by its installation (invoke-rc.d(8)).
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "-y", *wanted]):
        done = subprocess.run(
            ["apt-get", "-qq", *command],  # noqa: S607 - where it is differs
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise RuntimeError(f"apt-get {' '.join(command)} failed:\n{said}")
