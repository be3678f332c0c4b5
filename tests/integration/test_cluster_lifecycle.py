"""A cluster comes up on ports that are free, says what is wrong with it, and leaves nothing."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from e2e import guard, toolchain
from e2e.cluster import attach, start
from e2e.health import PartDownError
from e2e.kubeconfig import ForeignClusterError
from e2e.paths import REPOSITORY
from e2e.ports import Ports
from e2e.processes import running
from e2e.wait import wait_until

pytestmark = pytest.mark.cluster

PARTS = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}

# A shell starts background jobs with Ctrl-C ignored, and children inherit that.
OWNER = """
import signal, time
from e2e.cluster import start
signal.signal(signal.SIGINT, signal.default_int_handler)
cluster = start("owned")
print(cluster.workdir, flush=True)
time.sleep(600)
"""


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all guarded clusters, apart from those of other runs."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / f"tierfleet-{os.getuid()}"


@pytest.fixture
def owner(base: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def folders(base: Path) -> list[Path]:
    return [path for path in base.iterdir() if path.is_dir()] if base.exists() else []


def test_kill_9_of_the_owner_leaves_neither_processes_nor_folder(
    owner: subprocess.Popen[str], base: Path
) -> None:
    assert owner.stdout is not None
    workdir = Path(owner.stdout.readline().strip())
    assert set(running(workdir).values()) == PARTS

    owner.kill()

    wait_until(lambda: not folders(base), timeout=30, why="the folder to be removed")
    assert not running(workdir)


def test_ctrl_c_while_it_starts_leaves_neither_processes_nor_folder(
    owner: subprocess.Popen[str], base: Path
) -> None:
    (workdir,) = wait_until(lambda: folders(base), timeout=60, why="the start to begin")
    wait_until(lambda: "etcd" in running(workdir).values(), timeout=60, why="etcd to run")

    os.killpg(owner.pid, signal.SIGINT)  # as a terminal does: the whole foreground group
    _, said = owner.communicate(timeout=60)

    assert "KeyboardInterrupt" in said
    assert not folders(base)
    assert not running(workdir)


def test_a_port_that_is_taken_meanwhile_is_replaced_and_a_dead_part_is_named(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Ports.free()
    offers = iter([taken, Ports.free()])
    monkeypatch.setattr(Ports, "free", lambda: next(offers))
    with socket.create_server(("127.0.0.1", taken.etcd)):
        cluster = start("retried")
    try:
        assert cluster.control_plane.ports != taken
        cluster.check()

        (scheduler,) = (p for p, name in running(cluster.workdir).items() if "scheduler" in name)
        os.kill(scheduler, signal.SIGKILL)

        with pytest.raises(
            PartDownError, match=r"kube-scheduler of cluster 'retried'.*its log:\n."
        ):
            wait_until(cluster.check, timeout=30, why="the death to be noticed")

        ours = cluster.kubeconfig.read_text()
        cluster.kubeconfig.write_text(ours.replace("127.0.0.1", "192.0.2.1"))
        with pytest.raises(ForeignClusterError, match="not this machine"):
            cluster.kubectl("get", "nodes")
    finally:
        cluster.stop()
    assert not folders(base)


def test_a_part_that_never_comes_up_is_named_and_nothing_is_left(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "kwok"
    broken.write_text("#!/bin/sh\necho 'this kwok is broken'\nexit 1\n")
    broken.chmod(0o755)
    tools = toolchain.ensure()
    monkeypatch.setattr(
        toolchain, "ensure", lambda _: replace(tools, programs={**tools.programs, "kwok": broken})
    )

    with pytest.raises(
        PartDownError, match=r"(?s)kwok of cluster 'broken' is dead.*kwok is broken"
    ):
        start("broken")

    assert not folders(base)


def standing(action: str, state: Path) -> str:
    environment = {**os.environ, "XDG_STATE_HOME": str(state)}
    return subprocess.run(
        [sys.executable, "-m", "e2e.standing", action],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_standing_cluster_stays_until_it_is_taken_down(tmp_path: Path) -> None:
    workdir = tmp_path / "tierfleet" / "cluster"
    try:
        assert str(workdir / "kubeconfig") in standing("up-fake", tmp_path)
        parts = running(workdir)
        assert set(parts.values()) == PARTS

        assert "runs already" in standing("up-fake", tmp_path)
        assert running(workdir) == parts

        cluster = attach(workdir)
        assert cluster is not None
        names = [node["metadata"]["name"] for node in cluster.get("nodes")["items"]]
        assert names == ["b200-0", "b200-1", "h100-0", "h100-1"]

        assert "is removed" in standing("down", tmp_path)
        assert not running(workdir)
        assert not workdir.exists()
    finally:
        guard.tear_down(workdir)
