"""vLLM's metrics: their names, what the core wants of them, and how they are shown on. Pure.

Engines without these names yield no reading, and the core goes by its own count.
"""

import math
import re

from tierfleet.admission.types import EngineReading

_RUNNING = b"vllm:num_requests_running"
_WAITING = b"vllm:num_requests_waiting"
_KV_USED = b"vllm:kv_cache_usage_perc"
_TOKENS = (b"vllm:prompt_tokens_total", b"vllm:generation_tokens_total")
_CACHE_CONFIG = re.compile(rb"^vllm:cache_config_info\{(.*)\}", re.MULTILINE)
_LABEL = re.compile(rb'(block_size|num_gpu_blocks)="([0-9]{1,18})"')
_SAMPLE = re.compile(rb"^([a-zA-Z_:][\w:]*)(?:\{[^\n]*\})? (\S+)", re.MULTILINE)
_WAITING_SAMPLE = re.compile(
    rb"^(vllm:num_requests_waiting(?:\{[^\n]*\})? )([0-9]+(?:\.[0-9]+)?)$", re.MULTILINE
)


def reading(metrics: bytes) -> EngineReading | None:
    """What the engine says of itself; sums over its ranks, and the fullest cache."""
    found: dict[bytes, list[float]] = {
        name: [] for name in (_RUNNING, _WAITING, _KV_USED, *_TOKENS)
    }
    for name, value in _SAMPLE.findall(metrics):
        if name in found:
            number = _finite(value)
            if number is None:
                return None
            found[name].append(number)
    if not found[_RUNNING]:
        return None
    computed = [count for name in _TOKENS for count in found[name]]
    return EngineReading(
        running=sum(map(round, found[_RUNNING])),
        waiting=sum(map(round, found[_WAITING])),
        kv_used_permille=round(1000 * min(1.0, max(found[_KV_USED], default=0.0))),
        tokens=sum(map(round, computed)) if computed else None,
    )


def _finite(value: bytes) -> float | None:
    """A count or a share; None for what is neither, like the format's NaN and +Inf."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def priority(tier_priority: int) -> int:
    """The `priority` of a request: lower is sooner in vLLM, higher is sooner everywhere else."""
    return -tier_priority


def kv_tokens(metrics: bytes) -> int | None:
    """Tokens that the KV cache holds, None if the engine does not say."""
    config = _CACHE_CONFIG.search(metrics)
    sizes = dict(_LABEL.findall(config[1])) if config else {}
    if len(sizes) < 2:
        return None
    return int(sizes[b"block_size"]) * int(sizes[b"num_gpu_blocks"]) or None


def with_queue(metrics: bytes, queued: int) -> bytes:
    """The engine's metrics with our queue in front of its own, for endpoint pickers.

    They take the number waiting as this pod's load, and most of it waits here.
    """
    return _WAITING_SAMPLE.sub(
        lambda sample: b"%b%.1f" % (sample[1], float(sample[2]) + queued), metrics, count=1
    )
