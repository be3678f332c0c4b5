"""A node that is killed, however that happens, leaves nothing on this machine, time after time."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import cgroups, kind
from e2e.paths import REPOSITORY
from e2e.processes import running
from e2e.scenarios.fleet import START_SECONDS
from e2e.wait import wait_until

OWNER = """
import sys
from e2e.realcluster import start_real
real = start_real("probe", devices=1, images=())
print(real.cluster.workdir, real.node.slot.interface, real.node.box.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def owner(able: None) -> Iterator[subprocess.Popen[str]]:
    """A process that has a cluster with a real node."""
    if kind.asked_for():
        pytest.skip("kind's node is Docker's to remove")
    with subprocess.Popen(
        [sys.executable, "-c", OWNER],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("victim", ["owner", "first process of the node"])
def test_whoever_is_killed_nothing_is_left(owner: subprocess.Popen[str], victim: str) -> None:
    assert owner.stdout is not None
    assert owner.stdin is not None
    folder, interface, pid = owner.stdout.readline().split()
    workdir = Path(folder)
    link = Path("/sys/class/net") / interface
    assert link.exists()
    assert "kubelet" in set(running(workdir).values())
    below = [root / cgroups.name_of(workdir) for root in cgroups.roots()]
    assert any(path.exists() for path in below)

    if victim == "owner":
        owner.send_signal(signal.SIGKILL)
    else:
        subprocess.run(["kill", "-9", pid], check=True)
        wait_until(lambda: not link.exists(), timeout=START_SECONDS, why="the link to be gone")
        assert "kubelet" not in set(running(workdir).values())
        owner.stdin.close()
    owner.wait()
    wait_until(lambda: not workdir.exists(), timeout=START_SECONDS, why=f"{workdir} to be gone")
    assert running(workdir) == {}
    # The kernel takes namespaces apart behind the last process.
    wait_until(lambda: not link.exists(), timeout=START_SECONDS, why="the link to be gone")
    assert not [path for path in below if path.exists()]
