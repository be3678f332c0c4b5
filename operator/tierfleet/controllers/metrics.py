"""What the operator tells about itself, under controller-runtime's names where it has one.

So existing dashboards and alerts for operators work. It must not know what is reconciled.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

REGISTRY = CollectorRegistry()

LAG_INTERVAL_SECONDS = 1.0

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_RECONCILES = Counter(
    "controller_runtime_reconcile",
    "Reconciles by their result: success, requeue_after or error.",
    ["controller", "result"],
    registry=REGISTRY,
)
_ERRORS = Counter(
    "controller_runtime_reconcile_errors",
    "Reconciles that failed and are tried again.",
    ["controller"],
    registry=REGISTRY,
)
_TIME = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "Time that a reconcile took, with its requests.",
    ["controller"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
_ACTIVE = Gauge(
    "controller_runtime_active_workers",
    "Reconciles that run now.",
    ["controller"],
    registry=REGISTRY,
)
_DEPTH = Gauge(
    "workqueue_depth",
    "Keys that wait for a worker.",
    ["name"],
    registry=REGISTRY,
)
_ADDS = Counter(
    "workqueue_adds",
    "Keys added to the queue, duplicates too.",
    ["name"],
    registry=REGISTRY,
)
_QUEUED = Histogram(
    "workqueue_queue_duration_seconds",
    "Time that a key waited for a worker.",
    ["name"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
_WORK = Histogram(
    "workqueue_work_duration_seconds",
    "Time that a worker had a key.",
    ["name"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
_RETRIES = Counter(
    "workqueue_retries",
    "Keys queued again after a failure.",
    ["name"],
    registry=REGISTRY,
)
_LEADS = Gauge(
    "leader_election_master_status",
    "1 while this process leads.",
    ["name"],
    registry=REGISTRY,
)
_LAG = Gauge(
    "tierfleet_operator_event_loop_lag_seconds",
    "How late the event loop was the last time it was looked at.",
    registry=REGISTRY,
)
_LAST_EVENT = Gauge(
    "tierfleet_operator_last_event_timestamp_seconds",
    "When a change of the cluster was last noticed (Unix time).",
    registry=REGISTRY,
)
_WRITES = Counter(
    "tierfleet_operator_writes",
    "Writes to the API server: apply, status, delete, event.",
    ["what", "kind"],
    registry=REGISTRY,
)
_REPAIRS = Counter(
    "tierfleet_operator_repaired_drift",
    "Objects put back that somebody else had changed or deleted.",
    ["kind"],
    registry=REGISTRY,
)
_POLLS = Counter(
    "tierfleet_operator_prometheus_polls",
    "Times that Prometheus was asked, by result: success or error.",
    ["result"],
    registry=REGISTRY,
)
Info("tierfleet_operator_build", "Version of the operator.", registry=REGISTRY).info(
    {"version": version("tierfleet")}
)


class Outcome:
    """How a reconcile ended; success unless told otherwise."""

    result = "success"

    def failed(self) -> None:
        """It failed."""
        self.result = "error"

    def requeued(self) -> None:
        """It asked to be called again."""
        self.result = "requeue_after"


class Meter:
    """The metrics of one controller and its queue."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        """`name` is the label; `clock` tells seconds and does not go back."""
        self._name = name
        self._clock = clock

    @contextmanager
    def reconcile(self) -> Iterator[Outcome]:
        """Measure one reconcile."""
        outcome, start = Outcome(), self._clock()
        with _ACTIVE.labels(self._name).track_inprogress():
            yield outcome
        seconds = self._clock() - start
        _TIME.labels(self._name).observe(seconds)
        # A worker has a key for one reconcile.
        _WORK.labels(self._name).observe(seconds)
        _RECONCILES.labels(self._name, outcome.result).inc()
        if outcome.result == "error":
            _ERRORS.labels(self._name).inc()

    def added(self, depth: int) -> None:
        """A key was added; `depth` keys wait now."""
        _ADDS.labels(self._name).inc()
        _DEPTH.labels(self._name).set(depth)

    def taken(self, depth: int, waited: float) -> None:
        """A worker took a key that had waited so many seconds; `depth` keys wait now."""
        _QUEUED.labels(self._name).observe(waited)
        _DEPTH.labels(self._name).set(depth)

    def retried(self) -> None:
        """A key will be tried again."""
        _RETRIES.labels(self._name).inc()


def leads(name: str, status: bool) -> None:
    """Whether this process leads now; `name` is the Lease's."""
    _LEADS.labels(name).set(status)


def noticed() -> None:
    """A change of the cluster has been noticed now."""
    _LAST_EVENT.set_to_current_time()


def wrote(what: str, kind: str) -> None:
    """A write of ours has been answered."""
    _WRITES.labels(what, kind).inc()


def repaired(kind: str) -> None:
    """Drift has been put back."""
    _REPAIRS.labels(kind).inc()


def polled(result: str) -> None:
    """Prometheus has been asked."""
    _POLLS.labels(result).inc()


async def watch_loop_lag() -> None:
    """Measure for ever how late the event loop is."""
    while True:
        start = time.perf_counter()
        await asyncio.sleep(LAG_INTERVAL_SECONDS)
        _LAG.set(max(0.0, time.perf_counter() - start - LAG_INTERVAL_SECONDS))
