"""Clients of three tiers against some base URLs, and a record of what each of them saw.

Flooding clients send their next request as soon as the last has ended; clients with a contract
send at a rate of their own, whatever happens to them. It must not know what stands behind the URLs.
"""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

LONGEST_PAUSE_SECONDS = 2.0
"""A refused client waits as it is told, but a demo has not got a minute."""


NO_ANSWER = 0
FAILED = -1
REFUSED = frozenset({429, 503})


@dataclass(frozen=True)
class Clients:
    """A group of equal callers.

    Attributes:
        tier: the name under which they are reported.
        key: their API key.
        concurrent: that many flood, each with one request at a time; 0: none does.
        per_second: requests a second that are sent regardless (Poisson); 0: none.
        prompt_words: length of each prompt.
        tokens: shortest and longest answer. Answers of one length would end all at once, and the
            next free seat would be as far away as it can be.
    """

    tier: str
    key: str
    concurrent: int = 0
    per_second: float = 0.0
    prompt_words: int = 120
    tokens: tuple[int, int] = (16, 80)


@dataclass(frozen=True)
class Seen:
    """One request as its caller saw it.

    Attributes:
        sent: seconds since the load began.
        status: of the answer; `NO_ANSWER` if none had come when the run was cut, `FAILED` if the
            connection broke.
        first_token: seconds since the load began; None if none came.
        tokens: that came.
    """

    tier: str
    sent: float
    status: int
    first_token: float | None = None
    tokens: int = 0


async def run(
    urls: Sequence[str], model: str, groups: Sequence[Clients], *, seconds: float, seed: int
) -> list[Seen]:
    """Send load for some seconds, then cut what still runs.

    Requests go to the URLs in turn. What was cut counts with the tokens that had come.
    """
    chance = random.Random(seed)  # noqa: S311 - load, not secrets
    seen: list[Seen] = []
    started = time.monotonic()
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=timeout
    ) as session:
        load = _Load(session, list(urls), model, started, seen, chance)
        async with asyncio.TaskGroup() as callers:
            tasks = [
                callers.create_task(load.flood(group), name=group.tier)
                for group in groups
                for _ in range(group.concurrent)
            ]
            tasks += [
                callers.create_task(load.arrivals(group), name=group.tier)
                for group in groups
                if group.per_second
            ]
            await asyncio.sleep(seconds)
            for task in tasks:
                task.cancel()
    return seen


class _Load:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        urls: list[str],
        model: str,
        started: float,
        seen: list[Seen],
        chance: random.Random,
    ) -> None:
        self._session = session
        self._urls = urls
        self._model = model
        self._started = started
        self._seen = seen
        self._chance = chance
        self._turn = 0

    async def flood(self, group: Clients) -> None:
        while True:
            pause = await self._send(group)
            if pause:
                await asyncio.sleep(min(pause, LONGEST_PAUSE_SECONDS))

    async def arrivals(self, group: Clients) -> None:
        async with asyncio.TaskGroup() as requests:
            while True:
                await asyncio.sleep(self._chance.expovariate(group.per_second))
                requests.create_task(self._send(group))

    async def _send(self, group: Clients) -> float:
        """One request; the seconds that its answer asks to wait before the next."""
        self._turn += 1
        url = self._urls[self._turn % len(self._urls)]
        wanted = self._chance.randint(*group.tokens)
        sent = self._now()
        status, first, tokens = NO_ANSWER, None, 0
        try:
            async with self._session.post(
                f"{url}/v1/chat/completions",
                headers={"Authorization": f"Bearer {group.key}"},
                json={
                    "model": self._model,
                    "messages": [{"role": "user", "content": "word " * group.prompt_words}],
                    "max_tokens": wanted,
                    "min_tokens": wanted,
                    "stream": True,
                },
            ) as response:
                status = response.status
                if status != 200:
                    return float(response.headers.get("retry-after-ms", 0)) / 1000
                async for line in response.content:
                    if _has_token(line):
                        first = first if first is not None else self._now()
                        tokens += 1
        except aiohttp.ClientError:
            status = FAILED
            return LONGEST_PAUSE_SECONDS
        finally:
            # Also when the run is cut: then with what has come so far.
            self._seen.append(Seen(group.tier, sent, status, first, tokens))
        return 0.0

    def _now(self) -> float:
        return time.monotonic() - self._started


def _has_token(line: bytes) -> bool:
    if not line.startswith(b"data: {"):
        return False
    choices = json.loads(line[6:])["choices"]
    return bool(choices) and bool(choices[0]["delta"].get("content"))
