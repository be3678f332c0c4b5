"""Processes that die, hang and stall under load: nobody is left without an end.

Every request is whole, broken so that its caller can tell, or refused with a time to come back; and
what callers counted, the access log, the metrics and the engine agree.
"""

import asyncio
import contextlib
import json
import resource
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.sidecar.callers import CALLERS, TOKENS, Callers, agree, lines, samples
from tests.integration.sidecar.processes import EngineProcess, SidecarProcess
from tests.integration.sidecar.wire import request
from tests.unit.sidecar.plans import ADMIN_TOKEN, document
from tests.unit.sidecar.waiting import DEADLINE, until

SEATS = 8
SILENT = 10_000


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Enough of them for this process, and for those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SILENT + 1000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"Needs {wanted} open files; this machine allows {hard} (ulimit -Hn).")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def write(path: Path, **changes: Any) -> Path:
    plan = document(reservations=[], **changes)
    plan["groups"][0]["maxSequences"] = SEATS
    path.write_text(json.dumps(plan))
    return path


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return write(tmp_path / "plan.json")


def cut(plan: Path, whole: bytes, size: int) -> None:
    plan.write_bytes(whole[:size])


async def running(engine: EngineProcess, number: int) -> bool:
    counted = await samples(f"{engine.url}/metrics")
    return counted["vllm:num_requests_running"] == number


async def test_an_engine_that_is_killed_under_load_and_comes_back(plan: Path) -> None:
    with contextlib.ExitStack() as engines:
        first = engines.enter_context(EngineProcess())
        with SidecarProcess(plan, first.url) as sidecar:
            callers = Callers(sidecar.port)
            async with callers.calling():
                await callers.have_served(CALLERS)
                first.process.kill()
                await until(lambda: any(answer.status == 503 for answer in callers.answers))
                second = engines.enter_context(EngineProcess("--port", str(first.port)))
                before = len(callers.served)
                await callers.have_served(before + CALLERS)
            await agree(sidecar, callers)
            outcomes = Counter(line["outcome"] for line in lines(sidecar))
            assert outcomes["engine-lost"] == callers.sent - len(callers.served)
            assert await running(second, 0)
            ours = [line for line in lines(sidecar) if line["outcome"] == "served"]
            made = (await samples(f"{second.url}/metrics"))["vllm:generation_tokens_total"]
            assert made <= sum(line["output_tokens"] for line in ours)
            assert made % TOKENS == 0


async def test_an_engine_that_hangs_is_sent_nothing_and_goes_on_when_it_wakes(
    tmp_path: Path,
) -> None:
    tiers = [
        {"name": "enterprise", "priority": 100},
        {"name": "retail", "priority": 0, "queue": {"maxWaitMilliseconds": 200}},
    ]
    plan = write(tmp_path / "plan.json", tiers=tiers)
    with EngineProcess() as engine, SidecarProcess(plan, engine.url) as sidecar:
        callers = Callers(sidecar.port)
        async with callers.calling():
            await callers.have_served(CALLERS)
            engine.signal(signal.SIGSTOP)
            refused = sum(answer.status == 503 for answer in callers.answers)
            await until(
                lambda: sum(a.status == 503 for a in callers.answers) > refused + CALLERS - SEATS
            )
            engine.signal(signal.SIGCONT)
            before = len(callers.served)
            await callers.have_served(before + CALLERS)
        counted = await agree(sidecar, callers)
        assert callers.broken == 0, "whoever had a seat has its answer"
        made = await samples(f"{engine.url}/metrics")
        assert made["vllm:generation_tokens_total"] == callers.tokens
        assert counted["tierfleet_sidecar_tokens_total output"] == callers.tokens
        assert made["vllm:request_success_total"] == len(callers.served)


