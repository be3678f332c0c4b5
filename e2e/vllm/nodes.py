"""One vLLM on two nodes, as the operator starts it: two processes on loopback, which end with it.

Their arguments are those of the pod that leads and of the one that works; what the kubelet would
fill in is filled in. It must not know what is asked of it.
"""

from collections.abc import Iterator
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
from e2e.vllm.server import MODEL, READY_SECONDS, environment
from e2e.wait import wait_until
from e2e.world import pool
from tierfleet.api import InferencePool
from tierfleet.manifests import engine

NODES: Final = 2
_LOOPBACK: Final = {"VLLM_HOST_IP": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}
"""Its nodes talk to each other over the network of the host, of which they may use that alone."""


@dataclass(frozen=True)
class Replica:
    """One that serves.

    Attributes:
        url: of its API.
        logs: what each node wrote, the one that leads first.
    """

    url: str
    logs: tuple[Path, ...]


@contextmanager
def serving() -> Iterator[Replica]:
    """Start it, wait until it serves (two minutes), and leave nothing of it behind.

    Raises:
        PartDownError: a node ended; the message has the end of its log.
        AssertionError: it does not serve in time.
    """
    python = install.ensure()
    claimed = claim("vllm")
    processes = Processes(claimed.workdir)
    try:
        model = claimed.workdir / "model"
        model.mkdir()
        make(SHAPES["cpu-tiny"], model)
        port, rendezvous = free_ports(2)
        replica = _pool(model, port, rendezvous)
        (accelerator,) = replica.spec.accelerators
        containers = (
            engine.container(replica, accelerator, ""),
            engine.worker(replica, accelerator),
        )
        for rank, container in enumerate(containers):
            filled = {"$(LWS_WORKER_INDEX)": str(rank), "$(LWS_LEADER_ADDRESS)": "127.0.0.1"}
            processes.start(
                _name(rank), python, "-m", "vllm.entrypoints.cli.main", "serve",
                *(filled.get(arg, arg) for arg in container["args"]),
                environment={**environment(python), **_LOOPBACK},
            )  # fmt: skip

        def ready() -> bool:
            processes.check()
            return answers(port, tls=False, path="/health")

        wait_until(ready, timeout=READY_SECONDS, why="vLLM to serve")
        logs = tuple(claimed.workdir / f"{_name(rank)}.log" for rank in range(NODES))
        yield Replica(f"http://127.0.0.1:{port}", logs)
    finally:
        processes.stop()
        claimed.release()


def _name(rank: int) -> str:
    return f"node-{rank}"


def _pool(model: Path, port: int, rendezvous: int) -> InferencePool:
    """Tensors go over both nodes: on the processor vLLM cannot divide the layers."""
    args = ["--load-format=dummy", "--dtype=float32", "--enforce-eager"]
    args += [f"--max-model-len={MAX_MODEL_LEN}", f"--master-port={rendezvous}"]
    args += ["--distributed-executor-backend=mp", f"--tensor-parallel-size={NODES}"]
    document = pool(
        "several-nodes",
        1,
        {"name": "cpu", "products": ["any"], "nodesPerReplica": NODES},
        model={"name": MODEL, "source": str(model)},
        engine={"image": "none", "maxSequences": 4, "port": port, "args": args},
    )
    metadata = document["metadata"] | {"namespace": "none"}
    return InferencePool.model_validate(document | {"metadata": metadata})
