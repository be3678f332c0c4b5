"""Callers that go through a Service as an SDK would, and a record of every request that they sent.

It must not know what stands behind the address.
"""

import asyncio
import contextlib
import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

END_SECONDS = 120.0
"""For the last requests to end; it only bounds a failure."""

LONGEST_PAUSE_SECONDS = 2.0
"""A scenario has no minute to wait. A caller that comes back sooner than it was told is one that
every fleet has; the scenario about retry times has a caller of its own that obeys."""


@dataclass
class Attempt:
    """One request as its caller saw it.

    Attributes:
        id: its X-Request-Id.
        caller: the key that it came with.
        status: of the answer; None if there was none.
        complete: whether the answer came to its end.
        tokens: of output that came.
        reason: why it was refused, in the error's words.
        retry_after: seconds until which the answer asks to wait; None if it does not say.
        sent, first, ended: seconds of the monotonic clock: sent, first token, end.
        failure: how the connection broke, if it did.
    """

    id: str
    caller: str
    sent: float
    status: int | None = None
    complete: bool = False
    tokens: int = 0
    reason: str = ""
    retry_after: float | None = None
    first: float | None = None
    ended: float = 0.0
    failure: str = ""

    @property
    def served(self) -> bool:
        """Whether the caller has its whole answer."""
        return self.complete and self.status == 200

    @property
    def refused(self) -> bool:
        """Whether the fleet said in a whole answer that it would not serve it now."""
        return self.complete and self.status in {429, 503}

    @property
    def lost(self) -> bool:
        """Whether the caller was left with less than an answer."""
        return not self.complete


@dataclass(frozen=True)
class Group:
    """Equal callers, each with one request at a time, one after the other.

    Attributes:
        key: their API key.
        callers: how many.
        tokens: of output that they ask for: fewest and most.
        words: of their prompts.
        stream: whether they want their answers as they are made.
        pause: seconds between an answer and the next request.
    """

    key: str
    callers: int = 1
    tokens: tuple[int, int] = (8, 40)
    words: int = 30
    stream: bool = True
    pause: float = 0.0


@dataclass
class Clients:
    """What was sent to one address, in a thread of its own so that a scenario can act meanwhile."""

    url: str
    model: str
    attempts: list[Attempt] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)
    _run: str = field(default_factory=lambda: f"{time.time_ns():x}", repr=False)

    @contextlib.contextmanager
    def calling(self, *groups: Group) -> Iterator[None]:
        """Have groups call while the body runs; then each has the end of its last request.

        Raises:
            Whatever a caller raised that is no failure of the network.
        """
        stop = threading.Event()
        failures: list[BaseException] = []

        def work() -> None:
            try:
                asyncio.run(self._all(groups, stop))
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(END_SECONDS)
        assert not thread.is_alive(), "some requests do not end"
        if failures:
            raise failures[0]

    def ask(self, group: Group, **members: Any) -> Attempt:
        """Send one request now, and return what became of it."""

        async def one() -> Attempt:
            async with _session() as session:
                return await self._send(session, group, 0, members)

        return asyncio.run(one())

    def of(self, *keys: str) -> list[Attempt]:
        """What those callers sent so far."""
        return [attempt for attempt in list(self.attempts) if attempt.caller in keys]

    def served(self) -> int:
        """How many have their answer by now."""
        return sum(attempt.served for attempt in list(self.attempts))

    async def _all(self, groups: tuple[Group, ...], stop: threading.Event) -> None:
        async with _session() as session, asyncio.TaskGroup() as tasks:
            for group in groups:
                for number in range(group.callers):
                    tasks.create_task(self._call(session, group, number, stop))

    async def _call(
        self, session: aiohttp.ClientSession, group: Group, number: int, stop: threading.Event
    ) -> None:
        while not stop.is_set():
            attempt = await self._send(session, group, number)
            # What broke is tried again, as SDKs do; a short pause keeps a dead address bearable.
            told = attempt.retry_after if attempt.complete else 0.1
            await asyncio.sleep(min(told or group.pause, LONGEST_PAUSE_SECONDS))

    async def _send(
        self,
        session: aiohttp.ClientSession,
        group: Group,
        number: int,
        members: Mapping[str, Any] | None = None,
    ) -> Attempt:
        turn = next(self._numbers)
        fewest, most = group.tokens
        tokens = fewest + (turn * 7 + number * 13) % (most - fewest + 1)
        attempt = Attempt(f"{self._run}-{turn}", group.key, time.monotonic())
        self.attempts.append(attempt)
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": "word " * group.words}],
            "max_tokens": tokens,
            "min_tokens": tokens,
            "stream": group.stream,
            **(members or {}),
        }
        headers = {"X-Request-Id": attempt.id}
        if group.key:
            headers["Authorization"] = f"Bearer {group.key}"
        try:
            async with session.post(
                f"{self.url}/v1/chat/completions", headers=headers, json=body
            ) as answer:
                attempt.status = answer.status
                if "retry-after-ms" in answer.headers:
                    attempt.retry_after = float(answer.headers["retry-after-ms"]) / 1000
                if answer.status == 200 and group.stream:
                    await _read_stream(answer, attempt)
                else:
                    _read_whole(json.loads(await answer.read()), attempt)
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            attempt.failure = f"{type(error).__name__}: {error}"
        attempt.ended = time.monotonic()
        return attempt


def _session() -> aiohttp.ClientSession:
    # Many connections: a Service chooses a pod for each, once.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
    )


async def _read_stream(answer: aiohttp.ClientResponse, attempt: Attempt) -> None:
    async for line in answer.content:
        if line.strip() == b"data: [DONE]":
            attempt.complete = True
        elif line.startswith(b"data: {"):
            event = json.loads(line[6:])
            if "error" in event:
                attempt.failure = str(event["error"])
            for choice in event.get("choices", ()):
                if choice["delta"].get("content"):
                    attempt.first = attempt.first or time.monotonic()
                    attempt.tokens += 1


def _read_whole(body: Mapping[str, Any], attempt: Attempt) -> None:
    attempt.complete = True
    if "error" in body:
        attempt.reason = str(body["error"].get("code") or body["error"].get("type"))
    elif "usage" in body:
        attempt.first = time.monotonic()
        attempt.tokens = body["usage"]["completion_tokens"]