async def test_a_plan_that_is_cut_short_under_load_changes_nothing(tmp_path: Path) -> None:
    plan = write(tmp_path / "plan.json")
    whole = await asyncio.to_thread(plan.read_bytes)
    with EngineProcess() as engine, SidecarProcess(plan, engine.url) as sidecar:
        callers = Callers(sidecar.port)

        async def error() -> str:
            headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"{sidecar.admin}/planz", headers=headers) as answer,
            ):
                return str((await answer.json())["lastError"])

        async def refused() -> bool:
            return bool(await error())

        async def taken() -> bool:
            return not await error()

        async with callers.calling():
            for size in (0, 1, len(whole) // 2, len(whole) - 1):
                await until(taken)
                cut(plan, whole, size)
                await until(refused)
                before = len(callers.served)
                await callers.have_served(before + SEATS)
                cut(plan, whole, len(whole))
        await agree(sidecar, callers)
        assert len(callers.served) == callers.sent
        made = await samples(f"{engine.url}/metrics")
        assert made["vllm:generation_tokens_total"] == callers.tokens


@pytest.mark.usefixtures("descriptors")
async def test_ten_thousand_clients_that_say_nothing_keep_nobody_out(plan: Path) -> None:
    silent: list[socket.socket] = []
    with EngineProcess() as engine, SidecarProcess(plan, engine.url) as sidecar:
        callers = Callers(sidecar.port)
        try:
            async with callers.calling(SEATS):
                for number in range(SILENT):
                    one = socket.create_connection(("127.0.0.1", sidecar.port), DEADLINE)
                    silent.append(one)
                    if not number % 100:
                        await asyncio.sleep(0)

                async def all_open() -> bool:
                    counted = await samples(f"{sidecar.admin}/metrics")
                    return counted["tierfleet_sidecar_connections"] >= len(silent)

                await until(all_open)
                before = len(callers.served)
                await callers.have_served(before + SEATS)
        finally:
            for one in silent:
                one.close()

        async def all_gone() -> bool:
            counted = await samples(f"{sidecar.admin}/metrics")
            return counted["tierfleet_sidecar_connections"] == 0

        await until(all_gone)
        await agree(sidecar, callers)
        assert len(callers.served) == callers.sent


async def test_a_client_that_reads_byte_by_byte_holds_up_nobody_else(plan: Path) -> None:
    with EngineProcess() as engine, SidecarProcess(plan, engine.url) as sidecar:
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, ("127.0.0.1", sidecar.port))
        long: dict[str, Any] = {"stream": True, "max_tokens": 1500, "min_tokens": 1500}
        await loop.sock_sendall(slow, request(fields="X-Request-Id: slow\r\n", **long))
        callers = Callers(sidecar.port)
        async with callers.calling():
            for _ in range(50):
                before = len(callers.served)
                assert len(await loop.sock_recv(slow, 1)) == 1
                await callers.have_served(before)
        slow.close()
        await agree(sidecar, callers, "slow")
        assert len(callers.served) == callers.sent
        # All of it may have fitted into the kernel's buffers.
        (line,) = [line for line in lines(sidecar) if line["id"] == "slow"]
        assert line["outcome"] in {"client-gone", "served"}

        async def idle() -> bool:
            return await running(engine, 0)

        await until(idle)


async def test_a_sidecar_that_is_told_to_end_under_load_loses_nothing_that_it_accepted(
    plan: Path,
) -> None:
    with EngineProcess() as engine, SidecarProcess(plan, engine.url) as sidecar:
        callers = Callers(sidecar.port)
        async with callers.calling():
            await callers.have_served(CALLERS)
            sidecar.signal(signal.SIGTERM)
            assert await asyncio.to_thread(sidecar.process.wait, DEADLINE) == 0
        sidecar.stop()
        log = lines(sidecar)
        assert len(log) == len({line["id"] for line in log})
        served = [line for line in log if line["outcome"] == "served"]
        assert len(served) == len(callers.served)
        assert {line["reason"] for line in log} <= {"", "rejected-shutting-down"}
        assert {answer.status for answer in callers.answers} <= {200, 503}
        # The rest found nobody to connect to, or a connection that was closed while it was idle.
        assert len(callers.answers) == len(log)
        made = await samples(f"{engine.url}/metrics")
        logged = sum(line["output_tokens"] for line in served)
        assert made["vllm:generation_tokens_total"] == logged == callers.tokens


async def test_a_sidecar_that_is_killed_gives_the_engine_back_and_can_be_started_again(
    plan: Path,
) -> None:
    with EngineProcess() as engine:
        with SidecarProcess(plan, engine.url) as killed:
            callers = Callers(killed.port)
            async with callers.calling():
                await callers.have_served(CALLERS)
                killed.process.kill()
                await until(lambda: callers.broken >= CALLERS)

        async def idle() -> bool:
            return await running(engine, 0)

        await until(idle)
        before = (await samples(f"{engine.url}/metrics"))["vllm:generation_tokens_total"]
        with SidecarProcess(plan, engine.url, "--port", str(killed.port)) as sidecar:
            again = Callers(sidecar.port)
            async with again.calling():
                await again.have_served(CALLERS)
            await agree(sidecar, again)
        made = (await samples(f"{engine.url}/metrics"))["vllm:generation_tokens_total"]
        assert made - before == again.tokens
