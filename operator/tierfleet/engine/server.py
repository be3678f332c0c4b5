"""An OpenAI-compatible server in front of the model: what a client, a sidecar and Prometheus see.

Routes, sockets, signals. It answers as vLLM's API server does, faults included; what a request
means and what an answer looks like is in `surfaces`, when tokens come in `driver`.
"""

import asyncio
import contextlib
import dataclasses
import importlib.metadata
import json
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from tierfleet.engine import faults
from tierfleet.engine.config import EngineConfig
from tierfleet.engine.driver import Ask, Driver, Generation
from tierfleet.engine.faults import Fault
from tierfleet.engine.metrics import EngineMetrics
from tierfleet.engine.model import Engine
from tierfleet.engine.surfaces import completions
from tierfleet.engine.surfaces.job import Job, Limits, RequestError
from tierfleet.engine.surfaces.table import SURFACES, Stream, Surface
from tierfleet.engine.text import PrefixCache

# A prompt of a million tokens fits; vLLM itself has no limit.
MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One server process."""

    engine: EngineConfig
    model: str
    # More names of the model, all of which requests may use.
    aliases: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    speed: float = 1.0
    prefix_caching: bool = True
    # Seconds that running requests get to finish after a SIGTERM.
    shutdown_timeout: float = 10.0
    # Requests may ask for faults.
    faults: bool = False


class EngineServer:
    """The HTTP application and the engine behind it."""

    def __init__(self, config: ServerConfig) -> None:
        engine = Engine(config.engine)
        metrics = EngineMetrics(engine, config.model, prefix_caching=config.prefix_caching)
        self.driver = Driver(engine, metrics, config.speed)
        self._config = config
        self._limits = Limits(
            model=config.model,
            aliases=config.aliases,
            max_model_len=config.engine.max_model_len,
        )
        self._prefixes = (
            PrefixCache(config.engine.num_blocks, config.engine.block_size)
            if config.prefix_caching
            else None
        )
        self._registry = CollectorRegistry()
        self._registry.register(metrics)
        self._started = int(time.time())

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_errors_as_json])
        for path in SURFACES:
            app.router.add_post(path, self._infer)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/version", self._version)
        app.router.add_get("/metrics", self._metrics)
        return app

    async def _infer(self, request: web.Request) -> web.StreamResponse:
        surface = SURFACES[request.path]
        try:
            fault = self._fault(request)
            job = surface.parse(await request.read(), self._limits)
        except RequestError as problem:
            return _json(surface.error(problem), problem.status)
        if fault is not None and fault.kind == "no-usage":
            job = dataclasses.replace(job, include_usage=False)
        return await self._generate(request, surface, job, fault)

    def _fault(self, request: web.Request) -> Fault | None:
        asked = request.headers.get(faults.HEADER)
        if asked is None or not self._config.faults:
            return None
        try:
            fault = faults.parse(asked)
        except ValueError as error:
            raise RequestError(str(error), faults.HEADER) from None
        if fault.kind == "status":
            raise RequestError("A fault was asked for.", kind="Fault", status=fault.number)
        return fault

    async def _models(self, _request: web.Request) -> web.Response:
        return _json(
            completions.models(
                (self._config.model, *self._config.aliases),
                self._started,
                self._limits.max_model_len,
            )
        )

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": importlib.metadata.version("tierfleet")})

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def _generate(
        self, request: web.Request, surface: Surface, job: Job, fault: Fault | None
    ) -> web.StreamResponse:
        name = f"{surface.prefix}-{request.headers.get('X-Request-Id') or uuid.uuid4().hex}"
        about = (name, int(time.time()), self._config.model)
        generation = self.driver.submit(
            tuple(
                Ask(
                    choice.prompt_tokens,
                    choice.output_tokens,
                    choice.finish_reason,
                    self._prefixes.look_up(choice.prompt) if self._prefixes else 0,
                )
                for choice in job.choices
            ),
            job.priority,
            each_token=job.stream,
        )
        try:
            if job.stream and surface.stream is not None:
                stream = surface.stream(job, *about)
                return await self._stream(request, stream, job, generation, fault)
            await generation.progress()
            await _go_wrong(request, fault, 0)
            answer = surface.complete(job, *about, _cached(job, generation))
            return _json(_without_usage(answer) if _no_usage(fault) else answer)
        finally:
            # The client is gone, or this process is told to stop: the handler was cancelled.
            if not generation.done:
                self.driver.cancel(generation)

    async def _stream(
        self,
        request: web.Request,
        stream: Stream,
        job: Job,
        generation: Generation,
        fault: Fault | None,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        # A write to a client that has just gone, before the handler was cancelled for it.
        with contextlib.suppress(ConnectionResetError):
            await response.prepare(request)
            await self._write_events(request, response, stream, job, generation, fault)
        return response

    async def _write_events(
        self,
        request: web.Request,
        response: web.StreamResponse,
        stream: Stream,
        job: Job,
        generation: Generation,
        fault: Fault | None,
    ) -> None:
        sent = [0] * len(job.choices)
        remaining = job.output_tokens
        opening = stream.opening()
        pieces = 0
        while remaining:
            await generation.progress()
            await _go_wrong(request, fault, pieces)
            pieces += 1
            events = [opening]
            opening = b""
            for index, produced in enumerate(generation.produced):
                # More than one when the client reads slower than the engine writes.
                if produced > sent[index]:
                    events.append(stream.tokens(index, sent[index], produced))
                    remaining -= produced - sent[index]
                    sent[index] = produced
            await response.write(b"".join(events))
        await response.write(stream.closing(_cached(job, generation)))


async def _go_wrong(request: web.Request, fault: Fault | None, pieces: int) -> None:
    """Do to the connection what was asked for, once so many pieces of the answer are out."""
    if fault is None or fault.number != pieces or fault.kind not in {"reset", "hang", "garbage"}:
        return
    if fault.kind == "hang":
        # Until the client hangs up.
        await asyncio.Event().wait()
    transport = request.transport
    if transport is not None:
        if fault.kind == "garbage":
            transport.write(b"\x00 this is not HTTP \r\n\r\n")
            transport.close()
        else:
            transport.abort()
    raise ConnectionResetError


def _no_usage(fault: Fault | None) -> bool:
    return fault is not None and fault.kind == "no-usage"


def _without_usage(answer: bytes) -> bytes:
    document = json.loads(answer)
    document.pop("usage", None)
    return json.dumps(document).encode()


def _cached(job: Job, generation: Generation) -> int:
    """Cached prompt tokens, once per prompt: the n choices of one stand side by side."""
    per_prompt = len(job.choices) // job.prompts
    return sum(sequence.cached for sequence in generation.sequences[::per_prompt])


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RequestError as problem:
        return _json(completions.error(problem), problem.status)
    except web.HTTPException as problem:
        kind = "NotFoundError" if problem.status == 404 else "BadRequestError"
        shown = RequestError(problem.reason, kind=kind, status=problem.status)
        return _json(completions.error(shown), problem.status)


async def serve(config: ServerConfig, announce: Callable[[str, int], None]) -> None:
    """Serve until SIGTERM or SIGINT, then let running requests finish.

    Args:
        config: what to serve and where.
        announce: called once with host and port when requests are accepted.

    Raises:
        OSError: the address cannot be listened on.
    """
    server = EngineServer(config)
    # Cancellation of a handler is how a client that went away frees its seats.
    runner = web.AppRunner(
        server.application(),
        handler_cancellation=True,
        # A compressed body is no JSON to vLLM's server either.
        auto_decompress=False,
        access_log=None,
        # aiohttp waits twice this long before it cancels a handler, and for ever if it is 0.
        shutdown_timeout=max(config.shutdown_timeout / 2, 0.001),
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    stepping = asyncio.create_task(server.driver.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await runner.setup()
        site = web.TCPSite(runner, config.host, config.port)
        await site.start()
        announce(*runner.addresses[0][:2])
        # The loop never ends by itself: if it does, its error must end the server.
        await asyncio.wait((stepping, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await runner.cleanup()
        stopping.cancel()
        stepping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stepping
