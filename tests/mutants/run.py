"""`make mutants`: every wrong variant of the pure cores has to be noticed by the test named for it.

Works on copies: the checkout is never changed. The named tests first have to pass on a copy without
a mistake, so a copy that cannot run does not count as noticed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.mutants.mutant import Mutant
from tests.mutants.tables import MUTANTS

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
_COPIED = ("operator", "tests", "e2e")
_PYTEST = """
import sys
from pathlib import Path
import pytest
import tierfleet.admission.core as core
if not Path(core.__file__).is_relative_to(Path.cwd().resolve()):
    sys.exit(f"{core.__file__} was imported instead of the copy")
code = pytest.main(sys.argv[1:])
sys.exit(42 if code == pytest.ExitCode.TESTS_FAILED else code)
"""
_PASSED, _FAILED = 0, 42
"""A Python that cannot even import the core ends with 1, which is not what a failed test is."""


class BrokenError(Exception):
    """A mutant cannot be made or run, which says nothing about the tests."""


def copy_to(target: Path) -> None:
    """What the tests of the cores need of the checkout."""
    for name in _COPIED:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", target)


def mutated(source: str, mutant: Mutant) -> str:
    """The source with the mistake in it.

    Raises:
        BrokenError: an old text is not there exactly once, or the result is no Python.
    """
    for old, new in mutant.edits:
        if source.count(old) != 1:
            raise BrokenError(
                f"{mutant.file} has this {source.count(old)} times, not once: {old!r}"
            )
        source = source.replace(old, new)
    try:
        compile(source, mutant.file, "exec")
    except SyntaxError as error:
        raise BrokenError(f"{mutant.file} would be no Python: {error}") from error
    return source


def passes(copy: Path, tests: Iterable[str]) -> tuple[bool, str]:
    """Whether the named tests pass in the copy, and what they print.

    Raises:
        BrokenError: they could not be run.
    """
    environment = {**os.environ, "PYTHONPATH": str(copy / "operator"), "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [
            *(sys.executable, "-c", _PYTEST, "-q", "-x", "--timeout=60", "--durations=0"),
            *("-p", "no:cacheprovider", *tests),
        ],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    if done.returncode not in (_PASSED, _FAILED):
        raise BrokenError(f"pytest could not run: {output[-2000:]}")
    return done.returncode == _PASSED, output


def survives(mutant: Mutant, pristine: Path) -> bool:
    """True if the named test does not notice the mistake.

    Raises:
        BrokenError: the mutant cannot be made or run.
    """
    with tempfile.TemporaryDirectory(prefix="tierfleet-mutant-") as folder:
        copy = Path(folder).resolve() / "copy"
        shutil.copytree(pristine, copy)
        target = copy / mutant.source
        target.write_text(mutated(target.read_text(), mutant))
        return passes(copy, [mutant.test])[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs those whose name has one of the words in it, all without; 0 if each is killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run", description=__doc__)
    parser.add_argument("words", nargs="*", help="run those with one of these in the name; or all")
    words = parser.parse_args(arguments).words
    for word in words:
        if not any(word in mutant.name for mutant in MUTANTS):
            parser.error(f"no mutant has {word!r} in its name; see tests/mutants/tables.")
    mutants = [m for m in MUTANTS if not words or any(word in m.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="tierfleet-mutants-") as folder:
        pristine = Path(folder).resolve()
        copy_to(pristine)
        killers = sorted({mutant.test for mutant in mutants})
        print(f"{len(killers)} tests on a copy without a mistake ...", flush=True)
        passed, output = passes(pristine, killers)
        if not passed:
            print(output)
            print("They have to pass there first.")
            return 1
        killed = _run_all(pristine, mutants)
    print(f"mutants killed={killed} of={len(mutants)}")
    return 0 if killed == len(mutants) else 1


def _run_all(pristine: Path, mutants: Sequence[Mutant]) -> int:
    killed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(survives, mutant, pristine): mutant for mutant in mutants}
        for number, future in enumerate(as_completed(running), start=1):
            mutant = running[future]
            try:
                verdict = "SURVIVED" if future.result() else "killed"
            except BrokenError as error:
                verdict = f"BROKEN ({error})"
            killed += verdict == "killed"
            by = mutant.killer.rpartition("::test_")[2].replace("_", " ")
            print(f"{number:3}/{len(mutants)} {verdict}: {mutant.name} [{by}]", flush=True)
    return killed


if __name__ == "__main__":
    sys.exit(main())
