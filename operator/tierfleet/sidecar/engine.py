"""The engine's own health and metrics, asked for off the path of requests.

Knows where the engine answers; what it is asked for and what its metrics mean is in `engines`.
"""

import aiohttp

from tierfleet.plan import EngineType
from tierfleet.sidecar.config import Upstream
from tierfleet.sidecar.engines import ADAPTERS, Adapter

# Less than the two seconds that the pods' probes wait, so that they get a sentence.
_HEALTH = aiohttp.ClientTimeout(total=1.5)
_METRICS = aiohttp.ClientTimeout(total=5.0)


class EngineUnavailableError(Exception):
    """The engine did not answer, or not with a success; the message says which."""


_NO_SUCH_THING = frozenset((404, 405, 501))


class Engine:
    """The engine behind this sidecar.

    Attributes:
        adapter: to this kind of engine; any at all until a plan has said which it is.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.adapter: Adapter = ADAPTERS[EngineType.CUSTOM]
        self._url = upstream.url
        self._name = upstream.name
        connector = aiohttp.UnixConnector(upstream.socket) if upstream.socket else None
        self._session = aiohttp.ClientSession(connector=connector)

    async def check(self) -> None:
        """Ask for its health.

        Raises:
            EngineUnavailableError: it is not healthy.
        """
        path = self.adapter.health_path
        status, _ = await self._get(path, _HEALTH)
        if not self.adapter.healthy(status):
            raise self._unfit(path, status)

    async def metrics(self) -> bytes:
        """Its metrics as Prometheus reads them; empty if it knows of none.

        Raises:
            EngineUnavailableError: it could not give them.
        """
        path = self.adapter.metrics_path
        status, body = await self._get(path, _METRICS)
        if status in _NO_SUCH_THING:
            return b""
        if status != 200:
            raise self._unfit(path, status)
        return body

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _get(self, path: str, within: aiohttp.ClientTimeout) -> tuple[int, bytes]:
        try:
            async with self._session.get(self._url + path, timeout=within) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = type(error).__name__
            raise EngineUnavailableError(
                f"The engine at {self._name} does not answer: {reason}."
            ) from error

    def _unfit(self, path: str, status: int) -> EngineUnavailableError:
        return EngineUnavailableError(f"The engine at {self._name} answers {path} with {status}.")
