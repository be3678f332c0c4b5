"""One run: the processes, the load, and what the engine counted while it came."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bench.flood import scenario
from bench.flood.scenario import Clients
from bench.machine import (
    CORES,
    LOAD_CORE,
    SERVER_CORE,
    Pinned,
    busy_seconds,
    cpu_seconds,
)

_ENGINE, _SIDECAR, _ADMIN = 7300, 7310, 7311
_COUNTED: Final = {
    "vllm:prompt_tokens_total": "prompt",
    "vllm:generation_tokens_total": "generated",
    "vllm:request_success_total": "requests",
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
}
_IN_FLIGHT: Final = "tierfleet_sidecar_running"


@dataclass(frozen=True)
class Run:
    """What was seen after the warm-up.

    Attributes:
        seconds: of it.
        served: service tokens a second that the engine did.
        requests: that it ended a second.
        running, waiting: requests in it, on average.
        retail: of those that run, as the sidecars count them; 0 without one.
        seen: of the callers, by tier: numbers of answers, and of those that stream `ttft`, by id:
            seconds to the first token, or for which it had waited when the run was cut;
            None if there never was one.
        busy: part of the machine's processor time that was in use, by whomever.
        client: of one core, what the load itself took.
    """

    seconds: float
    served: float
    requests: float
    running: float
    waiting: float
    retail: float
    seen: dict[str, dict[str, Any]]
    busy: float = 0.0
    client: float = 0.0

    @property
    def ttft(self) -> list[float]:
        """Seconds to the first token that enterprise saw, in order."""
        times = self.seen["enterprise"]["ttft"].values()
        return sorted(seconds for seconds in times if seconds is not None)


def run(
    programs: Path,
    groups: Sequence[Clients],
    *,
    seconds: float,
    warm_up: float,
    seed: int,
    seats: int = scenario.SEATS,
    capacity: float | None = None,
) -> Run:
    """Start an engine, send the load, and stop it again.

    Args:
        programs: the folder of ours.
        groups: who sends.
        seconds: of the load, the warm-up included.
        warm_up: seconds that do not count.
        seed: of the load.
        seats: of the engine.
        capacity: service tokens a second of a plan, for a sidecar in front; None: straight to it.
    """
    with (
        tempfile.TemporaryDirectory() as name,
        _serving(programs, Path(name), seats, capacity) as port,
    ):
        return watch(
            groups,
            url=_url(port),
            engines=[_url(_ENGINE)],
            admins=[] if capacity is None else [_url(_ADMIN)],
            core=LOAD_CORE,
            seconds=seconds,
            warm_up=warm_up,
            seed=seed,
        )


def watch(
    groups: Sequence[Clients],
    *,
    url: str,
    engines: Sequence[str],
    admins: Sequence[str] = (),
    core: int | None = None,
    seconds: float,
    warm_up: float,
    seed: int,
) -> Run:
    """Send the load to what serves already, and count meanwhile.

    Args:
        groups: who sends.
        url: to send to, without a path.
        engines: base URLs that have the engines' metrics.
        admins: those of the sidecars, if there are any.
        core: that the load is to keep to.
        seconds: of the load, the warm-up included.
        warm_up: seconds that do not count.
        seed: of the load.

    Raises:
        RuntimeError: the load could not be sent.
    """
    given = {
        "url": url,
        "seconds": seconds,
        "warm_up": warm_up,
        "seed": seed,
        "groups": [scenario.as_document(clients) for clients in groups],
    }
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    command = [*pinned, sys.executable, "-m", "bench.flood.load"]
    with subprocess.Popen(
        [*command, json.dumps(given)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as load:
        time.sleep(warm_up)
        samples = [_counts(engines, admins)]
        before, spent, began = busy_seconds(), cpu_seconds(load.pid), time.monotonic()
        while time.monotonic() < began + seconds - warm_up - 1:
            time.sleep(0.5)
            samples.append(_counts(engines, admins))
        lasted = time.monotonic() - began
        busy = (busy_seconds() - before) / lasted / CORES
        client = (cpu_seconds(load.pid) - spent) / lasted
        seen, _ = load.communicate()
        if load.returncode:
            raise RuntimeError("The load ended with an error, see above.")
    gained = {name: samples[-1][name] - samples[0][name] for name in samples[0]}
    return Run(
        lasted,
        scenario.service_tokens(gained["prompt"], gained["generated"]) / lasted,
        gained["requests"] / lasted,
        sum(sample["running"] for sample in samples) / len(samples),
        sum(sample["waiting"] for sample in samples) / len(samples),
        sum(sample["retail"] for sample in samples) / len(samples),
        json.loads(seen),
        busy,
        client,
    )


@contextmanager
def _serving(programs: Path, folder: Path, seats: int, capacity: float | None) -> Iterator[int]:
    """An engine on a core of its own; the sidecar shares the other with the load."""
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("wb"))
        engine: list[str | Path] = [
            programs / "tierfleet", "engine", *scenario.ENGINE, "--port", str(_ENGINE),
            "--max-num-seqs", str(seats), "--shutdown-timeout", "0",
        ]  # fmt: skip
        process = stack.enter_context(Pinned(engine, SERVER_CORE, log))
        process.wait_for(f"http://127.0.0.1:{_ENGINE}/health")
        if capacity is None:
            yield _ENGINE
            return
        scenario.write_plan(folder / "plan.json", capacity)
        sidecar: list[str | Path] = [
            programs / "tierfleet", "sidecar", "--plan", folder / "plan.json",
            "--group", scenario.GROUP, "--upstream", f"http://127.0.0.1:{_ENGINE}",
            "--port", str(_SIDECAR), "--admin-port", str(_ADMIN),
        ]  # fmt: skip
        process = stack.enter_context(Pinned(sidecar, LOAD_CORE, log))
        process.wait_for(f"http://127.0.0.1:{_ADMIN}/readyz")
        yield _SIDECAR


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _counts(engines: Sequence[str], admins: Sequence[str]) -> dict[str, float]:
    """Of the engines together, now; `retail` of the sidecars."""
    found = dict.fromkeys([*_COUNTED.values(), "retail"], 0.0)
    for sample in chain.from_iterable(map(_samples, engines)):
        if (name := _COUNTED.get(sample.name)) is not None:
            found[name] += sample.value
    for sample in chain.from_iterable(map(_samples, admins)):
        if sample.name == _IN_FLIGHT and sample.labels["tier"] == "retail":
            found["retail"] += sample.value
    return found


def _samples(url: str) -> Iterator[Sample]:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:  # noqa: S310 - ours
        text = answer.read().decode()
    for family in text_string_to_metric_families(text):
        yield from family.samples
