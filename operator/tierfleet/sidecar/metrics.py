"""The sidecar's own metrics, in Prometheus' form: made from plain numbers when somebody scrapes."""

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
from tierfleet.sidecar.tally import BOUNDS, Histogram, Tallies

_PREFIX = "tierfleet_sidecar_"


class Metrics(Collector):
    """All numbers of one sidecar.

    Attributes:
        registry: what a scrape reads; nothing else is in it.
        tallies: what requests change.
        load: queued and running requests by tier, asked for at each scrape.
        served: service tokens since the start, likewise.
        served_requests: that are over and have cost something, likewise.
        saturated: seconds since the start in which the engine had no room, likewise.
        connections: open connections of clients, asked for at each scrape.
        dropped_lines: access log lines lost, asked for at each scrape.
        dropped_spans: likewise.
        plan_info: labels of the plan in force, empty while there is none.
        plan_loaded_at: when the last good plan was taken, seconds since the epoch; 0 for never.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.tallies = Tallies()
        self.load: Callable[[], Sequence[TierLoad]] = tuple
        self.served: Callable[[], float] = lambda: 0.0
        self.served_requests: Callable[[], int] = lambda: 0
        self.saturated: Callable[[], float] = lambda: 0.0
        self.connections: Callable[[], int] = lambda: 0
        self.dropped_lines: Callable[[], int] = lambda: 0
        self.dropped_spans: Callable[[], int] = lambda: 0
        self.plan_info: dict[str, str] = {}
        self.plan_loaded_at = 0.0
        self._reloads: Counter[tuple[str]] = Counter({("ok",): 0, ("failed",): 0})

    def reloaded(self, *, ok: bool) -> None:
        """The plan on disk changed and was taken, or refused."""
        self._reloads["ok" if ok else "failed",] += 1

    def collect(self) -> Iterator[Metric]:
        """See prometheus-client."""
        yield from self._by_tenant()
        yield _counter(
            "plan_reloads", "Changes of the plan on disk, by result.",
            ("result",), self._reloads.items(),
        )  # fmt: skip
        yield _distribution(
            "queue_wait_seconds", "From the whole request to its seat.", self.tallies.waits.items()
        )
        yield _distribution(
            "retry_hint_error_seconds",
            "From the time at which a refused caller was told to come back to its seat, by sign.",
            ((("late",), self.tallies.late), (("early",), self.tallies.early)),
            ("sign",),
        )
        yield _distribution(
            "time_to_first_token_seconds",
            "From the whole request to the first byte of the answer's body.",
            self.tallies.first_bytes.items(),
        )
        yield CounterMetricFamily(
            _PREFIX + "served_service_tokens",
            "Service tokens, at the scheduling rates, of what is over and of the output that runs.",
            value=self.served(),
        )
        yield CounterMetricFamily(
            _PREFIX + "served_requests",
            "Requests that are over and have cost something.",
            value=self.served_requests(),
        )
        yield CounterMetricFamily(
            _PREFIX + "saturated_seconds",
            "Time in which the engine had no room for another request.",
            value=self.saturated(),
        )
        yield GaugeMetricFamily(
            _PREFIX + "connections", "Connections of clients, open now.", value=self.connections()
        )
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
            value=self.tallies.retries,
        )
        yield CounterMetricFamily(
            _PREFIX + "log_lines_dropped",
            "Access log lines lost because nobody read them.",
            value=self.dropped_lines(),
        )
        yield CounterMetricFamily(
            _PREFIX + "spans_dropped",
            "Spans lost because no collector took them.",
            value=self.dropped_spans(),
        )

    def _by_tenant(self) -> Iterator[Metric]:
        tallies = list(self.tallies.tenants.items())
        yield _counter(
            "requests", "Requests that are over, by how they ended.",
            ("tier", "tenant", "outcome"),
            (((*key, outcome), n) for key, one in tallies for outcome, n in one.requests.items()),
        )  # fmt: skip
        yield _counter(
            "refused", "Requests that the engine never saw, by reason.",
            ("tier", "tenant", "reason"),
            (((*key, reason), n) for key, one in tallies for reason, n in one.refused.items()),
        )  # fmt: skip
        yield _counter(
            "tokens", "Tokens of requests that are over: prompt, cached (part of prompt), output.",
            ("tier", "tenant", "kind"),
            (
                ((*key, kind), tokens)
                for key, one in tallies
                for kind, tokens in (
                    ("prompt", one.prompt), ("cached", one.cached), ("output", one.output)
                )
            ),
        )  # fmt: skip
        yield _counter(
            "service_tokens",
            "Of requests that are over: cost decided who was next, billed is what is owed.",
            ("tier", "tenant", "kind"),
            (
                ((*key, kind), tokens)
                for key, one in tallies
                for kind, tokens in (("cost", one.cost), ("billed", one.billed))
            ),
        )  # fmt: skip


def _distribution(
    name: str,
    text: str,
    histograms: Iterable[tuple[Sequence[str], Histogram]],
    labels: Sequence[str] = ("tier", "partition"),
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(_PREFIX + name, text, labels=labels)
    for values, histogram in histograms:
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), histogram.counts, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric(values, buckets=buckets, sum_value=histogram.total)
    return family


def _counter(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(_PREFIX + name, text, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family
