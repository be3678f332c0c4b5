"""The sidecar as a process in front of the simulated engine: what a fleet would see."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.sidecar.processes import EngineProcess, SidecarProcess, run, unread
from tests.integration.sidecar.wire import Answer, Wire, request
from tests.unit.sidecar.plans import ADMIN_TOKEN, HOOK_TOKEN, KEYS, document
from tests.unit.sidecar.waiting import DEADLINE, until
from tierfleet.plan import parse, sha256_hex, split

SECRET_TEXT = "the-secret-of-the-prompt"


def write(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(document(**changes)))
    return path


@pytest.fixture(scope="module")
def plan_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("plan") / "plan.json")


@pytest.fixture(scope="module")
def sidecar(engine: EngineProcess, plan_path: Path) -> Iterator[SidecarProcess]:
    with SidecarProcess(plan_path, engine.url) as process:
        yield process


async def get(url: str, token: str = ADMIN_TOKEN) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


async def seats(engine: EngineProcess) -> tuple[float, float]:
    """Running and waiting sequences, as the engine counts them."""
    _, text = await get(f"{engine.url}/metrics")
    found = dict(
        re.findall(r"^vllm:num_requests_(running|waiting)\{[^\n]*\} (\S+)", text, re.MULTILINE)
    )
    return float(found["running"]), float(found["waiting"])


async def until_seats(engine: EngineProcess, running: int, waiting: int = 0) -> None:
    async def reached() -> bool:
        return await seats(engine) == (running, waiting)

    await until(reached)


async def ask(port: int, **members: Any) -> Answer:
    async with Wire(port) as wire:
        return await wire.ask(request(**members))


async def test_a_stream_is_the_engines_own_byte_for_byte_but_for_the_usage_event(
    engine: EngineProcess, sidecar: SidecarProcess
) -> None:
    fields = "X-Request-Id: same\r\n"
    members = {"stream": True, "max_tokens": 20, "model": "llama", "fields": fields}
    usage = {"include_usage": True}
    for path in ("/v1/completions", "/v1/chat/completions"):
        if path.startswith("/v1/chat"):
            members["messages"] = [{"role": "user", "content": "hello"}]
        direct = await ask(engine.port, path=path, stream_options=usage, **members)
        ours = await ask(sidecar.port, path=path, **members)
        asked = await ask(sidecar.port, path=path, stream_options=usage, **members)

        def events(answer: Answer) -> list[bytes]:
            assert answer.complete
            return re.sub(rb'"created":\d+', b'"created":0', answer.body).split(b"\n\n")

        *tokens, last, done, end = events(direct)
        assert b'"usage":' in last
        assert events(ours) == [*tokens, done, end]
        assert events(asked) == events(direct)


async def test_an_alias_is_served_and_what_it_cost_is_logged(
    engine: EngineProcess, sidecar: SidecarProcess
) -> None:
    del engine
    answer = await ask(
        sidecar.port, key=KEYS["acme"], fields="X-Request-Id: logged\r\n", max_tokens=7
    )
    assert answer.status == 200
    usage = answer.json["usage"]
    await until(lambda: any('"logged"' in one for one in sidecar.out))
    (line,) = [json.loads(one) for one in sidecar.out if '"logged"' in one]
    assert line["output_tokens"] == usage["completion_tokens"] == 7
    assert line["prompt_tokens"] == usage["prompt_tokens"]
    assert (line["tenant"], line["tier"], line["partition"]) == ("acme", "enterprise", "reserved")
    assert (line["status"], line["outcome"], line["reservation"]) == (200, "served", "acme")
    assert line["ttft_ms"] > 0
    assert line["conforming"] is True
    # The plan's rates: 1 an input token, 0.1 one from the cache, 4 an output token.
    cost = line["prompt_tokens"] - 0.9 * line["cached_tokens"] + 4 * 7
    assert line["cost"] == line["billed"] == pytest.approx(cost)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_frees_its_seat_for_the_next(
    engine: EngineProcess, sidecar: SidecarProcess, stream: bool
) -> None:
    async with Wire(sidecar.port) as one, Wire(sidecar.port) as two, Wire(sidecar.port) as three:
        for wire in (one, two):
            wire.send(request(stream=stream, max_tokens=1500))
        await until_seats(engine, 2)
        three.send(request(max_tokens=1))
        one.writer.close()
        assert (await three.answer()).status == 200
        two.writer.close()
        await until_seats(engine, 0)


async def test_what_was_promised_goes_before_what_came_first(
    engine: EngineProcess, sidecar: SidecarProcess
) -> None:
    async with Wire(sidecar.port) as one, Wire(sidecar.port) as two:
        for wire in (one, two):
            wire.send(request(stream=True, max_tokens=1500))
        await until_seats(engine, 2)
        order: list[str] = []

        async def wait(name: str) -> None:
            assert (await ask(sidecar.port, key=KEYS[name], max_tokens=1)).status == 200
            order.append(name)

        waiting: list[asyncio.Task[None]] = []

        async def queued() -> bool:
            shown = json.loads((await get(f"{sidecar.admin}/queuez"))[1])
            return len(shown["waiting"]) == len(waiting)

        for name in ("hobby", "acme"):
            waiting.append(asyncio.create_task(wait(name)))
            await until(queued)
        one.writer.close()
        await asyncio.gather(*waiting)
        assert order == ["acme", "hobby"]
    await until_seats(engine, 0)


async def test_no_secret_and_no_text_is_in_logs_metrics_or_insight(
    engine: EngineProcess, sidecar: SidecarProcess
) -> None:
    del engine
    for key in (*KEYS.values(), "sk-unknown-key"):
        for stream in (True, False):
            await ask(
                sidecar.port, key=key, prompt=SECRET_TEXT, stream=stream, max_tokens=2,
                fields="X-Request-Id: searched\r\n",
            )  # fmt: skip
    await ask(sidecar.port, key=KEYS["acme"], model=SECRET_TEXT)
    async with Wire(sidecar.port) as wire:
        await wire.ask(b"GET /?key=" + KEYS["acme"].encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        await wire.ask(b"GET / HTTP/1.1\r\nAuthorization: " + KEYS["acme"].encode() + b"\r\n\r\n")
    await get(f"{sidecar.admin}/planz", KEYS["acme"])
    await until(lambda: sum('"searched"' in line for line in sidecar.out) >= 8)
    shown = [(await get(sidecar.admin + path))[1] for path in ("/metrics", "/planz", "/queuez")]
    everything = "\n".join([*sidecar.out, *sidecar.err, *shown])
    clear = [*KEYS.values(), "sk-unknown-key", ADMIN_TOKEN, HOOK_TOKEN, SECRET_TEXT]
    for secret in (*clear, *map(sha256_hex, clear)):
        assert secret not in everything


async def test_a_directory_is_waited_for_and_the_plan_in_it_is_enforced_when_it_comes(
    engine: EngineProcess, tmp_path: Path
) -> None:
    with SidecarProcess(tmp_path, engine.url) as sidecar:
        status, text = await get(f"{sidecar.admin}/readyz")
        assert status == 503
        assert "There is no plan" in text
        assert (await get(f"{sidecar.admin}/planz"))[0] == 503
        assert (await ask(sidecar.port)).status == 503
        for name, data in split(parse(document())).items():
            (tmp_path / name).write_bytes(data)

        async def ready() -> bool:
            return (await get(f"{sidecar.admin}/readyz"))[0] == 200

        await until(ready)
        assert (await ask(sidecar.port, max_tokens=1)).status == 200
    assert sum("waiting" in line for line in sidecar.err) == 1, "said once"


async def test_sigterm_lets_a_stream_finish_and_ends_with_success(
    engine: EngineProcess, plan_path: Path
) -> None:
    with SidecarProcess(plan_path, engine.url) as sidecar:
        async with Wire(sidecar.port) as wire:
            wire.send(request(stream=True, max_tokens=200))
            await wire.head()
            sidecar.signal(signal.SIGTERM)
            body = b""
            while chunk := await wire.chunk():
                body += chunk
            assert body.endswith(b"data: [DONE]\n\n")
        assert await asyncio.to_thread(sidecar.process.wait, DEADLINE) == 0
    assert '"outcome":"served"' in "".join(sidecar.out)


async def test_a_second_sigterm_cuts(engine: EngineProcess, plan_path: Path) -> None:
    with SidecarProcess(plan_path, engine.url) as sidecar:
        async with Wire(sidecar.port) as wire:
            wire.send(request(stream=True, max_tokens=1500))
            await wire.head()
            sidecar.signal(signal.SIGTERM)
            await until(lambda: any("Draining" in line for line in sidecar.err))
            sidecar.signal(signal.SIGTERM)
            assert not (await wire.closed()).endswith(b"0\r\n\r\n")
        assert await asyncio.to_thread(sidecar.process.wait, DEADLINE) == 0
    assert '"outcome":"stopped"' in "".join(sidecar.out)
    await until_seats(engine, 0)


def test_a_mistake_on_the_command_line_is_a_sentence_and_no_traceback() -> None:
    options = (
        "--plan",
        "/nowhere/plan.yaml",
        "--group",
        "h100",
        "--upstream",
        "http://127.0.0.1:1",
    )
    done = run("sidecar", *options)
    assert done.returncode == 2
    assert done.stderr == (
        "The plan at /nowhere/plan.yaml cannot be used: nothing is there; check the path."
        " See docs/plan-v1.md.\n"
    )


async def test_a_log_that_nobody_reads_does_not_keep_the_process_from_ending(
    engine: EngineProcess, plan_path: Path
) -> None:
    with unread(plan_path, engine.url) as sidecar:
        async with Wire(sidecar.port) as wire:
            for _ in range(400):
                assert (await wire.ask(request(model="no-such-model"))).status == 404
        sidecar.signal(signal.SIGTERM)
        assert sidecar.process.wait(DEADLINE) == 0
    assert any("Nobody reads the access log" in line for line in sidecar.err)
