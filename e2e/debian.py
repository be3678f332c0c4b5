"""Programs of Debian's, installed where they are missing. It must not know what they are for."""

import os
import shutil
import sys
from collections.abc import Mapping

from e2e.programs import find, run


def install(packages: Mapping[str, str]) -> None:
    """Install what is not here; without starting any service.

    Args:
        packages: Debian's, by the program that is wanted.

    Raises:
        RuntimeError: something is missing and cannot be installed here.
    """
    missing = [program for program in packages if find(program) is None]
    if not missing:
        return
    wanted = [packages[program] for program in missing]
    if os.geteuid() or shutil.which("apt-get") is None:
        raise RuntimeError(
            f"{' and '.join(missing)} must be on PATH; Debian has {' and '.join(wanted)}."
        )
    sys.stderr.write(f"Installing Debian's {' '.join(wanted)}.\n")
    # Nothing is started by its installation: not at run level 1 (invoke-rc.d(8)), and not by a
    # systemctl that takes the system for a folder.
    environment = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1", "SYSTEMD_OFFLINE": "1"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *wanted]):
        run(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *command], environment)
