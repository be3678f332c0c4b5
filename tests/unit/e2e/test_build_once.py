import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from e2e.paths import REPOSITORY
from e2e.tools.cache import build_once, keep_newest
from e2e.wait import wait_until

QUIET = Console(quiet=True)


def write_program(into: Path) -> None:
    (into / "program").write_text("whole")


def never(into: Path) -> None:
    pytest.fail("built a second time")


def test_a_folder_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    build_once(tmp_path / "tool", write_program, QUIET)

    assert (build_once(tmp_path / "tool", never, QUIET) / "program").read_text() == "whole"


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_a_build_that_does_not_end_well_leaves_nothing(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    def fail(into: Path) -> None:
        (into / "half").touch()
        raise interruption

    with pytest.raises(interruption):
        build_once(tmp_path / "tool", fail, QUIET)

    assert [path.name for path in tmp_path.iterdir()] == ["tool.lock"]


def test_what_a_killed_build_left_does_not_get_into_the_next(tmp_path: Path) -> None:
    (tmp_path / "tool.unfinished").mkdir()
    (tmp_path / "tool.unfinished" / "half").touch()

    built = build_once(tmp_path / "tool", write_program, QUIET)

    assert [path.name for path in built.iterdir()] == ["program"]


def test_of_two_processes_one_builds_and_the_other_waits_for_it(tmp_path: Path) -> None:
    script = """
import sys, time, pathlib
from rich.console import Console
from e2e.tools.cache import build_once, keep_newest
here = pathlib.Path(sys.argv[1])
def build(into):
    with (here / "builds").open("a") as log:
        log.write("x")
    while not (here / "go").exists():
        time.sleep(0.01)
build_once(here / "tool", build, Console())
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    with (
        subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as first,
        subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as second,
    ):
        wait_until((tmp_path / "builds").exists, timeout=30, why="one to build")
        (tmp_path / "go").touch()
        said = first.communicate(timeout=30)[0] + second.communicate(timeout=30)[0]

    assert (first.returncode, second.returncode) == (0, 0)
    assert (tmp_path / "builds").read_text() == "x"
    assert said in {"", "Another process is making tool; waiting for it.\n"}


def test_of_what_is_made_again_and_again_only_the_newest_stay(tmp_path: Path) -> None:
    for turn, name in enumerate(("made-c", "made-a", "made-d", "made-b", "other")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "file").touch()
        os.utime(folder, (turn, turn))
    keep_newest(tmp_path, "made-*", 2)
    assert {path.name for path in tmp_path.iterdir()} == {"made-d", "made-b", "other"}
