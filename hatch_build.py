"""Compiles the hot path with mypyc into the wheel, where `TIERFLEET_COMPILE=1` asks for it.

The same source twice: without it, and in an editable install, the wheel is pure Python and does the
same, only slower. Needs a C compiler. What is compiled, and why, is in docs/performance.md.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = Path("operator/tierfleet")
COMPILED = {
    "admission": (
        "arrivals calendar contracts core cost drain entitlements flows heap holdback limits lines"
        " order periods pulse reclaim requests roster running seats settlement shadow shares"
        " shedding waiting why"
    ),
    # What runs for every request or piece of an answer.
    "sidecar": (
        "answers chunked client exchange gate headers http1 identify journal lifecycle outbox"
        " response retries service tally upstream"
    ),
    "sidecar/surfaces": "anthropic meters openai responses surface table tiers",
}
"""Modules by package. Structs of msgspec and Protocols cannot be, and nothing would be gained."""
_OPTIONS = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
_LINES_OF_A_FAILURE = 30


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """See the module."""

    PLUGIN_NAME = "custom"
    _folder: Path | None = None

    def dependencies(self) -> list[str]:
        """What compiling needs: also what the source imports, for its types."""
        if not _asked_for():
            return []
        project = self.metadata.core
        used = [*project.dependencies, *project.optional_dependencies["sidecar"]]
        return ["mypy[mypyc]>=1.18,<3", "setuptools>=75", *used]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the extension modules to the wheel.

        Raises:
            RuntimeError: mypyc or the C compiler failed; the message ends with what it said.
        """
        if version == "editable" or not _asked_for():
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        self._folder = folder = Path(tempfile.mkdtemp(prefix="tierfleet-compile-"))
        try:
            for built in compile_into(folder, Path(self.root)):
                build_data["force_include"][str(built)] = str(built.relative_to(folder))
        except BaseException:
            shutil.rmtree(folder)
            raise

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clean up."""
        del version, build_data, artifact_path
        if self._folder is not None:
            shutil.rmtree(self._folder)


def _asked_for() -> bool:
    return os.environ.get("TIERFLEET_COMPILE") == "1"


def compile_into(folder: Path, root: Path = Path(__file__).parent) -> list[Path]:
    """Copy the package into a folder and compile it there; the extension modules.

    In a copy: an extension module left beside the source would hide changes to it.

    Raises:
        RuntimeError: mypyc or the C compiler failed; the message ends with what it said.
    """
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(root / PACKAGE, folder / PACKAGE.name, ignore=ignored)
    files = [
        f"{PACKAGE.name}/{package}/{module}.py"
        for package, modules in COMPILED.items()
        for module in modules.split()
    ]
    done = subprocess.run(
        [sys.executable, "-m", "mypyc", *_OPTIONS, *files],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-_LINES_OF_A_FAILURE:])
        raise RuntimeError(f"mypyc cannot compile tierfleet (it needs a C compiler):\n{said}")
    return sorted(folder.glob("*.so")) + sorted((folder / PACKAGE.name).rglob("*.so"))
