"""The servers that are compared, each as one process on one core in front of one origin."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench import installed
from bench.machine import SERVER_CORE, Pinned
from bench.proxy import nginx

WITHOUT: Final = "admission off"
NAMES: Final = ("nginx", "sidecar", WITHOUT, "vllm-router", "sglang-router")
_FIRST_PORT: Final = 7100


class Server:
    """One that runs.

    Attributes:
        name: of it.
        port: that takes requests.
        process: itself.
    """

    def __init__(self, name: str, port: int, process: Pinned) -> None:
        self.name = name
        self.port = port
        self.process = process


@contextmanager
def running(
    folder: Path, plan: Path, upstream: int, first_port: int = _FIRST_PORT
) -> Iterator[list[Server]]:
    """All of them; what they log goes into the folder, the sidecar's access log with it."""
    routers, sidecar = installed.routers(), installed.sidecar()
    with ExitStack() as stack:
        found = []
        for number, name in enumerate(NAMES):
            port = first_port + 10 * number
            match name:
                case "nginx":
                    command = nginx.proxy(folder, port, upstream)
                case "sidecar":
                    command = sidecar_command(sidecar, plan, upstream, port)
                case "admission off":
                    command = _without(sidecar, plan, upstream, port)
                case "vllm-router":
                    command = _router([routers / name], port, upstream, "warning")
                case _:
                    options = ["launch", "--disable-health-check"]
                    command = _router([routers / name, *options], port, upstream, "warn")
            log = stack.enter_context((folder / f"{name}-{port}.log").open("wb"))
            environment = {"PYTHONPATH": str(installed.ROOT)}
            process = stack.enter_context(Pinned(command, SERVER_CORE, log, environment))
            ours = name in {"sidecar", WITHOUT}
            path = "v1/models" if ours else "health"
            process.wait_for(f"http://127.0.0.1:{port}/{path}", unauthorized=ours)
            found.append(Server(name, port, process))
        yield found


def sidecar_command(folder: Path, plan: Path, upstream: int, port: int) -> list[str]:
    """One sidecar with everything on."""
    return [
        str(folder / "tierfleet"), "sidecar", "--plan", str(plan), "--group", "h100",
        "--upstream", f"http://127.0.0.1:{upstream}", "--port", str(port),
        "--admin-port", str(port + 1),
    ]  # fmt: skip


def _without(folder: Path, plan: Path, upstream: int, port: int) -> list[str]:
    return [
        str(folder / "python"), "-m", "bench.proxy.without", str(plan), "h100", str(upstream),
        str(port), str(port + 1),
    ]  # fmt: skip


def _router(command: list[str | Path], port: int, upstream: int, level: str) -> list[str]:
    return [
        *map(str, command), "--host", "127.0.0.1", "--port", str(port),
        "--worker-urls", f"http://127.0.0.1:{upstream}", "--policy", "round_robin",
        "--prometheus-port", str(port + 1), "--log-level", level, "--disable-retries",
        "--disable-circuit-breaker",
    ]  # fmt: skip
