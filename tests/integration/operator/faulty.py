"""The operator in this process, on a real API server, with faults between the two.

Its own kinds are followed by informers instead of kopf, so that it can be ended at any await.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

from tests.integration.operator.answered import Elsewhere
from tierfleet.controllers.operator import Operator
from tierfleet.kube.client import Client
from tierfleet.kube.cluster import Page, Query, UnreachableError, WatchEvent
from tierfleet.kube.connect import connect
from tierfleet.kube.informers import Informer
from tierfleet.kube.resources import DEPLOYMENTS, OURS, Key, Raw, ResourceType

Write = Callable[[], Awaitable[Raw]]


class Faulty:
    """A `Cluster` that passes everything on, and through whose `write` every write goes."""

    def __init__(self, real: Client) -> None:
        self._real = real

    async def write(self, what: str, send: Write) -> Raw:
        """Send a write, which `what` tells from others; a subclass may do worse."""
        raise NotImplementedError

    async def get(self, type_: ResourceType, key: Key) -> Raw:
        """Pass it on."""
        return await self._real.get(type_, key)

    async def page(self, query: Query, token: str = "") -> Page:
        """Pass it on."""
        return await self._real.page(query, token)

    def watch(self, query: Query, resource_version: str) -> AsyncGenerator[WatchEvent]:
        """Pass it on."""
        return self._real.watch(query, resource_version)

    async def create(self, type_: ResourceType, body: Raw) -> Raw:
        """A write."""
        return await self.write(f"create {type_.plural}", lambda: self._real.create(type_, body))

    async def replace(self, type_: ResourceType, body: Raw) -> Raw:
        """A write."""
        return await self.write(f"replace {type_.plural}", lambda: self._real.replace(type_, body))

    async def apply(self, type_: ResourceType, body: Raw, *, manager: str, status: bool) -> Raw:
        """A write."""
        return await self.write(
            f"apply {type_.plural} {body['metadata']['name']} {'status' if status else ''}",
            lambda: self._real.apply(type_, body, manager=manager, status=status),
        )

    async def patch(self, type_: ResourceType, key: Key, operations: list[Raw]) -> Raw:
        """A write."""
        return await self.write(
            f"patch {type_.plural} {key[1]}", lambda: self._real.patch(type_, key, operations)
        )

    async def delete(self, type_: ResourceType, key: Key, *, uid: str) -> None:
        """A write."""

        async def send() -> Raw:
            await self._real.delete(type_, key, uid=uid)
            return {}

        await self.write(f"delete {type_.plural} {key[1]}", send)


class Mortal(Faulty):
    """The operator's process dies as soon as its first write has been done.

    Attributes:
        wrote: that write; None while there was none.
        died: set then. No other write is sent after it.
    """

    def __init__(self, real: Client) -> None:
        super().__init__(real)
        self.wrote: str | None = None
        self.died = asyncio.Event()
        self._first = asyncio.Lock()

    async def write(self, what: str, send: Write) -> Raw:
        """Send the first one, and answer none."""
        async with self._first:
            if self.wrote is None:
                await send()
                self.wrote = what
                self.died.set()
        await asyncio.Event().wait()
        raise AssertionError


class Deaf(Faulty):
    """Every write is done, and its answer is lost the first time; so is every third one's later.

    Attributes:
        lost: how many answers.
    """

    def __init__(self, real: Client) -> None:
        super().__init__(real)
        self.lost = 0
        self._heard: set[str] = set()
        self._turn = 0

    async def write(self, what: str, send: Write) -> Raw:
        """Send it; whether it is answered depends."""
        self._turn += 1
        answer = await send()
        if what in self._heard and self._turn % 3:
            return answer
        self._heard.add(what)
        self.lost += 1
        raise UnreachableError("The answer was lost.")


class Blind(Faulty):
    """The first write of a Deployment is done, and nobody is told: no answer, and no watch tells.

    Later writes of it wait for `resume`.
    """

    def __init__(self, real: Client, deployment: str) -> None:
        super().__init__(real)
        self.resume = asyncio.Event()
        self.lost = asyncio.Event()
        self._what = f"apply {DEPLOYMENTS.plural} {deployment} "

    async def write(self, what: str, send: Write) -> Raw:
        """Send it, when it is its turn."""
        if what != self._what:
            return await send()
        if not self.lost.is_set():
            await send()
            self.lost.set()
            raise UnreachableError("The answer was lost.")
        await self.resume.wait()
        return await send()

    async def watch(self, query: Query, resource_version: str) -> AsyncGenerator[WatchEvent]:
        """Pass it on, but that of Deployments."""
        if query.type == DEPLOYMENTS:
            await asyncio.Event().wait()
        async with aclosing(super().watch(query, resource_version)) as events:
            async for event in events:
                yield event


async def client(kubeconfig: Path) -> Client:
    """A connection to the API server."""
    return Client((await connect(kubeconfig)).configuration)


async def operate(cluster: Faulty, namespace: str, server: str) -> None:
    """Be the operator of a namespace, for ever; `server` answers for its replicas."""
    asks = Elsewhere(server)
    operator = Operator(cluster, [namespace], "faulty", asks)
    kinds = [
        Informer(cluster, type_, operator.store.own[type_], namespaces=[namespace])
        for type_ in OURS
    ]
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(operator.follow())
            for informer in kinds:
                tasks.create_task(informer.run())
            for informer in kinds:
                await informer.synced()
            await operator.store.synced()
            tasks.create_task(operator.lead())
    finally:
        await asks.close()
