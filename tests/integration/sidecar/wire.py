"""A client that sees and sends every byte."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Self

from tests.unit.sidecar.plans import KEYS
from tests.unit.sidecar.waiting import DEADLINE


@dataclass
class Answer:
    """One response as it came over the wire."""

    status: int
    fields: dict[str, str]
    body: bytes
    complete: bool = True

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


def request(
    path: str = "/v1/completions", *, key: str = KEYS["hobby"], fields: str = "", **members: Any
) -> bytes:
    """A completions request; `fields` are further header lines."""
    body = json.dumps({"model": "default", "prompt": "hello", **members}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: sidecar\r\nAuthorization: Bearer {key}\r\n{fields}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Wire:
    """One connection to the data port."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def ask(self, data: bytes) -> Answer:
        self.send(data)
        return await self.answer()

    async def head(self) -> Answer:
        """The head of the next response; its body is left on the wire."""
        async with asyncio.timeout(DEADLINE):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        pairs = (line.split(": ", 1) for line in lines[1:])
        return Answer(int(lines[0].split()[1]), {n.lower(): v for n, v in pairs}, b"")

    async def answer(self, *, bodiless: bool = False) -> Answer:
        """The next whole response, or what there is of it when the connection breaks."""
        answer = await self.head()
        if bodiless:
            return answer
        async with asyncio.timeout(DEADLINE):
            try:
                if "content-length" in answer.fields:
                    size = int(answer.fields["content-length"])
                    answer.body = await self.reader.readexactly(size)
                elif answer.fields.get("transfer-encoding") == "chunked":
                    while piece := await self.chunk():
                        answer.body += piece
                else:
                    answer.body = await self.reader.read()
            except asyncio.IncompleteReadError as broken:
                answer.body += broken.partial
                answer.complete = False
            except ConnectionResetError:
                answer.complete = False
        return answer

    async def chunk(self) -> bytes:
        """The next chunk; empty for the last one."""
        async with asyncio.timeout(DEADLINE):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            return (await self.reader.readexactly(size + 2))[:-2]

    async def closed(self) -> bytes:
        """What comes until the other side closes."""
        async with asyncio.timeout(DEADLINE):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""
