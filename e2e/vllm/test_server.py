"""A vLLM ends with whoever started it, however that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from e2e.paths import REPOSITORY
from e2e.processes import running
from e2e.wait import wait_until

STARTER = """
from e2e.vllm.server import serving
with serving("cpu-tiny", seats=1) as engine:
    print(engine.workdir, flush=True)
    input()
"""


def test_nothing_is_left_of_it_when_its_starter_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        workdir = Path(starter.stdout.readline().strip())
        begun = running(workdir)
        os.kill(starter.pid, signal.SIGKILL)
    # That what computes is among them is what its guard goes by.
    assert len(begun) >= 2
    pids = set(begun)
    wait_until(
        lambda: not workdir.exists() and not any(Path(f"/proc/{pid}").exists() for pid in pids),
        timeout=60,
        why=f"{begun} to end",
    )
