"""A real `tierfleet engine` process and what a client needs to talk to it."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

COMMAND = "import typer; from tierfleet.cli.engine import engine; typer.run(engine)"
# Generous: the machine may be busy. Nothing waits this long unless something is broken.
DEADLINE = 60.0


@dataclass
class EngineProcess:
    process: asyncio.subprocess.Process
    url: str
    http: aiohttp.ClientSession

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        async with self.http.post(self.url + path, json=body) as answer:
            return answer.status, await answer.json()

    async def chat(self, content: str = "hello", **fields: Any) -> tuple[int, Any]:
        messages = [{"role": "user", "content": content}]
        return await self.post("/v1/chat/completions", messages=messages, **fields)

    @asynccontextmanager
    async def streaming(self, **fields: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """A streamed chat, open; leaving the block early hangs up."""
        body = {"messages": [{"role": "user", "content": "hello"}], "stream": True, **fields}
        async with self.http.post(self.url + "/v1/chat/completions", json=body) as answer:
            assert answer.status == 200, await answer.text()
            yield answer

    async def stream(self, **fields: Any) -> list[Any]:
        """All events of a streamed chat; the closing mark as the string it is."""
        async with self.streaming(**fields) as answer:
            return [event async for event in events(answer)]

    async def metrics(self) -> dict[str, float]:
        """Samples by name and the labels that tell them apart."""
        async with self.http.get(self.url + "/metrics") as answer:
            text = await answer.text()
        samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                own = {k: v for k, v in sample.labels.items() if k not in ("model_name", "engine")}
                samples[sample.name + "".join(f"{{{v}}}" for v in own.values())] = sample.value
        return samples

    async def until(self, reached: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """The metrics, once they are as they should be."""
        async with asyncio.timeout(DEADLINE):
            while True:
                metrics = await self.metrics()
                if reached(metrics):
                    return metrics
                await asyncio.sleep(0.02)


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[Any]:
    async for line in answer.content:
        if data := line.decode().strip().removeprefix("data: "):
            yield data if data == "[DONE]" else json.loads(data)


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[EngineProcess]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COMMAND,
        "--port",
        "0",
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), DEADLINE)).decode()
        found = re.fullmatch(r"tierfleet engine: .+ serves on (http://\S+:\d+)\n", line)
        assert found, line
        timeout = aiohttp.ClientTimeout(total=DEADLINE)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
            yield EngineProcess(process, found[1], http)
    finally:
        if process.returncode is None:
            process.kill()
        _, complaints = await process.communicate()
    # Whatever clients do, hanging up included, is no reason to print anything.
    assert complaints == b"", complaints.decode()
