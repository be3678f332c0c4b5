"""Sends the load from a process of its own, and prints what its callers saw.

What is to be sent comes as JSON on the command line. A time to first token counts from when the
request was due, so a client that lags behind flatters nobody.
"""

import asyncio
import itertools
import json
import math
import random
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, Final

import aiohttp
import uvloop

from bench.flood.scenario import MODEL, Clients, from_document

_REFUSED: Final = frozenset({429, 503})
_CUT, _BROKEN = -1, -2
_SIGMA: Final = 0.6
"""Lengths are log-normal."""


class Load:
    """One run.

    Args:
        url: to send to, without a path, where a group does not say another.
        seconds: until whatever still runs is cut.
        warm_up: seconds before requests count.
        seed: of arrivals and lengths.
    """

    def __init__(self, url: str, seconds: float, warm_up: float, seed: int) -> None:
        self._url = url
        self._seconds, self._warm_up = seconds, warm_up
        self._seed = seed
        self.seen: dict[str, dict[str, Any]] = {}
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def run(self, groups: list[Clients]) -> None:
        """Send, then cut."""
        async with AsyncExitStack() as sessions:
            self._start = time.perf_counter()
            async with asyncio.TaskGroup() as tasks:
                started = []
                for clients in groups:
                    # Nobody sends on another's connections: behind a Service those that are free
                    # soonest are to the replica that refuses most.
                    self._sessions[clients.tier] = await sessions.enter_async_context(_session())
                    self.seen[clients.tier] = {
                        "ttft": {},
                        "served": 0,
                        "refused": 0,
                        "broken": 0,
                    }
                    urls = itertools.cycle(clients.at or (self._url,))
                    # Each by its own chance: enterprise sends the same whatever else is sent.
                    chance = random.Random(f"{self._seed} {clients.tier}")  # noqa: S311
                    if clients.per_second:
                        started.append(tasks.create_task(self._arrivals(clients, chance, urls)))
                    started += [
                        tasks.create_task(self._steady(clients, chance, next(urls)))
                        for _ in range(clients.steady)
                    ]
                await asyncio.sleep(self._seconds)
                for task in started:
                    task.cancel()

    async def _steady(self, clients: Clients, chance: random.Random, url: str) -> None:
        # All at once would also end at once.
        await asyncio.sleep(chance.uniform(0, self._warm_up / 2))
        while True:
            request = self._request(clients, chance)
            await self._send(clients, request, self._now(), url)

    async def _arrivals(self, clients: Clients, chance: random.Random, urls: Iterator[str]) -> None:
        due = 0.0
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as requests:
            while True:
                due += chance.expovariate(clients.per_second)
                request = self._request(clients, chance)
                await asyncio.sleep(max(0.0, due - self._now()))
                if not clients.most or len(running) < clients.most:
                    task = requests.create_task(self._send(clients, request, due, next(urls)))
                    running.add(task)
                    task.add_done_callback(running.discard)

    def _request(self, clients: Clients, chance: random.Random) -> dict[str, Any]:
        prompt, output = (
            max(1, min(most, int(chance.lognormvariate(math.log(median), _SIGMA))))
            for median, most in (clients.prompt, clients.output)
        )
        body: dict[str, Any] = {
            "model": MODEL,
            # None begins like another: a prefix that is cached would cost nothing.
            "prompt": f"{chance.random()} " + "word " * prompt,
            "max_tokens": output,
            "min_tokens": output,
            "stream": clients.stream,
        }
        if clients.priority is not None:
            body["priority"] = clients.priority
        headers = {
            "Authorization": f"Bearer {chance.choice(clients.keys)}",
            # The same request has the same in every run with the same seed.
            "X-Request-Id": f"{chance.getrandbits(64):016x}",
        }
        return {"json": body, "headers": headers}

    async def _send(self, clients: Clients, request: dict[str, Any], due: float, url: str) -> None:
        first, status = None, _CUT
        try:
            session = self._sessions[clients.tier]
            async with session.post(f"{url}/v1/completions", **request) as response:
                async for piece in response.content.iter_any():
                    if first is None and clients.stream and b'"text":' in piece:
                        first = self._now()
                status = response.status
        except aiohttp.ClientError:
            status = _BROKEN
        finally:
            # Also when the run is cut: then with what has come so far.
            self._note(self.seen[clients.tier], status)
            if clients.stream and due >= self._warm_up:
                # One that still waited counts with the time that it had waited.
                end = self._now() if first is None and status == _CUT else first
                waited = None if end is None else end - due
                self.seen[clients.tier]["ttft"][request["headers"]["X-Request-Id"]] = waited

    def _note(self, seen: dict[str, Any], status: int) -> None:
        now = self._now()
        if now >= self._warm_up and status != _CUT:
            seen["served"] += status == 200
            seen["refused"] += status in _REFUSED
            seen["broken"] += status not in {200, *_REFUSED}

    def _now(self) -> float:
        return time.perf_counter() - self._start


def _session() -> aiohttp.ClientSession:
    # Engines close what has been idle for 5 s, and a request that is sent just then is lost.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2.0)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))


def main() -> None:
    """Read what to send, send it, print what was seen."""
    given = json.loads(sys.argv[1])
    groups = [from_document(clients) for clients in given.pop("groups")]
    load = Load(**given)
    uvloop.run(load.run(groups))
    json.dump(load.seen, sys.stdout)


if __name__ == "__main__":
    main()
