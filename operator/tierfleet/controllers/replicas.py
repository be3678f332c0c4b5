"""Asks a replica, at the admin port of its sidecar, which plan it runs and how much it has in hand.

Behind a protocol, because fake nodes run no replicas: tests answer for them. It must not know what
becomes of an answer.
"""

import asyncio
from typing import Annotated, NamedTuple, Protocol, TypeVar

import aiohttp
import msgspec

from tierfleet.planning.snapshot import Pod

TIMEOUT_SECONDS = 3.0
AT_ONCE = 32
"""Questions under way at a time, over all pools."""

_LONGEST_ANSWER = 4 << 20
_REFUSAL_READ = 400

_D = TypeVar("_D", bound=msgspec.Struct)


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """What a sidecar says at `/planz` (`docs/sidecar.md`), as far as we ask.

    Attributes:
        version: of the plan that it runs.
        last_error: why what it was given last is not in force; empty if it is.
    """

    version: str
    last_error: str = ""


class _Tier(msgspec.Struct, frozen=True, rename="camel"):
    queued: Annotated[int, msgspec.Meta(ge=0)]
    in_flight: Annotated[int, msgspec.Meta(ge=0)]


class _Queue(msgspec.Struct, frozen=True):
    """What a sidecar says at `/queuez`, as far as we ask."""

    load: tuple[_Tier, ...]


class SilentError(Exception):
    """A replica gave no answer that can be used; the message is a sentence about it."""


class Asks(Protocol):
    """Somebody who can ask a replica."""

    async def ask(self, pod: Pod, token: str) -> Answer:
        """Which plan the replica runs; `token` is the pool's admin token.

        Raises:
            SilentError: it does not say.
        """
        ...

    async def in_flight(self, pod: Pod, token: str) -> int:
        """How many requests run or wait there; `token` as above.

        Raises:
            SilentError: it does not say.
        """
        ...

    async def close(self) -> None:
        """Let go of all connections."""


class _Refusal(NamedTuple):
    status: int
    text: str


class Replicas:
    """Asks over HTTP, in the pods' own network."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)

    def url(self, pod: Pod, path: str) -> str:
        """Where the replica is asked."""
        return f"http://{_address(pod)}/{path}"

    async def ask(self, pod: Pod, token: str) -> Answer:
        """See `Asks`."""
        return await self._document(pod, token, "planz", Answer, "its plan")

    async def in_flight(self, pod: Pod, token: str) -> int:
        """See `Asks`."""
        queue = await self._document(pod, token, "queuez", _Queue, "its queue")
        return sum(tier.queued + tier.in_flight for tier in queue.load)

    async def _document(self, pod: Pod, token: str, path: str, type_: type[_D], what: str) -> _D:
        where = _address(pod)
        try:
            async with self._slots, asyncio.timeout(TIMEOUT_SECONDS):
                body = await self._get(self.url(pod, path), token)
        except TimeoutError:
            raise SilentError(f"{where} does not answer within {TIMEOUT_SECONDS:g} s.") from None
        except aiohttp.ClientConnectorError as error:
            raise SilentError(f"{where} cannot be reached: {error.strerror}.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SilentError(f"{where} gives no answer: {type(error).__name__}.") from None
        if isinstance(body, _Refusal):
            raise SilentError(f"{where} answers {body.status}: {body.text}")
        try:
            return msgspec.json.decode(body, type=type_)
        except msgspec.DecodeError:
            raise SilentError(f"{where} answers with something else than {what}.") from None

    async def close(self) -> None:
        """See `Asks`."""
        if self._session is not None:
            await self._session.close()

    async def _get(self, url: str, token: str) -> bytes | _Refusal:
        if self._session is None:
            # A replica is asked a few times and then not for hours: no connection is kept.
            connector = aiohttp.TCPConnector(force_close=True, limit=AT_ONCE)
            self._session = aiohttp.ClientSession(connector=connector)
        bearer = {"Authorization": f"Bearer {token}"}
        # No redirect is followed: the token is for this address alone.
        async with self._session.get(url, headers=bearer, allow_redirects=False) as answer:
            if answer.status != 200:
                said = await answer.content.read(_REFUSAL_READ)
                return _Refusal(answer.status, " ".join(said.decode(errors="replace").split()))
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > _LONGEST_ANSWER:
                    raise ValueError("too long")
            return bytes(body)


def _address(pod: Pod) -> str:
    host = f"[{pod.address}]" if ":" in pod.address else pod.address
    return f"{host}:{pod.admin_port}"
