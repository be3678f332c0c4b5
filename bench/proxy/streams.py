"""An origin that streams at a steady pace, and a client that counts every event.

Both are uvloop protocols, so that they stay well below one core beside each other. An origin sends
`CHUNKS` events on each connection that asks, `PER_SECOND` of them, spread over time; then the event
that tells usage, and the end.
"""

import argparse
import asyncio
import json
import time
from functools import partial
from typing import Final, cast

import uvloop

from bench.proxy.plan import MODEL, TENANTS, key

CHUNKS: Final = 250
PER_SECOND: Final = 50
_SLOTS: Final = 20
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_ABOUT: Final = f'"id":"chatcmpl-0","object":"chat.completion.chunk","created":1,"model":"{MODEL}"'
_EVENT: Final = _chunk(
    f'data: {{{_ABOUT},"choices":[{{"index":0,"delta":{{"content":" word"}},'
    '"logprobs":null,"finish_reason":null}]}\n\n'.encode()
)
_USAGE: Final = _chunk(
    f'data: {{{_ABOUT},"choices":[],"usage":{{"prompt_tokens":9,"completion_tokens":{CHUNKS},'
    f'"total_tokens":{CHUNKS + 9}}}}}\n\n'.encode()
)
_END: Final = _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class _Origin(asyncio.Protocol):
    """One connection; asked to hang it says nothing at all."""

    def __init__(self, slots: list[set["_Origin"]], count: list[int]) -> None:
        self._slots = slots
        self._count = count
        self._slot: set[_Origin] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET"):
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        elif data.startswith(b"POST") and b"x-bench: hang" not in data.lower():
            self.left = CHUNKS
            self.transport.write(_HEAD)
            self._count[0] += 1
            self._slot = self._slots[self._count[0] % _SLOTS]
            self._slot.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._slot is not None:
            self._slot.discard(self)

    def tick(self) -> None:
        self.left -= 1
        if self.left >= 0:
            self.transport.write(_EVENT)
            return
        if self._slot is not None:
            self._slot.discard(self)
        self.transport.write(_USAGE + _END)


async def _serve(port: int) -> None:
    slots: list[set[_Origin]] = [set() for _ in range(_SLOTS)]
    count = [0]
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: _Origin(slots, count), "127.0.0.1", port, backlog=4096)
    at = loop.time()
    number = 0
    while True:
        at += 1 / PER_SECOND / _SLOTS
        await asyncio.sleep(max(0.0, at - loop.time()))
        for stream in list(slots[number % _SLOTS]):
            stream.tick()
        number += 1


class _Client(asyncio.Protocol):
    """One stream; `done` tells how many events of text came."""

    def __init__(self, number: int) -> None:
        self._request = _request(number)
        self._tail = b""
        self.events = 0
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        # An event may come in two pieces; its mark is five bytes.
        self.events += (self._tail + data).count(b'"delta"')
        self._tail = data[-6:]
        if data.endswith(b"0\r\n\r\n") and not self.done.done():
            self.done.set_result(self.events)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.done.done():
            self.done.set_result(-1)


def _request(number: int) -> bytes:
    body = json.dumps(
        {
            "model": MODEL,
            "stream": True,
            "max_tokens": CHUNKS,
            "messages": [{"role": "user", "content": "hi"}],
        }
    ).encode()
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key(number % TENANTS)}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _same(client: _Client) -> _Client:
    return client


async def _run(port: int, streams: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    start = time.monotonic()
    clients = []
    for number in range(streams):
        client = _Client(number)
        await loop.create_connection(partial(_same, client), "127.0.0.1", port)
        clients.append(client)
    counts = await asyncio.wait_for(
        asyncio.gather(*(client.done for client in clients)), CHUNKS / PER_SECOND * 6 + 30
    )
    return {
        "streams": streams,
        "events": sum(max(0, count) for count in counts),
        "missed": sum(CHUNKS - max(0, count) for count in counts),
        "broken": sum(count < 0 for count in counts),
        "seconds": time.monotonic() - start,
    }


def main() -> None:
    """`origin PORT`, or `client PORT STREAMS`, which prints what it has counted as JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("role", choices=["origin", "client"])
    options.add_argument("port", type=int)
    options.add_argument("streams", type=int, nargs="?", default=0)
    given = options.parse_args()
    if given.role == "origin":
        uvloop.run(_serve(given.port))
    else:
        print(json.dumps(uvloop.run(_run(given.port, given.streams))))


if __name__ == "__main__":
    main()
