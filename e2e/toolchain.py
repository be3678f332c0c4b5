"""Build the programs of the test cluster from source into the user's cache folder.

Beside them it keeps the files that others publish for a cluster in their source: definitions of
kinds. `python -m e2e.toolchain` builds what is missing and prints where it is. It must not know how
any of it is used.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from e2e.paths import cache_folder
from e2e.progress import Step
from e2e.tools.cache import build_once
from e2e.tools.golang import GoMissingError, environment, find_go
from e2e.tools.modules import BUILD_FLAGS, MODULES, Module

LINES_OF_A_FAILURE = 30


class BuildError(RuntimeError):
    """A program could not be built; the message shows the compiler's words and the next step."""


@dataclass(frozen=True)
class Toolchain:
    """The built programs and the files, each by name."""

    programs: Mapping[str, Path]
    files: Mapping[str, Path]

    def __getitem__(self, name: str) -> Path:
        """Return the path of program `name`, for example `kubectl`."""
        return self.programs[name]


def ensure(console: Console | None = None) -> Toolchain:
    """Return the toolchain, building whatever of it is missing (12 to 26 minutes at first).

    Raises:
        GoMissingError: there is no Go and none can be installed.
        BuildError: a module does not build here.
    """
    console = console or Console(stderr=True)
    tools = cache_folder() / "tools"
    programs: dict[str, Path] = {}
    files: dict[str, Path] = {}
    for module in MODULES:
        folder = tools / f"{module.name}-{module.key}"
        built = build_once(folder, partial(_build, module, tools, console), console)
        programs |= {name: built / "bin" / name for name in module.programs}
        files |= {name: built / "share" / name for name in module.files}
    return Toolchain(programs, files)


def _build(module: Module, tools: Path, console: Console, into: Path) -> None:
    go = find_go(module.minimum_go, tools, console)
    if module.programs:
        _compile(module, go, console, into / "bin")
    if module.files:
        _copy(module, go, console, into / "share")


def _compile(module: Module, go: Path, console: Console, into: Path) -> None:
    title = f"{module.name} {module.version}"
    into.mkdir()
    packages = list(module.programs.values())
    with Step(f"{title}: download", None, console) as step:
        dependencies = _go(module, step, go, "list", "-deps", *packages)
    with Step(f"{title}: compile", len(dependencies), console) as step:
        for program, package in module.programs.items():
            flags = [*BUILD_FLAGS, f"-ldflags={module.linker_flags}"]
            _go(module, step, go, "build", "-v", *flags, "-o", str(into / program), package)


def _copy(module: Module, go: Path, console: Console, into: Path) -> None:
    into.mkdir()
    with Step(f"{module.name} {module.version}: files", None, console) as step:
        _go(module, step, go, "mod", "download", module.versioned_by)
        (source,) = _go(module, step, go, "list", "-m", "-f", "{{.Dir}}", module.versioned_by)
        for name, path in module.files.items():
            shutil.copyfile(Path(source) / path, into / name)


def _go(module: Module, step: Step, go: Path, *arguments: str) -> list[str]:
    """Run Go in the module's folder, count its lines of progress, return what it printed."""
    said: list[str] = []
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen(
            [str(go), *arguments],
            cwd=module.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            try:
                for line in process.stderr:
                    said.append(line.rstrip())
                    step.advance(said[-1])
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            # Package names are the progress of `-v`; what is left is the compiler's complaint.
            words = [line for line in said if not re.fullmatch(r"[\w./~-]+", line)]
            raise BuildError(
                f"{module.name} could not be built (go {arguments[0]} ended with "
                f"{process.returncode}):\n"
                + "\n".join(words[-LINES_OF_A_FAILURE:])
                + "\nIf that is about the network or a full disk, mend it and run this again: "
                "what is compiled already is kept in Go's own cache."
            )
        output.seek(0)
        return output.read().splitlines()


def main() -> int:
    """Build what is missing; print one line per program and file."""
    console = Console(stderr=True)
    try:
        toolchain = ensure(console)
    except (BuildError, GoMissingError) as error:
        console.print(str(error), markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted. What is compiled already is kept in Go's own cache.")
        return 130
    for name, path in {**toolchain.programs, **toolchain.files}.items():
        sys.stdout.write(f"{name}\t{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
