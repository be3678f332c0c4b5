"""What the sidecar counts on, asked of a real vLLM: `docs/results/engines.md`.

    python -m bench.engine_facts http://127.0.0.1:8000 --seats 4
    python -m bench.engine_facts http://127.0.0.1:8000 --seats 4 --through http://127.0.0.1:8080

Bounded: a few requests more than the engine has seats.
"""

import argparse
import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress

import aiohttp

_ROUNDS = 10
_DEADLINE = 300.0


class Engine:
    """An engine that is asked over HTTP, perhaps through a sidecar.

    Args:
        session: to ask with.
        url: of the engine, for its metrics.
        through: where requests go.
        key: that they carry.
        model: that they name.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, through: str, key: str, model: str
    ) -> None:
        self._session, self._url, self._through, self._model = session, url, through, model
        self._headers = {"authorization": f"Bearer {key}"}

    async def gauge(self, name: str) -> int:
        """Sum of a gauge of vLLM's over its ranks."""
        async with self._session.get(f"{self._url}/metrics") as response:
            text = await response.text()
        found = re.findall(rf"^vllm:{name}\{{[^\n]*\}} (\S+)", text, re.MULTILINE)
        return round(sum(map(float, found)))

    async def until(self, name: str, held: Callable[[int], bool]) -> None:
        """Return when the gauge is so."""
        async with asyncio.timeout(_DEADLINE):
            while not held(await self.gauge(name)):  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.002)

    async def ask(self, tokens: int, *, stream: bool = True, priority: int | None = None) -> int:
        """One completion of so many tokens; its status."""
        body: dict[str, object] = {"model": self._model, "prompt": "hello", "max_tokens": tokens}
        body |= {"ignore_eos": True, "stream": stream}
        if priority is not None:
            body["priority"] = priority
        url = f"{self._through}/v1/completions"
        async with self._session.post(url, json=body, headers=self._headers) as response:
            await response.read()
            return response.status


async def aborts(engine: Engine, *, stream: bool) -> None:
    """How long after its client has gone a request's seat is free."""
    took = []
    for _ in range(_ROUNDS):
        request = asyncio.create_task(engine.ask(1500, stream=stream))
        await engine.until("num_requests_running", lambda running: running == 1)
        start = time.perf_counter()
        await _cancel(request)
        await engine.until("num_requests_running", lambda running: running == 0)
        took.append(round(1000 * (time.perf_counter() - start)))
    took.sort()
    kind = "streamed" if stream else "not streamed"
    figures = f"{took[0]} to {took[-1]} ms, median {took[len(took) // 2]}"
    print(f"seat free after an abort, {kind}: {figures}")


async def priorities(engine: Engine, seats: int) -> None:
    """Who is served first of those that wait in the engine."""
    print("status with priority 5:", await engine.ask(2, priority=5))
    held = [asyncio.create_task(engine.ask(400)) for _ in range(seats)]
    await engine.until("num_requests_running", lambda running: running == seats)
    served: list[int] = []

    async def wait(priority: int) -> None:
        await engine.ask(3, priority=priority)
        served.append(priority)

    waiting = []
    for priority in (0, 100, -100):
        waiting.append(asyncio.create_task(wait(priority)))
        await engine.until("num_requests_waiting", lambda count: count == len(waiting))
    await _cancel(held[0])
    await asyncio.gather(*held[1:], *waiting)
    print("arrived with priority 0, 100, -100; served", *served)


async def _cancel(request: asyncio.Task[int]) -> None:
    request.cancel()
    with suppress(asyncio.CancelledError):
        await request


async def main() -> None:
    """Ask, and print a line for each answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of the engine")
    parser.add_argument("--seats", type=int, required=True, help="its --max-num-seqs")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--through", help="URL of a sidecar in front of it")
    parser.add_argument("--key", default="demo-hobby")
    given = parser.parse_args()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        engine = Engine(session, given.url, given.through or given.url, given.key, given.model)
        for stream in (True, False):
            await aborts(engine, stream=stream)
        if not given.through:
            await priorities(engine, given.seats)


if __name__ == "__main__":
    asyncio.run(main())
