"""The sidecar's own metrics, in Prometheus' form. It knows nothing of sockets or decisions.

A request pays for plain additions only: prometheus-client's own counters take a lock and look up
labels at each step, which is more than all else that is done per request. So the numbers are kept
here and handed over when somebody scrapes.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tierfleet.admission.types import TierLoad
from tierfleet.sidecar.record import Record, RequestOutcome

_PREFIX = "tierfleet_sidecar_"
# Fine around 100 ms, which is what is promised of queues, and wide enough for a minute of waiting.
_BOUNDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip


class _Histogram:
    """One distribution; seconds."""

    __slots__ = ("_counts", "_sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(_BOUNDS, seconds)] += 1
        self._sum += seconds

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric(labels, buckets=buckets, sum_value=self._sum)


class Metrics(Collector):
    """All numbers of one sidecar.

    Attributes:
        registry: what a scrape reads; nothing else is in it.
        load: queued and running requests by tier, asked for at each scrape.
        dropped_lines: access log lines lost, asked for at each scrape.
        plan_info: labels of the plan in force, empty while there is none.
        plan_loaded_at: when the last good plan was taken, seconds since the epoch; 0 for never.
        retries: requests sent once more because a pooled connection turned out to be dead.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.load: Callable[[], Sequence[TierLoad]] = tuple
        self.dropped_lines: Callable[[], int] = lambda: 0
        self.plan_info: dict[str, str] = {}
        self.plan_loaded_at = 0.0
        self.retries = 0
        self._waits: dict[tuple[str, str], _Histogram] = {}
        self._first_bytes: dict[tuple[str, str], _Histogram] = {}
        self._requests: Counter[tuple[str, str]] = Counter()
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._tokens: Counter[tuple[str, str]] = Counter()
        self._reloads: Counter[tuple[str]] = Counter({("ok",): 0, ("failed",): 0})

    def dispatched(self, tier: str, partition: str, waited: float) -> None:
        """A request left the queue after so many seconds."""
        _of(self._waits, tier, partition).observe(waited)

    def first_byte(self, tier: str, partition: str, seconds: float) -> None:
        """The first byte of an answer came so many seconds after the whole request."""
        _of(self._first_bytes, tier, partition).observe(seconds)

    def ended(self, record: Record) -> None:
        """A request is over."""
        outcome = record.outcome
        self._requests[record.tier, outcome.value] += 1
        if outcome is RequestOutcome.REFUSED:
            self._refusals[record.tier, record.reason] += 1
        if record.prompt_tokens or record.output_tokens:
            tier = record.tier
            self._tokens[tier, "prompt"] += record.prompt_tokens
            self._tokens[tier, "cached"] += record.cached_tokens
            self._tokens[tier, "output"] += record.output_tokens

    def reloaded(self, *, ok: bool) -> None:
        """The plan on disk changed and was taken, or refused."""
        self._reloads["ok" if ok else "failed",] += 1

    def collect(self) -> Iterator[Metric]:
        """See prometheus-client."""
        yield _counter(
            "requests", "Requests that are over, by how they ended.",
            ("tier", "outcome"), self._requests.items(),
        )  # fmt: skip
        yield _counter(
            "refused", "Requests that the engine never saw, by reason.",
            ("tier", "reason"), self._refusals.items(),
        )  # fmt: skip
        yield _counter(
            "tokens", "Tokens of requests that are over: prompt, cached (part of prompt), output.",
            ("tier", "kind"), self._tokens.items(),
        )  # fmt: skip
        yield _counter(
            "plan_reloads", "Changes of the plan on disk, by result.",
            ("result",), self._reloads.items(),
        )  # fmt: skip
        for name, text, histograms in (
            ("queue_wait_seconds", "From the whole request to its seat.", self._waits),
            (
                "time_to_first_token_seconds",
                "From the whole request to the first byte of the answer's body.",
                self._first_bytes,
            ),
        ):
            family = HistogramMetricFamily(_PREFIX + name, text, labels=("tier", "partition"))
            for labels, histogram in histograms.items():
                histogram.add_to(family, labels)
            yield family
        waiting = GaugeMetricFamily(
            _PREFIX + "waiting", "Requests in the queue now.", labels=["tier"]
        )
        running = GaugeMetricFamily(
            _PREFIX + "running", "Requests that the engine is serving now.", labels=["tier"]
        )
        for tier in self.load():
            waiting.add_metric([tier.tier], tier.queued)
            running.add_metric([tier.tier], tier.in_flight)
        yield waiting
        yield running
        info = GaugeMetricFamily(
            _PREFIX + "plan_info", "Always 1; the labels say which plan is in force.",
            labels=list(self.plan_info),
        )  # fmt: skip
        if self.plan_info:
            info.add_metric(list(self.plan_info.values()), 1)
        yield info
        yield GaugeMetricFamily(
            _PREFIX + "plan_last_good_timestamp_seconds",
            "When the plan in force was taken, seconds since the epoch; 0 while there is none.",
            value=self.plan_loaded_at,
        )
        yield CounterMetricFamily(
            _PREFIX + "upstream_retries",
            "Requests sent once more because a pooled connection was dead.",
            value=self.retries,
        )
        yield CounterMetricFamily(
            _PREFIX + "log_lines_dropped",
            "Access log lines lost because nobody read them.",
            value=self.dropped_lines(),
        )


def _of(histograms: dict[tuple[str, str], _Histogram], tier: str, partition: str) -> _Histogram:
    histogram = histograms.get((tier, partition))
    if histogram is None:
        histogram = histograms[tier, partition] = _Histogram()
    return histogram


def _counter(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], int]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(_PREFIX + name, text, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family
