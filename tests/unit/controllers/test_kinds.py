import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from tests.unit.controllers import raws
from tests.unit.kube.fake import FakeCluster, until
from tierfleet.controllers.kinds import Kinds
from tierfleet.controllers.store import Store
from tierfleet.kube.resources import OURS, POLICIES, POOLS


@asynccontextmanager
async def listening() -> AsyncIterator[str]:
    """An HTTP server that answers everything, with an error if that is asked for."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.json_response({}, status=500 if "fail" in request.query else 200)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


class Shell:
    """Kinds over a fake cluster, and a session as kopf gets it."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.store: Store = raws.store()
        self.kinds = Kinds(self.cluster, self.store, [raws.NAMESPACE])

    @property
    def pools(self) -> list[str]:
        return [key[1] for key, _ in self.store.pools.items()]

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        task = asyncio.create_task(self.kinds.run())
        trace = self.kinds.trace()
        try:
            async with (
                listening() as url,
                aiohttp.ClientSession(url, trace_configs=[trace]) as session,
            ):
                yield session
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


PATH = POOLS.path(raws.NAMESPACE)


async def test_it_is_complete_once_kopf_has_listed_every_kind() -> None:
    shell = Shell()
    complete = asyncio.create_task(shell.kinds.complete())
    async with shell.session() as session:
        for type_ in OURS:
            assert not complete.done()
            await session.get(type_.path(raws.NAMESPACE))
        await asyncio.wait_for(complete, 20)


async def test_what_was_deleted_in_a_gap_is_gone_once_kopf_lists_again() -> None:
    shell = Shell()
    shell.store.pools.put(raws.pool("ghost", 1, resourceVersion="0"))
    async with shell.session() as session:
        await session.get(PATH)
        await until(lambda: shell.pools == [])


@pytest.mark.parametrize("no_list", ["watch=true", "fail=yes"])
async def test_a_watch_or_a_failed_list_is_no_list(no_list: str) -> None:
    shell = Shell()
    shell.store.pools.put(raws.pool("pool", 1, resourceVersion="0"))
    async with shell.session() as session:
        await session.get(f"{PATH}?{no_list}")
        await session.get(POLICIES.path(raws.NAMESPACE))
        await until(lambda: shell.cluster.requests == ["list"])
    assert shell.pools == ["pool"]
