import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from tests.unit.kube.fake import FakeCluster, until
from tierfleet.kube.cluster import NotFoundError, UnreachableError
from tierfleet.kube.lease import Leadership
from tierfleet.kube.resources import LEASES, Raw

KEY = ("default", "operator")


def candidate(server: FakeCluster, identity: str, deadline: float = 10) -> Leadership:
    return Leadership(server, KEY, identity, pause=0.002, deadline=deadline)


async def held(server: FakeCluster) -> Raw:
    spec: Raw = (await server.get(LEASES, KEY))["spec"]
    return spec


@asynccontextmanager
async def waiting(follower: Leadership) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(follower.acquire())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_first_one_leads_and_says_since_when_in_utc() -> None:
    server = FakeCluster()
    before = datetime.now(UTC)
    await candidate(server, "a").acquire()
    spec = await held(server)
    assert spec["holderIdentity"] == "a"
    assert spec["leaseDurationSeconds"] == 15
    assert before <= datetime.fromisoformat(spec["acquireTime"]) <= datetime.now(UTC)


async def test_a_second_one_waits_until_the_first_releases() -> None:
    server = FakeCluster()
    first, second = candidate(server, "a"), candidate(server, "b")
    await first.acquire()
    async with waiting(second) as acquired:
        await until(lambda: server.requests.count("get") >= 5)
        assert not acquired.done()
        assert second.holder == "a"
        await first.release()
        await asyncio.wait_for(acquired, 20)
    assert (await held(server))["holderIdentity"] == "b"


async def test_one_that_cannot_renew_in_time_stops_even_if_a_request_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = FakeCluster()
    leader = candidate(server, "a", deadline=0.05)
    await leader.acquire()

    async def hang(*_: object) -> Raw:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(server, "replace", hang)
    await asyncio.wait_for(leader.hold(), 20)


async def test_one_that_somebody_else_has_replaced_stops_at_once() -> None:
    server = FakeCluster()
    leader = candidate(server, "a")
    await leader.acquire()
    holding = asyncio.create_task(leader.hold())
    raw = await server.get(LEASES, KEY)
    raw["spec"]["holderIdentity"] = "b"
    while (await held(server))["holderIdentity"] != "b":
        raw["metadata"] = (await server.get(LEASES, KEY))["metadata"]
        await server.replace(LEASES, raw)
    await asyncio.wait_for(holding, 20)


async def test_passing_errors_do_not_end_the_election() -> None:
    server = FakeCluster()
    server.fail = [UnreachableError("refused"), UnreachableError("refused")]
    await asyncio.wait_for(candidate(server, "a").acquire(), 20)


async def test_waiting_for_a_namespace_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    server = FakeCluster()
    missing = NotFoundError('namespaces "default" not found', 404)
    server.fail = [missing] * 8
    await asyncio.wait_for(candidate(server, "a").acquire(), 20)
    said = [r.getMessage() for r in caplog.records if r.name == "tierfleet.kube.lease"]
    (sentence,) = said
    assert sentence == (
        'The Lease default/operator could not be created: namespaces "default" not found.'
        " Trying again every 2 s."
    )


async def test_one_that_does_not_lead_releases_nothing() -> None:
    server = FakeCluster()
    await candidate(server, "a").acquire()
    await candidate(server, "b").release()
    assert (await held(server))["holderIdentity"] == "a"
