"""The admin port: metrics and probes for everybody, drain and insight for who holds a token.

Off the path of requests, so plain aiohttp. It knows how answers look; what they say comes from an
`Overview`.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from tierfleet.plan import Plan, sha256_hex
from tierfleet.sidecar.engine import Engine, EngineUnavailableError
from tierfleet.sidecar.overview import queue_text

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Overview(Protocol):
    """What the admin port asks of the process."""

    @property
    def registry(self) -> CollectorRegistry:
        """Our metrics."""
        ...

    @property
    def engine(self) -> Engine:
        """For its health."""
        ...

    @property
    def plan(self) -> Plan | None:
        """In force; None while there is none."""
        ...

    def not_ready(self) -> str:
        """Why no requests should be sent here; empty if they should (the engine apart)."""
        ...

    def describe_plan(self) -> dict[str, object]:
        """The plan in force, without anything derived from a secret."""
        ...

    def describe_queue(self) -> dict[str, object]:
        """Who waits, how long and for what."""
        ...

    async def drain(self) -> bool:
        """Drain, or wait for the drain that is under way; True if nothing had to be cut."""
        ...


def application(overview: Overview) -> web.Application:
    """The routes."""
    app = web.Application()

    async def metrics(request: web.Request) -> web.Response:
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(overview.registry), headers={"Content-Type": kind})

    async def healthy(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_request: web.Request) -> web.Response:
        reason = overview.not_ready() or await _engine_trouble(overview.engine)
        return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)

    async def engine(_request: web.Request) -> web.Response:
        reason = await _engine_trouble(overview.engine)
        return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)

    async def plan(_request: web.Request) -> web.Response:
        return web.json_response(overview.describe_plan())

    async def queue(request: web.Request) -> web.Response:
        document = overview.describe_queue()
        # Not by Accept: what browsers and SDKs send there by themselves is no wish of a person's.
        match request.query.get("format", "json"):
            case "json":
                return web.json_response(document)
            case "text":
                return web.Response(text=queue_text(document))
            case other:
                text = f"There is no format {other!r}; ask for json or text.\n"
                return web.Response(status=400, text=text)

    async def drain(_request: web.Request) -> web.Response:
        return web.json_response({"drained": await overview.drain()})

    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthy)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/enginez", engine)
    app.router.add_get("/planz", _guarded(overview, plan))
    app.router.add_get("/queuez", _guarded(overview, queue))
    app.router.add_get("/drain", _guarded(overview, drain, hook=True))
    app.router.add_post("/drain", _guarded(overview, drain, hook=True))
    return app


def _guarded(overview: Overview, handler: _Handler, *, hook: bool = False) -> _Handler:
    """Only for who holds the admin token, or with `hook` that of the preStop hook."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        plan = overview.plan
        if plan is None:
            return web.Response(status=503, text="There is no plan yet, so no token is known.\n")
        accepted = [plan.admin_token_sha256, plan.hook_token_sha256 if hook else None]
        if not any(accepted):
            text = "The plan has no adminTokenSha256, so nobody may ask for this; set one.\n"
            return web.Response(status=403, text=text)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        shown = sha256_hex(token.strip())
        fits = [hmac.compare_digest(shown, known) for known in accepted if known is not None]
        if scheme.lower() != "bearer" or not any(fits):
            text = "This needs the token of the plan: Authorization: Bearer TOKEN.\n"
            return web.Response(status=401, text=text, headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return guarded


async def _engine_trouble(engine: Engine) -> str:
    try:
        await engine.check()
    except EngineUnavailableError as error:
        return str(error)
    return ""
