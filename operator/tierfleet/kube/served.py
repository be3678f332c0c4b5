"""Follows objects of a type that a cluster may not have, as long as it has it.

Whether it does is told by one watch of its CustomResourceDefinition, so what is installed later is
noticed at once, and a type that is not there costs no request.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from tierfleet.kube.cache import Cache
from tierfleet.kube.cluster import Watched
from tierfleet.kube.informers import Informer
from tierfleet.kube.project import served_versions
from tierfleet.kube.resources import DEFINITIONS, Key, ResourceType, definition_of


class WhileServed:
    """Runs the informer of a type while the cluster serves it."""

    def __init__(
        self,
        cluster: Watched,
        type_: ResourceType,
        informer: Informer[Any],
        on_change: Callable[[], None],
    ) -> None:
        """`on_change` is called when all of the type is known, and when it is served no longer."""
        self._type = type_
        self._informer = informer
        self._on_change = on_change
        self._definitions = Informer(
            cluster,
            DEFINITIONS,
            Cache(served_versions, self._changed),
            fields=f"metadata.name={definition_of(type_)}",
        )
        self._there = asyncio.Event()
        self._gone = asyncio.Event()
        self._listed = False

    @property
    def served(self) -> bool:
        """Whether the cluster serves the type, and what there is of it is known.

        One that is served again may have objects: who took them for none would make them anew.
        """
        return self._listed

    async def run(self) -> None:
        """Follow the type for ever, whenever it is there."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._definitions.run())
            tasks.create_task(self._follow())

    async def synced(self) -> None:
        """Return once it is known whether the type is there, and if so, what is there of it."""
        await self._definitions.synced()
        if self._there.is_set():
            await self._all_listed()

    async def _follow(self) -> None:
        while True:
            await self._there.wait()
            async with asyncio.TaskGroup() as tasks:
                begun = [
                    tasks.create_task(self._informer.run()),
                    tasks.create_task(self._all_listed()),
                ]
                await self._gone.wait()
                for task in begun:
                    task.cancel()
            self._informer.forget()

    async def _all_listed(self) -> None:
        await self._informer.synced()
        if self._there.is_set() and not self._listed:
            self._listed = True
            self._on_change()

    def _changed(self, _: Key, old: frozenset[str] | None, new: frozenset[str] | None) -> None:
        before, now = (self._type.version in (found or ()) for found in (old, new))
        if before == now:
            return
        if now:
            self._gone.clear()
            self._there.set()
        else:
            self._there.clear()
            self._gone.set()
            if self._listed:
                self._listed = False
                self._on_change()
