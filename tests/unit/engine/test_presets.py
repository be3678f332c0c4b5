"""The presets: their arithmetic, and the measurements that the CPU ones are fitted to."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.vllm.fit import lasts
from bench.vllm.loads import mixed
from tierfleet.engine.config import EngineConfig, SchedulingPolicy
from tierfleet.engine.model import Engine
from tierfleet.engine.presets import PRESETS


@pytest.mark.parametrize(
    ("name", "weights_gb", "terabytes_per_s", "dense_petaflops", "memory_gb", "devices"),
    [
        ("h100", 70.6, 3.35, 1.979, 80, 4),
        ("b200", 70.6, 8.0, 4.5, 180, 2),
        ("tpu-v5p", 141.2, 2.765, 0.459, 95, 4),
    ],
)
def test_a_derived_preset_follows_from_its_data_sheet(
    *,
    name: str,
    weights_gb: float,
    terabytes_per_s: float,
    dense_petaflops: float,
    memory_gb: float,
    devices: int,
) -> None:
    config = PRESETS[name].config
    bandwidth = devices * terabytes_per_s * 1e12 * 0.75
    kv_bytes = 2 * 80 * 8 * 128 * 2
    seconds = weights_gb * 1e9 / bandwidth + 80 * 2 * 10e-6
    assert config.cost.base_ns == pytest.approx(seconds * 1e9, rel=1e-6)
    flops = devices * dense_petaflops * 1e15 * 0.5
    assert config.cost.token_ps == pytest.approx(2 * 70.6e9 / flops * 1e12, rel=1e-6)
    assert config.cost.kv_token_ps == pytest.approx(kv_bytes / bandwidth * 1e12, rel=1e-4)
    kv_memory = devices * (memory_gb * 0.9 - 4) * 1e9 - weights_gb * 1e9
    assert config.num_blocks == pytest.approx(kv_memory / kv_bytes / 16, rel=1e-4)


@pytest.mark.parametrize("name", ["h100", "b200", "tpu-v5p"])
def test_a_full_batch_of_an_accelerator_decodes_at_a_plausible_pace(name: str) -> None:
    config = PRESETS[name].config
    step = config.cost.duration_ns(256, resident=256 * 1000) / 1e9
    assert 10 < 1 / step < 60, "tokens per second of each of 256 chats with 1,000 tokens of context"


def time_to_first_token(config: EngineConfig, policy: SchedulingPolicy) -> float:
    """Seconds for a short, urgent request that comes 0.12 s into a flood."""
    engine = Engine(replace(config, scheduling_policy=policy))
    sent = 120_000_000
    for _ in range(64):
        engine.add(prompt=16, output=128, priority=1)
    now, short = 0, None
    while True:
        if now >= sent or not engine.has_work:
            now = max(now, sent)
            short = short or engine.add(prompt=7, output=8)
        result = engine.step(now)
        now = result.end
        if short in result.prefilled:
            return (now - sent) / 1e9


def test_the_tiny_cpu_preset_repeats_the_measured_flood_within_3_percent() -> None:
    config = PRESETS["cpu-tiny"].config
    first_token = time_to_first_token
    assert first_token(config, SchedulingPolicy.FCFS) == pytest.approx(3.08, rel=0.03)
    assert first_token(config, SchedulingPolicy.PRIORITY) == pytest.approx(0.28, rel=0.03)


@pytest.mark.parametrize(("seed", "seconds"), [(1, 25.66), (2, 28.09), (3, 34.01)])
def test_the_cpu_preset_lasts_as_long_as_vllm_within_10_percent(seed: int, seconds: float) -> None:
    """Loads that it was not fitted to: docs/results.md."""
    modelled = lasts(PRESETS["cpu"].config, mixed(seed, longer=1)) / 1e9
    assert modelled == pytest.approx(seconds, rel=0.1)


@pytest.mark.parametrize(("together", "seconds"), [(20, 11.7), (7, 8.6 + 7 * 256 * 0.28e-3)])
def test_the_a10g_repeats_the_rounds_of_the_vtc_papers_engine_within_3_percent(
    together: int, seconds: float
) -> None:
    # Memory aside: that engine counts tokens, not blocks, and 20 of them just fit.
    engine = Engine(replace(PRESETS["a10g"].config, num_blocks=1000))
    for _ in range(together):
        engine.add(prompt=256, output=256)
    now = 0
    while engine.has_work:
        now = engine.step(now).end
    assert now / 1e9 == pytest.approx(seconds, rel=0.03)


def test_every_preset_says_whether_it_was_derived_or_fitted() -> None:
    assert all(
        preset.source.startswith(("derived: ", "fitted: ")) and preset.name == name
        for name, preset in PRESETS.items()
    )


def test_the_documented_table_is_that_of_the_code() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "engine.md").read_text()
    for name, preset in PRESETS.items():
        config, cost = preset.config, preset.config.cost
        row = (
            f"| `{name}` | {cost.base_ns / 1e6:.2f} ms | {cost.token_ps / 1e6:.1f} µs"
            f" | {cost.kv_token_ps / 1e3:.1f} ns | {config.num_blocks * config.block_size:,} tokens"
            f" | {config.max_num_seqs} | {config.max_num_batched_tokens:,} | {preset.source} |"
        )
        assert row in documented, f"docs/engine.md lacks this row:\n{row}"
