"""The one replica of a fleet's pool `llama`, and its clients."""

import asyncio
import contextlib
from collections.abc import Iterator

import aiohttp

from e2e.demo import replicas
from e2e.demo.processes import Processes
from e2e.demo.replicas import Replica
from e2e.world import World

PATIENCE_SECONDS = 60.0


@contextlib.contextmanager
def serving(fleet: World) -> Iterator[Replica]:
    """The replica; whatever it obeys meanwhile, it obeys without a restart."""
    processes = Processes(fleet.cluster.workdir)
    try:
        (replica,) = replicas.start(
            fleet.cluster, processes, namespace=fleet.namespace, pool="llama", count=1
        )
        yield replica
        processes.check()
    finally:
        processes.stop()


class Caller:
    """A client of the replica."""

    def __init__(self, http: aiohttp.ClientSession, replica: Replica, key: str) -> None:
        self._http = http
        self._url = f"{replica.sidecar}/v1/chat/completions"
        self._headers = {"Authorization": f"Bearer {key}"}

    def send(
        self, *, stream: bool = False, tokens: int = 1, words: int = 1
    ) -> aiohttp.client._RequestContextManager:
        body = {
            "model": "llama",
            "messages": [{"role": "user", "content": "hello " * words}],
            "max_tokens": tokens,
            "min_tokens": tokens,
            "stream": stream,
        }
        return self._http.post(self._url, headers=self._headers, json=body)

    async def until_status(self, status: int) -> aiohttp.ClientResponse:
        """The first answer with that status."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                async with self.send() as answer:
                    await answer.read()
                    if answer.status == status:
                        return answer
                await asyncio.sleep(0.1)
