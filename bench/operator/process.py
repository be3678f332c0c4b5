"""The operator that is measured, as people run it: a process with a kubeconfig."""

import contextlib
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from bench.machine import cpu_seconds
from bench.operator.scenario import POOLS_OF_A_GROUP, Size
from e2e.cluster import Cluster
from e2e.paths import REPOSITORY
from e2e.ports import free_ports
from e2e.processes import marked_environment
from e2e.wait import wait_until
from tierfleet.controllers.operator import RESYNC_SECONDS

PATIENCE: Final = 900.0
"""Seconds, for what never comes."""
QUIET: Final = 2.0
"""Seconds without much work after which it has come to rest."""


class Rest(NamedTuple):
    """When an operator came to rest: half a second late at most, as it is looked at so often.

    Attributes:
        seconds: since its start.
        cpu_seconds: of processor time until then.
    """

    seconds: float
    cpu_seconds: float


class Operator:
    """A running `tierfleet operator` of all namespaces."""

    def __init__(
        self, cluster: Cluster, size: Size, process: subprocess.Popen[bytes], port: int
    ) -> None:
        self._cluster, self._size, self._process, self._port = cluster, size, process, port
        self.started = time.monotonic()

    def figures(self) -> Mapping[str, float]:
        """Its metrics, summed over labels, and by controller as `name controller`."""
        url = f"http://127.0.0.1:{self._port}/metrics"
        found: defaultdict[str, float] = defaultdict(float)
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                text = answer.read().decode()
        except OSError:
            if self._process.poll() is not None:
                raise RuntimeError(
                    f"The operator has ended with {self._process.returncode}."
                ) from None
            return found  # it is still starting
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] += sample.value
                if "controller" in sample.labels:
                    found[f"{sample.name} {sample.labels['controller']}"] += sample.value
        return found

    def rest(self, **at_least: int) -> Rest:
        """Return once it has nothing left to do, and had done so many reconciles by controller.

        All the while everything is looked at again at random times, so work never ends: twice as
        much of it as that in `QUIET` seconds, with nothing waiting, is rest.

        Returns:
            When the rest began.

        Raises:
            AssertionError: it never comes to rest.
        """
        seen: deque[tuple[Rest, float]] = deque()
        again = 2 * QUIET * _looked_at(self._size) / RESYNC_SECONDS

        def resting() -> Rest | None:
            found = self.figures()
            now = Rest(time.monotonic() - self.started, self.cpu_seconds())
            seen.append((now, found["controller_runtime_reconcile_total"]))
            while len(seen) > 1 and now.seconds - seen[1][0].seconds >= QUIET:
                seen.popleft()
            since, done = seen[0]
            busy = found["workqueue_depth"] or found["controller_runtime_active_workers"]
            enough = all(
                found[f"controller_runtime_reconcile_total {name}"] >= wanted
                for name, wanted in at_least.items()
            )
            quiet = now.seconds - since.seconds >= QUIET and seen[-1][1] - done <= again
            return since if enough and quiet and not busy else None

        return wait_until(resting, timeout=PATIENCE, why="the operator to come to rest")

    def cpu_seconds(self) -> float:
        """Processor time so far."""
        return cpu_seconds(self._process.pid)

    def peak_megabytes(self) -> float:
        """The most memory that it had resident at any time (VmHWM)."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("The operator has ended.")

    def asked(self) -> Iterator[Mapping[str, Any]]:
        """All requests of it that are no watch and no renewal of its Lease, from the audit log."""
        for event in self._cluster.audit():
            if (
                event.get("userAgent", "").startswith("tierfleet-operator/")
                and event["verb"] != "watch"
                and "/leases/tierfleet-operator" not in event["requestURI"]
            ):
                yield event


def _looked_at(size: Size) -> int:
    """Keys of all controllers: each pool has one of its own, and one of its reports."""
    groups = size.pools // POOLS_OF_A_GROUP
    return groups + 2 * size.pools + size.policies + size.reservations


@contextlib.contextmanager
def running(cluster: Cluster, size: Size, log: Path) -> Iterator[Operator]:
    """Run it on a fleet of that size, and end it afterwards."""
    (port,) = free_ports(1)
    command = [
        *(sys.executable, "-m", "bench.operator.answered", "operator", "--all-namespaces"),
        *(f"--kubeconfig={cluster.kubeconfig}", f"--metrics-port={port}"),
    ]
    with log.open("ab") as said:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # If we are killed it ends with the cluster.
            env=marked_environment(cluster.workdir),
            start_new_session=True,
        )
        try:
            yield Operator(cluster, size, process, port)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
