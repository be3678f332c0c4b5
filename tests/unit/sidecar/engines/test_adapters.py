"""Each engine's adapter, on what that engine says of itself (`data/README.md`)."""

from pathlib import Path

import pytest

from tierfleet.admission.types import EngineReading
from tierfleet.plan import EngineType
from tierfleet.sidecar.engines import ADAPTERS

DATA = Path(__file__).parent / "data"

READINGS = {
    "vllm-0.32.0-idle.txt": (EngineType.VLLM, EngineReading(0, 0, 0, 0), 16_384),
    "vllm-0.32.0-load.txt": (EngineType.VLLM, EngineReading(4, 3, 31, 69), 16_384),
    "sglang-0.5.23.txt": (EngineType.SGLANG, EngineReading(3, 2, 250, 77), 161_721),
    "sglang-0.5.23-priority.txt": (EngineType.SGLANG, EngineReading(3, 2, 250, 77), 161_721),
    "tensorrt-llm-1.2-source.txt": (
        EngineType.TENSORRT_LLM,
        EngineReading(6, 3, 125, None),
        65_536,
    ),
}


@pytest.mark.parametrize("name", READINGS)
def test_an_engine_is_read_by_its_own_adapter_and_as_a_custom_one(name: str) -> None:
    engine, reading, kv_tokens = READINGS[name]
    metrics = (DATA / name).read_bytes()
    for adapter in (ADAPTERS[engine], ADAPTERS[EngineType.CUSTOM]):
        assert adapter.reading(metrics) == reading
        assert adapter.kv_tokens(metrics) == kv_tokens


@pytest.mark.parametrize("name", READINGS)
def test_no_other_adapter_takes_an_engine_for_its_own(name: str) -> None:
    engine, _, _ = READINGS[name]
    metrics = (DATA / name).read_bytes()
    for other in set(EngineType) - {engine, EngineType.CUSTOM}:
        assert ADAPTERS[other].reading(metrics) is None
        assert ADAPTERS[other].with_queue(metrics, 5) == metrics


@pytest.mark.parametrize("name", READINGS)
def test_the_queue_is_shown_under_the_engines_own_name(name: str) -> None:
    engine, reading, _ = READINGS[name]
    metrics = (DATA / name).read_bytes()
    for adapter in (ADAPTERS[engine], ADAPTERS[EngineType.CUSTOM]):
        shown = adapter.with_queue(metrics, 5)
        found = adapter.reading(shown)
        assert found is not None
        assert found.waiting == reading.waiting + 5
        before, after = metrics.splitlines(), shown.splitlines()
        assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_parts_of_a_total_are_not_counted_twice() -> None:
    metrics = (DATA / "sglang-0.5.23-priority.txt").read_bytes()
    assert metrics.count(b"\nsglang:num_running_reqs{") == 3  # all, and those of each priority


@pytest.mark.parametrize("metrics", [b"", b"my_engine_running 3\n", b"[]", b"<html></html>"])
def test_an_engine_without_known_metrics_is_shown_as_it_is(metrics: bytes) -> None:
    custom = ADAPTERS[EngineType.CUSTOM]
    assert custom.reading(metrics) is None
    assert custom.kv_tokens(metrics) is None
    assert custom.with_queue(metrics, 5) == metrics


@pytest.mark.parametrize("engine", EngineType)
def test_what_a_plan_may_ask_of_an_engine_its_adapter_can_do(engine: EngineType) -> None:
    assert (ADAPTERS[engine].priority_sign != 0) is engine.takes_priority
    assert bool(ADAPTERS[engine].priority_flags) is engine.takes_priority


@pytest.mark.parametrize("engine", EngineType)
@pytest.mark.parametrize("status", [200, 204, 401, 404, 500, 503])
def test_only_a_custom_engine_need_not_know_how_it_is(engine: EngineType, status: int) -> None:
    lenient = engine is EngineType.CUSTOM and status < 500
    assert ADAPTERS[engine].healthy(status) is (status == 200 or lenient)
