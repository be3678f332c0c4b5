"""Callers of completions, and what each of them saw; and what servers count.

It must not know what stands behind a URL.
"""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from e2e.vllm.model import WORD
from e2e.vllm.server import MODEL
from e2e.vllm.sidecar import key

DEADLINE: Final = 240.0
"""Seconds, for what never comes: the machine may be busy."""


def completion(number: int, prompt: int, output: int) -> dict[str, Any]:
    """The body of a request with so many tokens of prompt, at least 5, and of answer.

    None begins like one of another number: a prefix that is cached would cost nothing.
    """
    beginning = f"{number % 10_000:04d} "
    return {
        "model": MODEL,
        "prompt": beginning + WORD * (prompt - len(beginning)),
        "max_tokens": output,
        "ignore_eos": True,
    }


def opened() -> aiohttp.ClientSession:
    """Without a bound of its own on connections or time."""
    # vLLM closes what has been idle for 5 s, and a request that is sent just then is lost.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2.0)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))


@dataclass
class Call:
    """One request as its caller saw it.

    Attributes:
        status: of the answer; 0 while there is none, -1 if the connection broke.
        tokens: of the answer, as the engine's usage says.
        whole: whether the answer ended as the engine ends it.
        first: how many first tokens this client had seen before this one's; None without one.
        overtaken: of those, how many came since it was sent.
    """

    tier: str
    status: int = 0
    tokens: int = 0
    whole: bool = False
    first: int | None = None
    overtaken: int = 0


class Client:
    """Sends streamed completions to one URL.

    Attributes:
        calls: all that were sent, in that order.
        order: tiers, or what else `label` says, in the order in which first tokens came.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url
        self.calls: list[Call] = []
        self.order: list[str] = []

    async def ask(
        self, tier: str, tokens: int, *, prompt: int = 16, label: str = "", **members: Any
    ) -> Call:
        """One request; returns when its answer has ended, however it has."""
        call = Call(tier)
        self.calls.append(call)
        sent = len(self.order)
        body = completion(len(self.calls), prompt, tokens) | {
            "stream": True,
            "stream_options": {"include_usage": True},
            **members,
        }
        headers = {"Authorization": f"Bearer {key(tier)}"}
        try:
            async with self._session.post(
                f"{self._url}/v1/completions", json=body, headers=headers
            ) as response:
                status = response.status
                if status != 200:
                    await response.read()
                async for line in response.content:
                    if not line.startswith(b"data: "):
                        continue
                    if line.strip() == b"data: [DONE]":
                        call.whole = True
                        continue
                    event = json.loads(line[6:])
                    if call.first is None and event.get("choices"):
                        call.first = len(self.order)
                        call.overtaken = call.first - sent
                        self.order.append(label or tier)
                    if event.get("usage"):
                        call.tokens = event["usage"]["completion_tokens"]
                call.status = status
        except aiohttp.ClientError:
            call.status = -1
        return call

    @property
    def whole(self) -> list[Call]:
        """Those that were answered to the end."""
        return [call for call in self.calls if call.status == 200 and call.whole]


async def until(condition: Callable[[], Awaitable[object]], why: str) -> None:
    """Return once it holds.

    Raises:
        AssertionError: it never did; the message ends with `why`.
    """
    try:
        async with asyncio.timeout(DEADLINE):
            while not await condition():  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {why}") from None


async def counted(session: aiohttp.ClientSession, url: str) -> Mapping[str, float]:
    """What `/metrics` of a server say, summed over labels."""
    async with session.get(f"{url}/metrics") as answer:
        text = await answer.text()
    found: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] += sample.value
    return found


async def until_counted(
    session: aiohttp.ClientSession, url: str, **wanted: float
) -> Mapping[str, float]:
    """Return vLLM's numbers once those that are named are just so."""
    found: Mapping[str, float] = {}

    async def so() -> bool:
        nonlocal found
        found = await counted(session, url)
        return all(found[f"vllm:{name}"] == value for name, value in wanted.items())

    try:
        await until(so, f"{wanted} at {url}")
    except AssertionError as error:
        seen = {name: found.get(f"vllm:{name}") for name in wanted}
        raise AssertionError(f"{error}; last seen: {seen}") from None
    return found


async def gone(call: asyncio.Task[Call]) -> None:
    """Hang up."""
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
