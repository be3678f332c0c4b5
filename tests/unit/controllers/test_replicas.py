"""How a replica is asked, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from tierfleet.controllers import replicas
from tierfleet.controllers.replicas import Answer, Replicas, SilentError
from tierfleet.planning.snapshot import Pod

LESS_THAN_NOTHING = {"queued": -1, "inFlight": 0}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Sidecar:
    """An admin port; `handler` answers."""

    def __init__(self) -> None:
        self.handler: Handler
        self.port = 0
        self.at_once = self.most = 0

    def pod(self, address: str = "127.0.0.1") -> Pod:
        return Pod("n", "p", "u", address=address, admin_port=self.port)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            return await self.handler(request)
        finally:
            self.at_once -= 1

    def answers(self, body: str, status: int = 200, **headers: str) -> None:
        async def handler(_: web.Request) -> web.StreamResponse:
            return web.Response(text=body, status=status, headers=headers)

        self.handler = handler


@pytest.fixture
async def sidecar() -> AsyncIterator[Sidecar]:
    found = Sidecar()
    app = web.Application()
    app.router.add_get("/planz", found.serve)
    app.router.add_get("/queuez", found.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


@pytest.fixture
async def asks() -> AsyncIterator[Replicas]:
    found = Replicas()
    yield found
    await found.close()


async def silence(asks: Replicas, pod: Pod) -> str:
    with pytest.raises(SilentError) as caught:
        await asks.ask(pod, "token")
    return str(caught.value)


async def test_it_says_its_plan_and_why_it_refuses_another_one(
    sidecar: Sidecar, asks: Replicas
) -> None:
    shown = []

    async def handler(request: web.Request) -> web.StreamResponse:
        shown.append(request.headers["Authorization"])
        return web.json_response({"version": "1", "lastError": "it is bad", "tiers": []})

    sidecar.handler = handler
    assert await asks.ask(sidecar.pod(), "token") == Answer("1", "it is bad")
    assert shown == ["Bearer token"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("This needs the token of the plan.\nSo there.", 401, "answers 401: This needs the"),
        ("no plan yet", 503, "answers 503: no plan yet"),
        ("<html>", 200, "answers with something else than its plan."),
        ("[]", 200, "answers with something else than its plan."),
        (json.dumps({"version": 7}), 200, "answers with something else than its plan."),
        (json.dumps({"version": "x" * (5 << 20)}), 200, "gives no answer: ValueError."),
    ],
)
async def test_what_is_no_answer_is_a_sentence(
    sidecar: Sidecar, asks: Replicas, body: str, status: int, said: str
) -> None:
    sidecar.answers(body, status)
    assert (await silence(asks, sidecar.pod())).startswith(f"127.0.0.1:{sidecar.port} {said}")


async def test_it_says_how_many_requests_run_and_wait(sidecar: Sidecar, asks: Replicas) -> None:
    load = [
        {"tier": "pro", "queued": 3, "inFlight": 4},
        {"tier": "retail", "queued": 5, "inFlight": 0},
    ]
    sidecar.answers(json.dumps({"load": load, "waiting": [{"id": "x"}], "notShown": 0}))
    assert await asks.in_flight(sidecar.pod(), "token") == 12
    sidecar.answers(json.dumps({"load": []}))
    assert await asks.in_flight(sidecar.pod(), "token") == 0


@pytest.mark.parametrize("document", [{}, {"load": [{"queued": 1}]}, {"load": [LESS_THAN_NOTHING]}])
async def test_what_counts_no_requests_is_no_answer(
    sidecar: Sidecar, asks: Replicas, document: object
) -> None:
    sidecar.answers(json.dumps(document))
    with pytest.raises(SilentError, match=r"answers with something else than its queue\."):
        await asks.in_flight(sidecar.pod(), "token")


async def test_the_token_goes_to_nobody_else(sidecar: Sidecar, asks: Replicas) -> None:
    sidecar.answers("", 302, Location="http://127.0.0.2:1/planz")
    assert "answers 302" in await silence(asks, sidecar.pod())


async def test_an_address_without_a_sidecar_is_told(sidecar: Sidecar, asks: Replicas) -> None:
    assert "127.0.0.2" in await silence(asks, sidecar.pod("127.0.0.2"))
    assert "cannot be reached" in await silence(asks, sidecar.pod("127.0.0.2"))


async def test_a_slow_one_is_given_up(
    sidecar: Sidecar, asks: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    sidecar.handler = handler
    monkeypatch.setattr(replicas, "TIMEOUT_SECONDS", 0.1)
    assert "does not answer within 0.1 s" in await silence(asks, sidecar.pod())


async def test_no_more_than_a_few_are_asked_at_once(sidecar: Sidecar, asks: Replicas) -> None:
    full = asyncio.Event()

    async def handler(_: web.Request) -> web.StreamResponse:
        if sidecar.at_once == replicas.AT_ONCE:
            full.set()
        await full.wait()
        return web.json_response({"version": "1"})

    sidecar.handler = handler
    await asyncio.gather(*(asks.ask(sidecar.pod(), "t") for _ in range(2 * replicas.AT_ONCE)))
    assert sidecar.most == replicas.AT_ONCE


def test_an_address_of_ipv6_is_one() -> None:
    url = Replicas().url(Pod("n", "p", "u", address="fd00::1", admin_port=9090), "planz")
    assert url == "http://[fd00::1]:9090/planz"
