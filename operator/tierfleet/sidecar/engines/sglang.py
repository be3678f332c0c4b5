"""SGLang: `python -m sglang.launch_server --enable-metrics`.

The metrics are printed by the collectors of SGLang 0.5.23 without its engine; the rest is written
from its source and was not run.

Tokens: `sglang:prompt_tokens_total` and `…generation_tokens_total` move when a request is over, so
a long answer would look like a stalled engine; `sglang:realtime_tokens_total` moves meanwhile.
With priority scheduling the gauges of requests come once for all, with `priority=""`, and once for
each priority.

Health: `/health` computes a token, asks whether it came a second later, and is 503 while the engine
starts.

Priority: higher is sooner, unless the engine was started with
`--schedule-low-priority-values-first`, which must be left out here. Without
`--enable-priority-scheduling` it is overlooked. With it a request that is 10 above preempts what
runs: the sidecar decides that, so preemption is turned off. A client that goes is noticed with the
next piece of a streamed answer, and within 4 s while it waits or is not streamed.
"""

from tierfleet.sidecar.engines.adapter import Adapter
from tierfleet.sidecar.engines.dialect import Amount, Dialect

DIALECT = Dialect(
    running=b"sglang:num_running_reqs",
    waiting=b"sglang:num_queue_reqs",
    kv_used=b"sglang:token_usage",
    tokens=(b"sglang:realtime_tokens_total",),
    kv_size=(Amount(b"sglang:max_total_num_tokens"),),
    parts=b"priority",
)

SGLANG = Adapter(
    dialects=(DIALECT,),
    priority_sign=1,
    priority_flags=("--enable-priority-scheduling", "--disable-priority-preemption"),
    aborts_within=4.0,
)
