"""TensorRT-LLM: `trtllm-serve`.

Written from the source of TensorRT-LLM (`tensorrt_llm/serve`, `tensorrt_llm/metrics`, 1.2.0rc2 and
its main branch of 2026) and not recorded: it does not start without a GPU.

`/metrics` is JSON of the last iterations. The Prometheus format stands under `/prometheus/metrics`,
and only with `return_perf_metrics: true` (and `enable_iter_perf_stats: true` for the gauges) in the
file of `--extra_llm_api_options`. Its counters of tokens move when a request is over, so they do
not tell whether the engine gets on, and are not read.

Priority: a request has none; a body with an unknown member is refused. A client that goes is
looked for once a second.
"""

from tierfleet.sidecar.engines.adapter import Adapter
from tierfleet.sidecar.engines.dialect import Amount, Dialect

DIALECT = Dialect(
    running=b"trtllm_num_requests_running",
    waiting=b"trtllm_num_requests_waiting",
    kv_used=b"trtllm_kv_cache_utilization",
    tokens=(),
    kv_size=(
        Amount(b"trtllm_kv_cache_max_blocks"),
        Amount(b"trtllm_kv_cache_tokens_per_block"),
    ),
)

TENSORRT_LLM = Adapter(
    dialects=(DIALECT,),
    metrics_path="/prometheus/metrics",
    aborts_within=1.0,
)
