"""The admin port, draining, stopping, and plans that change under a running sidecar."""

import asyncio
import json

import pytest

from tests.integration.sidecar.inside import Call, Inside, ScriptedEngine
from tests.integration.sidecar.wire import request
from tests.unit.sidecar.plans import ADMIN_TOKEN, HOOK_TOKEN
from tests.unit.sidecar.waiting import until
from tierfleet.admission.core import Core
from tierfleet.admission.types import EngineReading
from tierfleet.controllers.replicas import Replicas
from tierfleet.planning.snapshot import Pod
from tierfleet.sidecar import server
from tierfleet.sidecar.client import Patience

HOOK = {"headers": {"Authorization": f"Bearer {HOOK_TOKEN}"}}


class Held:
    """A script that answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        await self.go.wait()
        await call.answer()


async def test_probes_are_open_and_say_what_is_wrong(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    nobody = {"headers": {"Authorization": ""}}
    for path in ("/healthz", "/readyz", "/enginez"):
        assert await inside.admin(path, **nobody) == (200, "ok\n")
    assert (await inside.admin("/metrics", **nobody))[0] == 200
    scripted.healthy = False
    for path in ("/readyz", "/enginez"):
        status, text = await inside.admin(path, **nobody)
        assert status == 503
        assert "/health with 500" in text
    assert await inside.admin("/healthz", **nobody) == (200, "ok\n")


@pytest.mark.parametrize("path", ["/planz", "/queuez", "/drain"])
async def test_insight_and_drain_need_a_token(inside: Inside, path: str) -> None:
    for value in ("", "Bearer wrong", "Bearer ", "Basic admin-token"):
        status, text = await inside.admin(path, headers={"Authorization": value})
        assert status == 401
        assert "token" in text
    assert inside.server._data.lifecycle.serving


async def test_the_hooks_token_is_for_drain_only(inside: Inside) -> None:
    assert (await inside.admin("/planz", **HOOK))[0] == 401
    assert await inside.admin("/drain", **HOOK) == (200, '{"drained": true}')


async def test_without_tokens_in_the_plan_nobody_gets_insight(scripted: ScriptedEngine) -> None:
    async with Inside(scripted.port, adminTokenSha256=None, hookTokenSha256=None) as inside:
        status, text = await inside.admin("/planz")
        assert status == 403
        assert "adminTokenSha256" in text


async def test_the_queue_is_shown_to_who_may_see_it(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    held = scripted.script = Held()
    async with inside.connect() as one, inside.connect() as two, inside.connect() as three:
        for number, wire in enumerate((one, two, three), 1):
            wire.send(request(fields=f"X-Request-Id: r{number}\r\n"))
            await until(lambda wanted=number: inside.server._data.in_flight == wanted)  # type: ignore[misc]
        shown = json.loads((await inside.admin("/queuez"))[1])
        (waiting,) = shown["waiting"]
        assert (waiting["id"], waiting["tenant"], waiting["tier"]) == ("r3", "hobby", "retail")
        assert waiting["waitedMilliseconds"] >= 0
        assert waiting["waitsFor"] == "no-seat"
        table = (await inside.admin("/queuez?format=text"))[1].splitlines()
        assert (await inside.admin("/queuez?format=xml"))[0] == 400
        assert table[0].split() == ["TIER", "WAITING", "RUNNING"]
        assert table[-1].split()[2:] == ["no-seat", "retail", "hobby", "r3"]
        retail = {"tier": "retail", "queued": 1, "inFlight": 2}
        assert retail in shown["load"]
        assert await in_flight(inside) == 3, "what the operator makes of it"
        held.go.set()
        for wire in (one, two, three):
            assert (await wire.answer()).status == 200


async def in_flight(inside: Inside) -> int:
    """As the operator asks, before it gives up a replica."""
    replicas = Replicas()
    try:
        pod = Pod("n", "p", "u", address="127.0.0.1", admin_port=inside.admin_port)
        return await replicas.in_flight(pod, ADMIN_TOKEN)
    finally:
        await replicas.close()


async def test_a_drain_serves_what_is_accepted_and_turns_away_the_rest(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    held = scripted.script = Held()
    async with inside.connect() as one, inside.connect() as two:
        one.send(request())
        await until(lambda: scripted.calls)
        drains = [asyncio.create_task(inside.admin("/drain", **HOOK)) for _ in range(2)]
        await until(lambda: not inside.server._data.lifecycle.serving)
        assert (await inside.admin("/readyz")) == (503, "Draining.\n")
        refused = await two.ask(request())
        assert refused.status == 503
        assert refused.fields["x-llm-d-request-dropped-reason"] == "rejected-shutting-down"
        assert int(refused.fields["retry-after"]) >= 1
        assert refused.fields["connection"] == "close"
        assert not any(drain.done() for drain in drains)
        held.go.set()
        assert (await one.answer()).status == 200
        for drain in drains:
            assert await drain == (200, '{"drained": true}')
        assert await inside.admin("/drain", **HOOK) == (200, '{"drained": true}')


async def test_a_drain_goes_on_accepting_while_others_may_not_know(
    scripted: ScriptedEngine,
) -> None:
    async with Inside(scripted.port, drain_accept=3600.0) as inside, inside.connect() as wire:
        drain = asyncio.create_task(inside.admin("/drain"))
        await until(lambda: not inside.server._data.lifecycle.serving)
        answer = await wire.ask(request())
        assert answer.status == 200
        assert answer.fields["connection"] == "close"
        drain.cancel()


async def test_a_drain_that_takes_too_long_says_so(scripted: ScriptedEngine) -> None:
    scripted.script = Held()
    async with Inside(scripted.port, drain_timeout=0.1) as inside, inside.connect() as wire:
        wire.send(request())
        await until(lambda: scripted.calls)
        assert await inside.admin("/drain") == (200, '{"drained": false}')


async def test_at_the_deadline_what_is_unanswered_gets_an_error_and_what_flows_is_cut(
    scripted: ScriptedEngine,
) -> None:
    async def begins(call: Call) -> None:
        await call.begin_stream()
        await call.chunk(b"data: 1\n\n")
        await call.hung_up()

    scripted.script = begins
    patience = Patience(linger=0.1)
    async with Inside(scripted.port, drain_timeout=0.1, patience=patience) as inside:
        async with inside.connect() as one, inside.connect() as two, inside.connect() as three:
            for number, wire in enumerate((one, two, three), 1):
                wire.send(request(stream=True))
                await until(lambda wanted=number: inside.server._data.in_flight == wanted)  # type: ignore[misc]
            await one.head()
            inside.server.shut_down(0.0)
            waiting = await three.answer()
            assert waiting.status == 503
            assert waiting.fields["x-llm-d-request-dropped-reason"] == "rejected-shutting-down"
            await one.chunk()
            assert b"0\r\n\r\n" not in await one.closed()
            await inside.task
        assert {line["outcome"] for line in await inside.lines(3)} == {"stopped"}


async def test_a_changed_limit_is_obeyed_on_the_same_connection(
    scripted: ScriptedEngine, inside: Inside
) -> None:
    held = scripted.script = Held()
    async with inside.connect() as wire, inside.connect() as running:
        running.send(request())
        await until(lambda: scripted.calls)
        version = inside.server.plan
        tiers = [
            {"name": "enterprise", "priority": 100},
            {"name": "retail", "priority": 0, "limits": {"requestsPerMinute": 1}},
        ]
        inside.replan(tiers=tiers)
        await until(lambda: inside.server.plan != version)
        held.go.set()
        assert (await running.answer()).status == 200
        assert (await wire.ask(request())).status == 200
        assert (await wire.ask(request())).status == 429
        shown = json.loads((await inside.admin("/planz"))[1])
        assert shown["tiers"][1]["limits"] == {"requestsPerMinute": 1}


async def test_a_bad_plan_is_reported_and_changes_nothing(inside: Inside) -> None:
    before = inside.server.plan
    inside.replan(tiers=[])
    await until(lambda: inside.server._watch.last_error)
    assert inside.server.plan is before
    shown = json.loads((await inside.admin("/planz"))[1])
    assert "tiers" in shown["lastError"]
    failed = 'tierfleet_sidecar_plan_reloads_total{result="failed"} 1.0'
    assert failed in (await inside.admin("/metrics"))[1]
    async with inside.connect() as wire:
        assert (await wire.ask(request())).status == 200


async def test_the_core_hears_what_the_engine_says_of_itself_while_there_is_work(
    scripted: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_ENGINE_SECONDS", 0.01)
    scripted.metrics = (
        b"vllm:num_requests_running 1.0\nvllm:num_requests_waiting 0.0\n"
        b"vllm:kv_cache_usage_perc 0.5\n"
        b'vllm:cache_config_info{block_size="16",num_gpu_blocks="100"} 1.0\n'
    )
    heard: list[EngineReading] = []

    def listen(core: Core, now: int, reading: EngineReading) -> tuple[()]:
        del core, now
        heard.append(reading)
        return ()

    monkeypatch.setattr(Core, "engine", listen)
    held = scripted.script = Held()
    async with Inside(scripted.port) as inside, inside.connect() as wire:
        wire.send(request())
        await until(lambda: heard)
        assert heard[0] == EngineReading(running=1, waiting=0, kv_used_permille=500)
        gate = inside.server._gate
        assert gate is not None
        await until(lambda: gate.limits.kv_tokens == 1600)
        held.go.set()
        assert (await wire.answer()).status == 200


async def test_a_plan_that_can_hardly_be_meant_is_told_in_the_log_and_the_plan_shown(
    scripted: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    contract = {
        "uid": "a", "name": "a", "tenants": ["nobody"], "declared": {"percent": 1}, "granted": 1,
    }  # fmt: skip
    async with Inside(scripted.port, reservations=[contract]) as inside:
        (warning,) = json.loads((await inside.admin("/planz"))[1])["warnings"]
    assert "'nobody'" in warning
    assert warning in caplog.text


async def test_a_drain_that_is_asked_for_is_in_the_log(
    inside: Inside, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await inside.admin("/drain", **HOOK)
    await inside.admin("/drain", **HOOK)
    assert caplog.text.count("Draining: no new requests") == 1
