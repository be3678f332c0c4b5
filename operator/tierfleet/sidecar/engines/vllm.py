"""vLLM: `vllm serve`.

Measured on vLLM 0.32.0: `docs/results/engines.md`.

Priority: lower is sooner. With `--scheduling-policy fcfs`, the default, it is taken and overlooked.
A client that goes ends its request within a step or two, streamed or not, running or waiting.
"""

from tierfleet.sidecar.engines.adapter import Adapter
from tierfleet.sidecar.engines.dialect import Amount, Dialect

DIALECT = Dialect(
    running=b"vllm:num_requests_running",
    waiting=b"vllm:num_requests_waiting",
    kv_used=b"vllm:kv_cache_usage_perc",
    tokens=(b"vllm:prompt_tokens_total", b"vllm:generation_tokens_total"),
    kv_size=(
        Amount(b"vllm:cache_config_info", b"block_size"),
        Amount(b"vllm:cache_config_info", b"num_gpu_blocks"),
    ),
)

VLLM = Adapter(
    dialects=(DIALECT,),
    priority_sign=-1,
    priority_flags=("--scheduling-policy priority",),
    aborts_within=0.0,
)
