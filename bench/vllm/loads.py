"""Loads for a real vLLM, and the processor time that its engine takes for them.

All of a load comes at once, so the model of the engine knows each step of it. Time is that of the
one process that computes, in one thread without a pause: on a machine that has nothing else to do
it is the time that the load takes, and on a shared one nobody else's work is in it.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.vllm.fit import Load
from e2e.processes import running
from e2e.vllm.caller import completion, until_counted
from e2e.vllm.server import Vllm

FLOOD: Final[Load] = ((16, 128),) * 64
SHORT: Final = (7, 8)
"""What comes behind the flood."""
_SIGMA: Final = 0.6


def kinds(longer: int) -> dict[str, Load]:
    """To fit to: each has another part of a step's time in it.

    Args:
        longer: by how much answers are longer, for a model that is fast.
    """
    return {
        "one decodes": ((16, 200 * longer),),
        "three decode": ((16, 150 * longer),) * 3,
        "a full batch decodes": ((16, 100 * longer),) * 8,
        "long contexts decode": ((1500, 100 * min(longer, 5)),) * 4,
        "long prompts": ((1000, 2),) * 4 * longer,
    }


def mixed(seed: int, longer: int) -> Load:
    """Forty requests of many lengths, which are not fitted to."""
    chance = random.Random(seed)  # noqa: S311 - load, not secrets

    def tokens(median: float, most: int) -> int:
        return min(most, max(8, int(chance.lognormvariate(0, _SIGMA) * median)))

    return tuple((tokens(80, 1000), tokens(60 * longer, 1000)) for _ in range(40))


@dataclass(frozen=True)
class Behind:
    """A short request behind a flood.

    Attributes:
        sent: seconds that the engine had taken for the flood by then.
        first: seconds that it took from then to its first token.
    """

    sent: float
    first: float


class Sender:
    """Sends to one vLLM, which nobody else uses."""

    def __init__(self, session: aiohttp.ClientSession, engine: Vllm) -> None:
        self._session, self._engine = session, engine
        self._numbers = count()
        self._stat = _computes(engine)

    async def run(self, load: Load) -> float:
        """Seconds that it takes for all of it."""
        await self._idle()
        start = self._taken()
        async with asyncio.TaskGroup() as requests:
            for prompt, output in load:
                requests.create_task(self._whole(prompt, output))
        return self._taken() - start

    async def behind(self, **members: Any) -> Behind:
        """The short request, once all of the flood is there; `members` are added to its body."""
        await self._idle()
        start = self._taken()
        async with asyncio.TaskGroup() as requests:
            flood = [requests.create_task(self._whole(*lengths, **_LAST)) for lengths in FLOOD]
            waiting = len(FLOOD) - self._engine.seats
            await until_counted(self._session, self._engine.url, num_requests_waiting=waiting)
            sent = self._taken() - start
            first = await self._first_token(**members)
            for request in flood:
                request.cancel()
        return Behind(sent, first)

    async def _whole(self, prompt: int, output: int, **members: Any) -> None:
        body = completion(next(self._numbers), prompt, output) | members
        async with self._post(body) as answer:
            document = await answer.json()
            if document["usage"]["completion_tokens"] != output:
                raise RuntimeError(f"Not {output} tokens: {document}")

    async def _first_token(self, **members: Any) -> float:
        body = completion(next(self._numbers), *SHORT) | {"stream": True, **members}
        start = self._taken()
        first = None
        async with self._post(body) as answer:
            async for piece in answer.content.iter_any():
                if first is None and b'"text":' in piece:
                    first = self._taken() - start
        if first is None:
            raise RuntimeError("There was no first token.")
        return first

    @contextlib.asynccontextmanager
    async def _post(self, body: dict[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        url = f"{self._engine.url}/v1/completions"
        async with self._session.post(url, json=body) as answer:
            if answer.status != 200:
                raise RuntimeError(f"vLLM answered {answer.status}: {await answer.text()}")
            yield answer

    def _taken(self) -> float:
        """Seconds of a processor that its engine has taken since it began (proc(5))."""
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    async def _idle(self) -> None:
        await until_counted(
            self._session, self._engine.url, num_requests_running=0, num_requests_waiting=0
        )


def _computes(engine: Vllm) -> Path:
    """What the kernel says of the process that computes, as its title tells it."""
    for pid in running(engine.workdir):
        stat = Path(f"/proc/{pid}/stat")
        if "EngineCor" in stat.read_text():
            return stat
    raise RuntimeError("None of vLLM's processes calls itself EngineCore: which one computes?")


_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LAST: Final = {"priority": 1}
"""The flood's; the short request has 0 like any other, or comes behind it with the same."""
