"""What is read of an engine's metrics, and how they are shown on."""

import pytest

from tierfleet.admission.types import EngineReading
from tierfleet.sidecar.engines.vllm import DIALECT

METRICS = b"""\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 4.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.5004
vllm:cache_config_info{block_size="16",cache_dtype="auto",num_gpu_blocks="1000"} 1.0
"""


def test_the_reading_sums_over_ranks_and_takes_the_fullest_cache() -> None:
    assert DIALECT.reading(METRICS) == EngineReading(running=7, waiting=2, kv_used_permille=500)


def test_what_the_engine_has_computed_is_prompts_and_answers_together() -> None:
    counters = b'vllm:prompt_tokens_total{engine="0"} 70.0\nvllm:generation_tokens_total 5.0\n'
    found = DIALECT.reading(METRICS + counters)
    assert found is not None
    assert found.tokens == 75


def test_an_engine_without_these_names_gives_no_reading() -> None:
    assert DIALECT.reading(b"python_info 1.0\n") is None
    assert DIALECT.reading(b"vllm:num_requests_running oops\n") is None
    assert DIALECT.reading(b"") is None


@pytest.mark.parametrize("gauge", ["num_requests_running", "kv_cache_usage_perc"])
@pytest.mark.parametrize("value", [b"NaN", b"+Inf", b"-Inf", b"-1.0", b"1e999"])
def test_a_gauge_that_is_no_amount_gives_no_reading(gauge: str, value: bytes) -> None:
    assert DIALECT.reading(METRICS + b"vllm:%b %b\n" % (gauge.encode(), value)) is None


def test_however_large_the_numbers_are_they_are_read() -> None:
    found = DIALECT.reading(METRICS + b"vllm:kv_cache_usage_perc 1e308\n" * 2)
    assert found == EngineReading(running=7, waiting=2, kv_used_permille=1000)


def cache(labels: bytes) -> bytes:
    return b"vllm:cache_config_info{%b} 1.0\n" % labels


@pytest.mark.parametrize(
    ("labels", "tokens"),
    [
        (b'block_size="16",num_gpu_blocks="1000"', 16_000),
        (b'block_size="16"', None),
        (b'block_size="16",num_gpu_blocks="None"', None),
        (b'block_size="16",num_gpu_blocks="0"', None),
        (b'block_size="16",num_gpu_blocks="%b"' % (b"9" * 5000), None),
        (b'hash_block_size="7",block_size="16",mamba_block_size="9",num_gpu_blocks="2"', 32),
    ],
)
def test_the_size_of_the_cache_is_in_tokens(labels: bytes, tokens: int | None) -> None:
    assert DIALECT.kv_tokens(cache(labels)) == tokens


def test_without_metrics_the_size_of_the_cache_is_unknown() -> None:
    assert DIALECT.kv_tokens(b"") is None


def test_the_queue_is_added_to_what_waits_in_the_engine_and_nothing_else_changes() -> None:
    shown = DIALECT.with_queue(METRICS, 5)
    assert shown == METRICS.replace(
        b'waiting{engine="0",model_name="m"} 2.0', b'waiting{engine="0",model_name="m"} 7.0'
    )
    assert DIALECT.with_queue(b"python_info 1.0\n", 5) == b"python_info 1.0\n"
    broken = b"vllm:num_requests_waiting NaN\n"
    assert DIALECT.with_queue(broken, 5) == broken
