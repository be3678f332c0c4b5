"""vLLM as a process on loopback, which ends with whoever started it.

It must not know what is asked of it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from e2e.demo.processes import Processes
from e2e.guard import claim
from e2e.health import answers
from e2e.ports import free_ports
from e2e.vllm import install
from e2e.vllm.model import MAX_MODEL_LEN, SHAPES, make
from e2e.wait import wait_until

MODEL: Final = "bench"
READY_SECONDS: Final = 300.0
_ENVIRONMENT: Final = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    # Its processes title themselves, which would overwrite the environment that they are known by.
    "SPT_NOENV": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
}


@dataclass(frozen=True)
class Vllm:
    """One that serves.

    Attributes:
        port: on loopback.
        seats: its `--max-num-seqs`.
        workdir: takes logs of what is started beside it, and goes with it.
        processes: that end with it.
    """

    port: int
    seats: int
    workdir: Path
    processes: Processes

    @property
    def url(self) -> str:
        """Of its API."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(
    shape: str = "cpu-tiny",
    *options: str,
    seats: int = 8,
    policy: str = "priority",
) -> Iterator[Vllm]:
    """Start it, wait until it serves (40 s), and leave nothing of it behind.

    Args:
        shape: one of `SHAPES`.
        options: more of `vllm serve`.
        seats: its `--max-num-seqs`.
        policy: its `--scheduling-policy`.

    Raises:
        PartDownError: it ended; the message has the end of its log.
        AssertionError: it does not serve in time.
    """
    python = install.ensure()
    claimed = claim("vllm")
    processes = Processes(claimed.workdir)
    try:
        model = claimed.workdir / "model"
        model.mkdir()
        make(SHAPES[shape], model)
        (port,) = free_ports(1)
        processes.start(
            "vllm", python, "-m", "vllm.entrypoints.cli.main", "serve", model,
            "--served-model-name", MODEL, "--load-format", "dummy", "--dtype", "float32",
            "--host", "127.0.0.1", "--port", str(port), "--enforce-eager",
            "--max-model-len", str(MAX_MODEL_LEN), "--max-num-seqs", str(seats),
            "--scheduling-policy", policy, "--distributed-executor-backend", "uni",
            *options,
            environment=environment(python),
        )  # fmt: skip

        def ready() -> bool:
            processes.check()
            return answers(port, tls=False, path="/health")

        wait_until(ready, timeout=READY_SECONDS, why="vLLM to serve")
        yield Vllm(port, seats, claimed.workdir, processes)
    finally:
        processes.stop()
        claimed.release()


def environment(python: Path) -> Mapping[str, str]:
    """What a vLLM of that installation is started with."""
    # What it has found out about models is kept with it, not in the user's own cache of vLLM.
    return _ENVIRONMENT | {"VLLM_CACHE_ROOT": str(python.parent.parent / "cache")}
