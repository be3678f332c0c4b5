"""Callers that never rest, and what they counted beside the log, the metrics and the engine."""

import asyncio
import contextlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from tests.integration.sidecar.processes import SidecarProcess
from tests.integration.sidecar.wire import Answer, Wire, request
from tests.unit.sidecar.waiting import DEADLINE, until

CALLERS = 24
TOKENS = 40
"""Of each answer."""


class Callers:
    """Send one request after the other until they are told to stop, and note each end.

    Attributes:
        answers: that were whole.
        broken: how many were not, or ended without any.
        sent: how many were sent.
    """

    def __init__(self, port: int, **members: Any) -> None:
        self._port = port
        self._members = {"stream": True, "max_tokens": TOKENS, "min_tokens": TOKENS, **members}
        self._on = True
        self.answers: list[Answer] = []
        self.broken = 0
        self.sent = 0

    @contextlib.asynccontextmanager
    async def calling(self, callers: int = CALLERS) -> AsyncIterator[None]:
        """Ends when each has the end of its last request."""
        async with asyncio.timeout(2 * DEADLINE), asyncio.TaskGroup() as tasks:
            for _ in range(callers):
                tasks.create_task(self._call())
            try:
                yield
            finally:
                self._on = False

    async def _call(self) -> None:
        while self._on:
            try:
                async with Wire(self._port) as wire:
                    while self._on:
                        self.sent += 1
                        answer = await wire.ask(request(**self._members))
                        if answer.complete:
                            self.answers.append(answer)
                        else:
                            self.broken += 1
                        if not answer.complete or answer.fields.get("connection") == "close":
                            break
                        if answer.status >= 500:
                            # As an SDK would, but sooner.
                            assert int(answer.fields["retry-after-ms"]) > 0
                            await asyncio.sleep(0.02)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.broken += 1
                await asyncio.sleep(0.02)

    async def have_served(self, number: int) -> None:
        """Return once more than so many had their answer."""
        await until(lambda: len(self.served) > number)

    @property
    def served(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status == 200]

    @property
    def tokens(self) -> int:
        """In answers that were whole."""
        return sum(tokens(answer) for answer in self.served)


def tokens(answer: Answer) -> int:
    return len(re.findall(rb'"text":"[^"]', answer.body.replace(b'": "', b'":"')))


def lines(sidecar: SidecarProcess) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in sidecar.out if line.startswith("{")]
    return [line for line in found if line["path"] == "/v1/completions"]


async def samples(url: str) -> dict[str, float]:
    """Of a metrics page, summed over labels except `outcome` and `kind`."""
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        text = await answer.text()
    found: defaultdict[str, float] = defaultdict(float)
    for name, labels, value in re.findall(r"^(\w[\w:]*)(\{[^\n]*\})? (\S+)$", text, re.MULTILINE):
        kept = re.findall(r'(?:outcome|kind)="([^"]*)"', labels)
        found[" ".join([name, *kept])] += float(value)
    return found


async def agree(sidecar: SidecarProcess, callers: Callers, *others: str) -> dict[str, float]:
    """The log and the metrics of a sidecar that runs, and what its callers saw.

    `others` are the ids of requests that were none of these callers'.
    """
    sent = callers.sent + len(others)
    await until(lambda: len(lines(sidecar)) >= sent)
    log = lines(sidecar)
    assert len(log) == len({line["id"] for line in log}) == sent
    counted = await samples(f"{sidecar.admin}/metrics")
    for outcome, number in Counter(line["outcome"] for line in log).items():
        assert counted[f"tierfleet_sidecar_requests_total {outcome}"] == number
    output = sum(line["output_tokens"] for line in log)
    assert counted["tierfleet_sidecar_tokens_total output"] == output
    assert counted["tierfleet_sidecar_running"] == counted["tierfleet_sidecar_waiting"] == 0
    served = [line for line in log if line["outcome"] == "served" and line["id"] not in others]
    assert len(served) == len(callers.served)
    assert sum(line["output_tokens"] for line in served) == callers.tokens
    return counted
