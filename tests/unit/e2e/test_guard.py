import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e import guard
from e2e.paths import REPOSITORY
from e2e.processes import kill_all, lives, marked_environment, running
from e2e.wait import wait_until

# A shell starts background jobs with Ctrl-C ignored, and children inherit that.
OWNER = """
import signal, subprocess, time
from e2e.guard import claim
from e2e.processes import marked_environment
signal.signal(signal.SIGINT, signal.default_int_handler)
claimed = claim("unit")
subprocess.Popen(
    ["sleep", "600"],
    cwd=claimed.workdir,
    env=marked_environment(claimed.workdir),
    start_new_session=True,
)
print(claimed.workdir, claimed.guard.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def claimed_by(owner: subprocess.Popen[str]) -> tuple[Path, int]:
    assert owner.stdout is not None
    workdir, guard_pid = owner.stdout.readline().split()
    assert running(Path(workdir))
    return Path(workdir), int(guard_pid)


def killed(pid: int) -> None:
    """Kill a process that is no child of ours, and return once it holds nothing any more."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not lives(pid), timeout=30, why="the process to end")


def test_a_released_claim_leaves_neither_process_nor_folder() -> None:
    claimed = guard.claim("unit")
    child = subprocess.Popen(
        ["sleep", "600"], cwd=claimed.workdir, env=marked_environment(claimed.workdir)
    )

    claimed.release()

    assert child.wait(10) == -signal.SIGKILL
    assert not claimed.workdir.exists()


def test_a_claim_can_be_released_twice() -> None:
    claimed = guard.claim("unit")
    claimed.release()
    claimed.release()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_when_the_owner_ends_its_processes_and_its_folder_go(
    owner: subprocess.Popen[str], end: signal.Signals
) -> None:
    workdir, _ = claimed_by(owner)

    owner.send_signal(end)
    owner.wait(10)

    wait_until(lambda: not workdir.exists(), timeout=30, why="the folder to be removed")
    assert not running(workdir)


def test_a_claim_whose_owner_and_guard_were_killed_is_swept_by_the_next(
    owner: subprocess.Popen[str],
) -> None:
    workdir, guard_pid = claimed_by(owner)
    killed(guard_pid)
    owner.kill()
    owner.wait(10)
    assert running(workdir)

    guard.claim("unit").release()

    assert not workdir.exists()
    assert not running(workdir)


def test_a_claim_whose_owner_lives_is_not_swept_even_if_its_guard_is_dead(
    owner: subprocess.Popen[str],
) -> None:
    workdir, guard_pid = claimed_by(owner)
    killed(guard_pid)

    guard.claim("unit").release()

    assert running(workdir)
    kill_all(workdir)


@pytest.mark.parametrize("left", [(), ("pki/ca.crt",)], ids=["nothing", "something"])
def test_a_folder_without_a_lock_is_removed_and_no_lock_is_made_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: tuple[str, ...]
) -> None:
    """Nothing is left in one that a guard has all but removed: a new lock would be in its way."""
    ending = tmp_path / "ending"
    ending.mkdir()
    for name in left:
        (ending / name).parent.mkdir()
        (ending / name).touch()
    opened, real = [], os.open

    def watched(path: Any, flags: int, *more: Any, **named: Any) -> int:
        opened.append((path, flags & os.O_CREAT))
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", watched)
    guard.sweep(tmp_path)
    assert (ending / guard.OWNER_LOCK, 0) in opened
    assert not any(made for _, made in opened)
    assert list(tmp_path.iterdir()) == []


def test_the_lock_is_the_last_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sweeps meanwhile finds it held and leaves the folder to its guard."""
    workdir = tmp_path / "unit"
    (workdir / "a").mkdir(parents=True)
    (workdir / guard.OWNER_LOCK).touch()
    (workdir / "z").symlink_to(tmp_path / "elsewhere")
    there, unlink = [], Path.unlink

    def watched(path: Path, missing_ok: bool = False) -> None:
        there.append((path.name, len(list(workdir.iterdir()))))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", watched)
    guard.tear_down(workdir)
    assert there[-1] == (guard.OWNER_LOCK, 1)
    assert not workdir.exists()


def test_processes_without_the_marker_are_never_killed(tmp_path: Path) -> None:
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
    # One of another cluster, and a person's that only looks around in our folder.
    with (
        subprocess.Popen(
            ["sleep", "600"], cwd=tmp_path / "other", env=marked_environment(tmp_path / "other")
        ) as other,
        subprocess.Popen(["sleep", "600"], cwd=tmp_path / "mine") as person,
    ):
        wait_until(lambda: not running(tmp_path / "mine"), timeout=30, why="exec to be over")
        kill_all(tmp_path / "mine")
        try:
            assert other.poll() is None
            assert person.poll() is None
        finally:
            other.kill()
            person.kill()


def test_a_base_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"tierfleet-{os.getuid()}").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(RuntimeError, match="set TMPDIR"):
        guard.claim("unit")
