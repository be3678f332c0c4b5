"""The presets: their arithmetic, and the measurements that the CPU ones are fitted to."""

from dataclasses import replace
from pathlib import Path

import pytest

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


def time_to_first_token(config: EngineConfig, policy: SchedulingPolicy, flood: int) -> float:
    """Seconds for a short, urgent request that comes 2.1 s (2-layer model: 0.12 s) into a flood."""
    engine = Engine(replace(config, scheduling_policy=policy))
    sent = 2_100_000_000 if config is PRESETS["cpu"].config else 120_000_000
    for _ in range(flood):
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


@pytest.mark.parametrize(
    ("name", "alone", "fcfs", "priority"),
    # The 7 ms that the request alone took on the 2-layer model are mostly HTTP: not compared.
    [("cpu", 0.035, 40.1, 3.39), ("cpu-tiny", None, 3.08, 0.28)],
)
def test_the_cpu_presets_repeat_the_measured_flood_within_3_percent(
    name: str, alone: float | None, fcfs: float, priority: float
) -> None:
    config = PRESETS[name].config
    first_token = time_to_first_token
    assert first_token(config, SchedulingPolicy.FCFS, 64) == pytest.approx(fcfs, rel=0.03)
    assert first_token(config, SchedulingPolicy.PRIORITY, 64) == pytest.approx(priority, rel=0.03)
    if alone is not None:
        assert first_token(config, SchedulingPolicy.FCFS, 0) == pytest.approx(alone, rel=0.03)


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
