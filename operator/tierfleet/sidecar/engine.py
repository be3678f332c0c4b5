"""The engine's own health and metrics, asked for off the path of requests.

Knows where the engine answers; what its metrics mean is in `vllm`.
"""

import aiohttp

# Less than the two seconds that the pods' probes wait, so that they get a sentence.
_HEALTH = aiohttp.ClientTimeout(total=1.5)
_METRICS = aiohttp.ClientTimeout(total=5.0)


class EngineUnavailableError(Exception):
    """The engine did not answer, or not with a success; the message says which."""


class Engine:
    """The engine behind this sidecar."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session = aiohttp.ClientSession()

    async def check(self) -> None:
        """Ask for its health.

        Raises:
            EngineUnavailableError: it is not healthy.
        """
        await self._get("/health", _HEALTH)

    async def metrics(self) -> bytes:
        """Its metrics as Prometheus reads them.

        Raises:
            EngineUnavailableError: it has none to give.
        """
        return await self._get("/metrics", _METRICS)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _get(self, path: str, within: aiohttp.ClientTimeout) -> bytes:
        try:
            async with self._session.get(self._url + path, timeout=within) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = type(error).__name__
            raise EngineUnavailableError(
                f"The engine at {self._url} does not answer: {reason}."
            ) from error
        if response.status != 200:
            raise EngineUnavailableError(
                f"The engine at {self._url} answers {path} with {response.status}."
            )
        return body
