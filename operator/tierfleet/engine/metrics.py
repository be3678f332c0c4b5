"""The engine's metrics under vLLM's names, labels and buckets.

Plain integers that the driver adds to; Prometheus families are built when somebody scrapes. In a
step all who decode share one inter-token latency, so it is counted once with its multiplicity.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tierfleet.engine.model import Engine

# Buckets in seconds, as in vllm/v1/metrics/loggers.py.
_FIRST_TOKEN = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
_INTER_TOKEN = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0),
)
_REQUEST = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0),
    *(240.0, 480.0, 960.0, 1920.0, 7680.0),
)


class Histogram:
    """Counts per bucket of seconds, of values in nanoseconds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum_ns = 0

    def observe(self, nanoseconds: int, times: int = 1) -> None:
        """Add a value, or several equal ones."""
        self._counts[bisect_left(self._bounds, nanoseconds / 1e9)] += times
        self._sum_ns += nanoseconds * times

    def family(self, name: str, documentation: str, labels: dict[str, str]) -> Metric:
        """The histogram as Prometheus reads it."""
        family = HistogramMetricFamily(name, documentation, labels=list(labels))
        bounds = [*map(str, self._bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        family.add_metric(list(labels.values()), buckets=buckets, sum_value=self._sum_ns / 1e9)
        return family


class EngineMetrics(Collector):
    """Everything that `/metrics` shows. Counts are of sequences: an n-fold request counts n times.

    Times are those of the wall clock, as clients see them, whatever the speed of the model.
    """

    def __init__(self, engine: Engine, model_name: str, *, prefix_caching: bool) -> None:
        self._engine = engine
        self._labels = {"model_name": model_name, "engine": "0"}
        self._prefix_caching = prefix_caching
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.preemptions = 0
        self.prefix_queries = 0
        self.prefix_hits = 0
        self.ended = {"stop": 0, "length": 0, "abort": 0, "error": 0}
        self.time_to_first_token = Histogram(_FIRST_TOKEN)
        self.inter_token_latency = Histogram(_INTER_TOKEN)
        self.queue_time = Histogram(_REQUEST)
        self.e2e_latency = Histogram(_REQUEST)

    def count_prefix(self, prompt: int, cached: int) -> None:
        """Note a prompt that was looked up in the prefix cache, if there is one."""
        if self._prefix_caching:
            self.prefix_queries += prompt
            self.prefix_hits += cached

    def collect(self) -> Iterator[Metric]:
        """One family per metric, in vLLM's order of gauges, counters, histograms."""
        engine, config = self._engine, self._engine.config
        yield from (
            self._gauge("num_requests_running", "Number of requests in the batch.", engine.running),
            self._gauge("num_requests_waiting", "Number of requests waiting.", engine.waiting),
            self._gauge(
                "kv_cache_usage_perc",
                "KV-cache usage. 1 means 100 percent usage.",
                engine.blocks_used / config.num_blocks,
            ),
            self._counter("num_preemptions", "Cumulative number of preemptions.", self.preemptions),
            self._counter("prompt_tokens", "Number of prefill tokens.", self.prompt_tokens),
            self._counter(
                "generation_tokens", "Number of generated tokens.", self.generation_tokens
            ),
            self._counter("prefix_cache_queries", "Queried, in tokens.", self.prefix_queries),
            self._counter("prefix_cache_hits", "Found, in tokens.", self.prefix_hits),
        )
        ended = CounterMetricFamily(
            "vllm:request_success",
            "Count of requests by how they ended.",
            labels=[*self._labels, "finished_reason"],
        )
        for reason, count in self.ended.items():
            ended.add_metric([*self._labels.values(), reason], count)
        yield ended
        for histogram, name, documentation in (
            (self.time_to_first_token, "time_to_first_token", "Arrival to first token."),
            (self.inter_token_latency, "inter_token_latency", "One token to the next."),
            (self.queue_time, "request_queue_time", "Arrival to the first seat."),
            (self.e2e_latency, "e2e_request_latency", "Arrival to the last token."),
        ):
            yield histogram.family(f"vllm:{name}_seconds", documentation, self._labels)
        info = {
            "block_size": str(config.block_size),
            "cache_dtype": "auto",
            "enable_prefix_caching": str(self._prefix_caching),
            "num_gpu_blocks": str(config.num_blocks),
            "engine": "0",
        }
        cache = GaugeMetricFamily("vllm:cache_config_info", "The KV cache.", labels=list(info))
        cache.add_metric(list(info.values()), 1)
        yield cache

    def _gauge(self, name: str, documentation: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"vllm:{name}", documentation, labels=list(self._labels))
        family.add_metric(list(self._labels.values()), value)
        return family

    def _counter(self, name: str, documentation: str, value: int) -> Metric:
        family = CounterMetricFamily(f"vllm:{name}", documentation, labels=list(self._labels))
        family.add_metric(list(self._labels.values()), value)
        return family
