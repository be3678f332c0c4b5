"""One sidecar in front of engines that are not all alike."""

import logging
from pathlib import Path

import pytest

from tests.integration.sidecar.inside import Inside, ScriptedEngine
from tests.integration.sidecar.test_operations import Held
from tests.integration.sidecar.wire import request
from tests.unit.sidecar.waiting import until
from tierfleet.sidecar import server

DATA = Path(__file__).parents[2] / "unit" / "sidecar" / "engines" / "data"
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"

ENGINES = {
    "VLLM": ("vllm-0.32.0-load.txt", "/metrics", b"vllm:num_requests_waiting{"),
    "SGLang": ("sglang-0.5.23-priority.txt", "/metrics", b"sglang:num_queue_reqs{"),
    "TensorRTLLM": (
        "tensorrt-llm-1.2-source.txt",
        "/prometheus/metrics",
        b"trtllm_num_requests_waiting{",
    ),
}


@pytest.mark.parametrize("engine_type", ENGINES)
async def test_who_waits_here_is_shown_where_the_engine_shows_its_own(
    scripted: ScriptedEngine, engine_type: str
) -> None:
    name, path, gauge = ENGINES[engine_type]
    scripted.metrics = (DATA / name).read_bytes()
    scripted.paths = [path, "/health"]
    held = scripted.script = Held()
    async with (
        Inside(scripted.port, engineType=engine_type) as inside,
        inside.connect() as first,
        inside.connect() as second,
        inside.connect() as third,
        inside.connect() as prometheus,
    ):
        before = _first(scripted.metrics, gauge)
        assert _first((await prometheus.ask(SCRAPE)).body, gauge) == before
        for wire in (first, second, third):
            wire.send(request())
        await until(lambda: len(scripted.calls) == 2)
        gate = inside.server._gate
        assert gate is not None
        await until(lambda: sum(tier.queued for tier in gate.load()) == 1)
        assert _first((await prometheus.ask(SCRAPE)).body, gauge) == before + 1
        held.go.set()
        for wire in (first, second, third):
            assert (await wire.answer()).status == 200


async def test_an_engine_without_health_and_metrics_is_served_and_not_complained_about(
    scripted: ScriptedEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_ENGINE_SECONDS", 0.01)
    scripted.paths = []
    held = scripted.script = Held()
    async with Inside(scripted.port) as inside, inside.connect() as wire:
        assert await inside.admin("/readyz") == (200, "ok\n")
        with caplog.at_level(logging.INFO):
            wire.send(request())
            await until(lambda: scripted.calls)
            seen = scripted.asked
            await until(lambda: scripted.asked >= seen + 3)
            held.go.set()
            assert (await wire.answer()).status == 200
        assert caplog.messages == []
        scrape = await wire.ask(SCRAPE)
        assert (scrape.status, scrape.body) == (200, b"")


async def test_an_engine_of_a_known_kind_must_say_that_it_is_healthy(
    scripted: ScriptedEngine,
) -> None:
    scripted.paths = []
    async with Inside(scripted.port, engineType="VLLM") as inside:
        status, text = await inside.admin("/readyz")
        assert status == 503
        assert "answers /health with 404" in text


def _first(metrics: bytes, gauge: bytes) -> float:
    return float(next(line for line in metrics.splitlines() if line.startswith(gauge)).split()[-1])
