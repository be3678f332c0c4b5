"""What clients saw, what sidecars logged, counted, and what engines made: it has to be the same.

Logs are followed from each pod's start, so they are whole for pods that are gone too; metrics can
only be asked of pods that are there.
"""

import json
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from e2e.cluster import Cluster
from e2e.scenarios.clients import Attempt
from e2e.wait import wait_until

SETTLE_SECONDS = 60.0
POLL_SECONDS = 0.3

OURS = "tierfleet_sidecar_"
_KEPT = ("outcome", "kind")
"""Labels that are not summed over."""

Line = dict[str, Any]

ENDS: dict[str, Callable[[Attempt], bool]] = {
    # What the sidecar logs, and what a caller can have seen then.
    "served": lambda a: a.served,
    "refused": lambda a: a.complete and a.status != 200,
    "engine-error": lambda a: a.complete and a.status != 200,
    "engine-lost": lambda a: not a.served,
    "stopped": lambda a: not a.served,
    "evicted": lambda a: not a.served,
    "client-gone": lambda a: not a.served,
}


@dataclass
class Accounts:
    """The logs of a pool's sidecars, followed while this is entered.

    Attributes:
        folder: where they are kept.
        path: of the requests that count.
    """

    cluster: Cluster
    namespace: str
    pool: str
    folder: Path
    path: str = "/v1/chat/completions"
    _followed: dict[str, list[subprocess.Popen[bytes]]] = field(default_factory=dict, repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def __enter__(self) -> "Accounts":
        self._look()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for processes in self._followed.values():
            for process in processes:
                process.kill()
                process.wait()

    def pods(self) -> list[dict[str, Any]]:
        """The pool's pods."""
        selector = f"--selector=tierfleet.dev/pool={self.pool}"
        found = self.cluster.get("pods", "--namespace", self.namespace, selector)["items"]
        return list(found)

    def log(self, pod: str | None = None) -> list[Line]:
        """The access log's lines of one pod, or of all that ever were."""
        names = [pod] if pod is not None else list(self._followed)
        return [line for name in names for line in self._lines(name)]

    def agree(self, attempts: Iterable[Attempt]) -> "Agreement":
        """Return once every request has its line; then compare everything that there is to compare.

        Raises:
            AssertionError: something is not the same; the message says what.
        """
        sent = {attempt.id: attempt for attempt in attempts}
        # A connection that broke before a sidecar had it leaves no line.
        answered = {attempt.id for attempt in sent.values() if attempt.status is not None}
        wait_until(
            lambda: answered <= {line["id"] for line in self.log()},
            timeout=SETTLE_SECONDS,
            why="every answered request to be in an access log",
        )
        ours = [line for line in self.log() if line["id"] in sent]
        twice = [i for i, n in Counter(line["id"] for line in ours).items() if n > 1]
        assert not twice, f"logged, so done, more than once: {twice[:5]}"
        for line in ours:
            attempt = sent[line["id"]]
            assert ENDS[line["outcome"]](attempt), f"{line} is not what its caller saw: {attempt}"
            if attempt.served:
                assert line["output_tokens"] == attempt.tokens, (line, attempt)
        return Agreement(len(sent), ours, self._compare_counters())

    def _compare_counters(self) -> int:
        """Of pods that run: counters against their logs, engines against both. How many agreed."""
        compared = 0
        for pod in self.pods():
            if pod["metadata"].get("deletionTimestamp") or not _ready(pod):
                continue
            name = pod["metadata"]["name"]
            self._compare(name, restarted=_restarts(pod) > 0)
            compared += 1
        assert compared, "no replica is there to compare with"
        return compared

    def settle(self) -> None:
        """Return once no request is under way, and each that was counted is in its pod's log.

        Raises:
            AssertionError: a pod does not come to that.
        """
        for pod in self.pods():
            self._settle(pod["metadata"]["name"])

    def _settle(self, pod: str) -> None:
        def settled() -> bool:
            counted = self.metrics(pod, 9090)
            lines = len(self._lines(pod))
            ended = sum(v for k, v in counted.items() if k.startswith(f"{OURS}requests_total "))
            running = counted[f"{OURS}running"] + counted[f"{OURS}waiting"]
            return ended == lines and running == 0

        wait_until(settled, timeout=SETTLE_SECONDS, why=f"the requests of {pod} to be over")

    def _compare(self, pod: str, *, restarted: bool) -> None:
        self._settle(pod)
        lines = self._lines(pod)
        counted = self.metrics(pod, 9090)
        for outcome, number in Counter(line["outcome"] for line in lines).items():
            assert counted[f"{OURS}requests_total {outcome}"] == number, (pod, outcome)
        output = sum(line["output_tokens"] for line in lines)
        assert counted[f"{OURS}tokens_total output"] == output, pod
        if restarted:
            return  # the engine's counters began anew
        engine = self.metrics(pod, 8080)
        whole = [line for line in lines if line["outcome"] == "served"]
        cut = [line for line in lines if line["outcome"] not in {"served", "refused"}]
        made = engine["vllm:generation_tokens_total"]
        served = sum(line["output_tokens"] for line in whole)
        assert engine["vllm:num_requests_running"] == engine["vllm:num_requests_waiting"] == 0
        assert served <= made, (pod, served, made)
        if not cut:
            assert made == served, (pod, made, served)
            assert engine["vllm:request_success_total"] == len(whole), pod

    def metrics(self, pod: str, port: int) -> dict[str, float]:
        """Of a pod's port, summed over all labels except `outcome` and `kind`."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}/proxy/metrics"
        text = self.cluster.kubectl("get", f"--raw={path}").stdout
        found: defaultdict[str, float] = defaultdict(float)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                kept = (value for name, value in sample.labels.items() if name in _KEPT)
                found[" ".join([sample.name, *kept])] += sample.value
        return found

    def _lines(self, pod: str) -> list[Line]:
        # Who follows anew gets the log from its start: one copy of each line is enough.
        seen: Counter[bytes] = Counter()
        for file in self.folder.glob(f"{pod}.*.log"):
            seen |= Counter(file.read_bytes().split(b"\n"))
        whole = (line for line in seen.elements() if line.startswith(b"{") and line[-1:] == b"}")
        found = map(json.loads, whole)
        return [line for line in found if line.get("path") == self.path]

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                self._look()
            except (subprocess.SubprocessError, OSError):
                time.sleep(POLL_SECONDS)  # the API server is being restarted

    def _look(self) -> None:
        for pod in self.pods():
            name = pod["metadata"]["name"]
            processes = self._followed.setdefault(name, [])
            # It ends when the kubelet does, and when the container has not begun.
            if not processes or processes[-1].poll() is not None:
                processes.append(self._follow(name, len(processes)))

    def _follow(self, pod: str, turn: int) -> subprocess.Popen[bytes]:
        with (self.folder / f"{pod}.{turn}.log").open("wb") as log:
            return subprocess.Popen(
                [
                    str(self.cluster.tools["kubectl"]),
                    f"--kubeconfig={self.cluster.kubeconfig}",
                    *("logs", "--follow", f"--namespace={self.namespace}"),
                    *("--container=sidecar", "--pod-running-timeout=60s", pod),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.DEVNULL,
                env={"KUBERC": "off", "HOME": str(self.folder)},
            )


@dataclass(frozen=True)
class Agreement:
    """What was compared and found the same.

    Attributes:
        requests: that clients sent.
        lines: of access logs, about these.
        pods: whose counters were compared.
    """

    requests: int
    lines: list[Line]
    pods: int

    def outcomes(self) -> Counter[str]:
        """How many requests ended how, by the logs."""
        return Counter(line["outcome"] for line in self.lines)


def _ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _restarts(pod: dict[str, Any]) -> int:
    return sum(c["restartCount"] for c in pod["status"].get("containerStatuses", []))
