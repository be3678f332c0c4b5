"""What the sidecar costs beside nginx and the routers of vLLM and SGLang, in one run.

Each server has one core to itself; clients and origins have the other. The sidecar does everything
that it does in a fleet: a thousand tenants, admission with limits and reservations, metrics, access
log. nginx writes no log.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench import installed
from bench.machine import LOAD_CORE, SERVER_CORE, Pinned
from bench.proxy import memory, nginx, picture, plan, servers, wrk
from bench.proxy.servers import Server

_ORIGIN: Final = 7090
_STREAMS: Final = 7095
_ALONE: Final = 7190
_CONNECTIONS: Final = 32
_PICTURE: Final = Path("build/proxy/cpu.svg")
_say = Console(stderr=True)

Found = dict[str, dict[str, list[float]]]


def main() -> int:
    """See the module. A goal that is missed is only said: the machine is shared."""
    options = argparse.ArgumentParser(prog="make bench-proxy", description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    options.add_argument("--streams", type=int, default=200, help="whose cost is measured")
    options.add_argument("--crowd", type=int, default=1000, help="streams of which none may miss")
    given = options.parse_args()
    try:
        installed.programs()
        _say.print("Installing the sidecar, compiled, and the routers (two minutes at first).")
        installed.sidecar()
        installed.routers()
    except RuntimeError as error:
        _say.print(str(error), markup=False)
        return 1
    found: Found = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan.write(folder / "plan.json")
        with (folder / "origin.log").open("wb") as log:
            with Pinned(nginx.origin(folder, _ORIGIN), LOAD_CORE, log) as origin:
                origin.wait_for(f"http://127.0.0.1:{_ORIGIN}/health")
                with servers.running(folder, folder / "plan.json", _ORIGIN) as compared:
                    _requests(compared, folder, found, given.rounds, given.seconds)
                    _latency(compared, found, given.rounds, given.seconds)
            stream = [sys.executable, "-m", "bench.proxy.streams", "origin", str(_STREAMS)]
            with Pinned(stream, LOAD_CORE, log, {"PYTHONPATH": _path()}) as origin:
                origin.wait_for(f"http://127.0.0.1:{_STREAMS}/health")
                with servers.running(folder, folder / "plan.json", _STREAMS, 7140) as compared:
                    _chunks(compared, found, max(2, given.rounds - 2), given.streams, given.crowd)
                _memory(folder, found)
    _report(found, given.crowd)
    return 0


def _requests(
    compared: list[Server], folder: Path, found: Found, rounds: int, seconds: float
) -> None:
    load = wrk.script(folder)
    for number in range(rounds):
        for server in compared:
            _say.print(f"Requests, round {number + 1} of {rounds}: {server.name}.")
            before = server.process.cpu_seconds()
            done = wrk.run(load, server.port, seconds, _CONNECTIONS)
            spent = server.process.cpu_seconds() - before
            mine = found[server.name]
            mine["rps"].append(done.per_second)
            mine["request_us"].append(spent / done.requests * 1e6)
            mine["failed"].append(done.failed)
        found["direct"]["rps"].append(wrk.run(load, _ORIGIN, seconds / 2, _CONNECTIONS).per_second)


def _latency(compared: list[Server], found: Found, rounds: int, seconds: float) -> None:
    """At half of what the sidecar takes, the same for all."""
    rate = statistics.median(found["sidecar"]["rps"]) / 2
    found["sidecar"]["half"].append(rate)
    for number in range(rounds):
        for name, port in [("direct", _ORIGIN), *((one.name, one.port) for one in compared)]:
            if statistics.median(found[name]["rps"]) < rate * 1.2:
                continue
            _say.print(f"Latency at {rate:.0f}/s, round {number + 1} of {rounds}: {name}.")
            done = _client("paced", port, rate, seconds)
            for key in ("p50_ms", "p99_ms"):
                found[name][key].append(done[key])


def _chunks(compared: list[Server], found: Found, rounds: int, streams: int, crowd: int) -> None:
    for number in range(rounds):
        for server in compared:
            _say.print(f"{streams} streams, round {number + 1} of {rounds}: {server.name}.")
            before = server.process.cpu_seconds()
            done = _client("streams", server.port, streams, role="client")
            spent = server.process.cpu_seconds() - before
            found[server.name]["chunk_us"].append(spent / max(1, done["events"]) * 1e6)
            found[server.name]["missed"].append(done["missed"])
    for server in compared:
        if server.name == "sidecar":
            _say.print(f"{crowd} streams at once: {server.name}.")
            done = _client("streams", server.port, crowd, role="client")
            found["sidecar"]["crowd_missed"].append(done["missed"])
            found["sidecar"]["crowd_broken"].append(done["broken"])


def _memory(folder: Path, found: Found) -> None:
    _say.print("Memory of idle connections and of requests that wait.")
    document = json.loads((folder / "plan.json").read_text())
    document["groups"][0]["maxSequences"] = 4
    document["reservations"] = []
    for tier in document["tiers"]:
        tier.pop("minimumPercent", None)
        tier["queue"] = {"maxRequests": 100_000, "maxWaitMilliseconds": 600_000}
    path = folder / "few-seats.json"
    path.write_text(json.dumps(document))
    command = servers.sidecar_command(installed.sidecar(), path, _STREAMS, _ALONE)
    measures: list[tuple[str, Callable[[Pinned, int], float]]] = [
        ("idle_kb", memory.idle), ("queued_kb", memory.queued),
    ]  # fmt: skip
    for name, measure in measures:
        with (
            (folder / f"{name}.log").open("wb") as log,
            Pinned(command, SERVER_CORE, log) as process,
        ):
            process.wait_for(f"http://127.0.0.1:{_ALONE}/v1/models", unauthorized=True)
            found["sidecar"][name].append(measure(process, _ALONE))


def _client(module: str, port: int, *numbers: float, role: str = "") -> dict[str, Any]:
    command = ["taskset", "-c", str(LOAD_CORE), sys.executable, "-m", f"bench.proxy.{module}"]
    command += [role] * bool(role) + [str(port), *(f"{number:g}" for number in numbers)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": _path()}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _path() -> str:
    return os.pathsep.join([str(installed.ROOT), str(installed.ROOT / "operator")])


def _report(found: Found, crowd: int) -> None:
    def of(name: str, what: str) -> float:
        values = found[name][what]
        return statistics.median(values) if values else float("nan")

    table = Table(title="Proxies, each on one core")
    columns = {
        "rps": "requests/s", "request_us": "us of CPU a request", "chunk_us": "us a chunk",
        "p50_ms": "p50 ms", "p99_ms": "p99 ms", "failed": "failed", "missed": "chunks missed",
    }  # fmt: skip
    table.add_column("")
    for column in columns.values():
        table.add_column(column, justify="right")
    for name in ("direct", *servers.NAMES):
        table.add_row(
            name,
            *(
                f"{of(name, what):,.3g}" if what != "rps" else f"{of(name, what):,.0f}"
                for what in columns
            ),
        )
    Console(width=110).print(table)
    mine = found["sidecar"]
    print(
        f"Latencies at {mine['half'][0]:.0f} requests/s, half of what the sidecar takes."
        f" {mine['crowd_missed'][0]:.0f} events missed of {crowd} streams at 50 a second each"
        f" ({mine['crowd_broken'][0]:.0f} broken)."
        f" An idle connection takes {mine['idle_kb'][0]:.1f} KB (goal 10), a request of 4 KB that"
        f" waits {mine['queued_kb'][0]:.1f} KB (goal 12)."
    )
    rps, spent = (of(servers.WITHOUT, what) for what in ("rps", "request_us"))
    print(
        f"With admission off {rps / of('nginx', 'rps'):.3f} of nginx's requests/s,"
        f" by CPU a request {of('nginx', 'request_us') / spent:.3f} (goal 0.75)."
    )
    _draw(of)
    python = subprocess.run(
        [installed.interpreter(), "-VV"], capture_output=True, text=True, check=False
    ).stdout.strip()
    print(f"{python}, {platform.machine()}, {os.cpu_count()} cores; {_nginx_version()}")
    print(
        f"proxy rps_vs_nginx={of('sidecar', 'rps') / of('nginx', 'rps'):.3f}"
        f" rps_vs_vllm_router={of('sidecar', 'rps') / of('vllm-router', 'rps'):.2f}"
        f" chunk_cpu_vs_nginx={of('sidecar', 'chunk_us') / of('nginx', 'chunk_us'):.3f}"
        f" added_p50_ms={of('sidecar', 'p50_ms') - of('direct', 'p50_ms'):.3f}"
        f" added_p99_ms={of('sidecar', 'p99_ms') - of('direct', 'p99_ms'):.3f}"
    )


def _draw(of: Callable[[str, str], float]) -> None:
    titles = {
        "microseconds of CPU a request": "request_us",
        "microseconds of CPU a streamed chunk": "chunk_us",
    }
    drawn = picture.svg(
        {title: {name: of(name, what) for name in servers.NAMES} for title, what in titles.items()}
    )
    _PICTURE.parent.mkdir(parents=True, exist_ok=True)
    _PICTURE.write_text(drawn)
    print(f"Drawn in {_PICTURE}.")


def _nginx_version() -> str:
    done = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False)  # noqa: S607
    return done.stderr.strip().removeprefix("nginx version: ")


if __name__ == "__main__":
    sys.exit(main())
