"""A whole sidecar inside the test's process, and an engine that a test scripts byte by byte.

Real sockets on a real loop; only the process boundary is missing, so that faults can be placed
exactly and the parts can be looked at.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import aiohttp

from tests.integration.sidecar.wire import Wire
from tests.unit.sidecar.plans import ADMIN_TOKEN, document
from tests.unit.sidecar.waiting import DEADLINE, until
from tierfleet.admission.core import Core
from tierfleet.admission.interface import Admission
from tierfleet.admission.types import EngineLimits
from tierfleet.plan import Plan
from tierfleet.sidecar.client import Patience
from tierfleet.sidecar.config import Config, Upstream
from tierfleet.sidecar.http1 import ReadLimits
from tierfleet.sidecar.server import Server
from tierfleet.sidecar.tracing import from_environment

ANSWER = json.dumps(
    {
        "choices": [{"text": "hi"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
).encode()


class Call:
    """One request as the engine gets it, and the connection that it came over."""

    def __init__(
        self, head: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.head = head
        self.body = body
        self._reader = reader
        self._writer = writer

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, body: bytes = ANSWER, status: str = "200 OK", fields: str = "") -> None:
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{fields}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        await self.send(head.encode() + body)

    async def begin_stream(self) -> None:
        await self.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def reset(self) -> None:
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()

    async def hung_up(self) -> None:
        """Return when the sidecar has closed the connection."""
        async with asyncio.timeout(DEADLINE):
            try:
                assert await self._reader.read() == b""
            except ConnectionResetError:
                return


Script = Callable[[Call], Awaitable[None]]


async def answers(call: Call) -> None:
    """What an engine does that works."""
    await call.answer()


class ScriptedEngine:
    """Serves each request by `script`.

    Attributes:
        calls: what has arrived.
        connections: how many were opened.
        asked: how often anything was asked for with GET.
        paths: of those that it knows; None for all.
    """

    def __init__(self) -> None:
        self.script: Script = answers
        self.calls: list[Call] = []
        self.connections = 0
        self.metrics = b"vllm:num_requests_waiting 1.0\n"
        self.healthy = True
        self.asked = 0
        self.paths: list[str] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def refuse(self) -> None:
        """Accept no more connections."""
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                call = Call(head, body, reader, writer)
                if head.startswith(b"POST"):
                    self.calls.append(call)
                    await self.script(call)
                    continue
                self.asked += 1
                if self.paths is not None and head.split()[1].decode() not in self.paths:
                    await call.answer(b"", "404 Not Found")
                else:
                    await call.answer(self.metrics, "200 OK" if self.healthy else "500 Oh")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


class Inside:
    """A running sidecar.

    Attributes:
        log: lines of its access log, decoded.
    """

    def __init__(
        self,
        upstream: int,
        *,
        make_core: Callable[[Plan, EngineLimits], Admission] = Core,
        patience: Patience | None = None,
        read_limits: ReadLimits | None = None,
        drain_accept: float = 0.0,
        drain_timeout: float = DEADLINE,
        engine_silence: float = DEADLINE,
        tracing: bool = False,
        **plan: Any,
    ) -> None:
        self._folder = TemporaryDirectory()
        self.plan_path = Path(self._folder.name) / "plan.json"
        self.replan(**plan)
        self._config = Config(
            plan=self.plan_path,
            group="h100",
            upstream=Upstream("127.0.0.1", upstream),
            port=0,
            admin_port=0,
            drain_accept=drain_accept,
            drain_timeout=drain_timeout,
            engine_silence=engine_silence,
            tracing=tracing,
            patience=patience or Patience(),
            read_limits=read_limits or ReadLimits(),
        )
        self._make_core = make_core
        self.log: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        self._listening = asyncio.Event()
        self._tracer = from_environment(self._config) if self._config.tracing else None
        self.server = Server(self._config, self._make_core, self._write, self._tracer)
        self.task = asyncio.create_task(self.server.run(self._announce))
        async with asyncio.timeout(DEADLINE):
            waiting = asyncio.create_task(self._listening.wait())
            await asyncio.wait((waiting, self.task), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        if self.task.done():
            await self.task
        self.http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        self.server.shut_down(0.0)
        self.server.shut_down(0.0)
        await self.task
        if self._tracer is not None:
            await self._tracer.close()
        self._folder.cleanup()

    def replan(self, **changes: Any) -> None:
        """Write another plan."""
        fresh = self.plan_path.with_suffix(".new")
        fresh.write_text(json.dumps(document(**changes)))
        fresh.rename(self.plan_path)

    def connect(self) -> Wire:
        return Wire(self.port)

    async def admin(self, path: str, **options: Any) -> tuple[int, str]:
        async with self.http.get(f"http://127.0.0.1:{self.admin_port}{path}", **options) as answer:
            return answer.status, await answer.text()

    async def lines(self, count: int) -> list[dict[str, Any]]:
        """The access log, once it has that many lines."""
        await until(lambda: len(self.log) >= count)
        assert len(self.log) == count
        return self.log

    def _announce(self, data: str, admin: str) -> None:
        self.port = int(data.rpartition(":")[2])
        self.admin_port = int(admin.rpartition(":")[2])
        self._listening.set()

    def _write(self, lines: bytes) -> None:
        self.log.extend(json.loads(line) for line in lines.splitlines())
