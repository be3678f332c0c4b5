"""The process: puts the parts together, serves, drains, stops.

startup → serve → drain → shutdown. It knows which part needs which; what they do is theirs.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import cast

from aiohttp import web
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from tierfleet.admission.core import Core
from tierfleet.admission.interface import Admission
from tierfleet.admission.supported import unsupported
from tierfleet.admission.types import EngineLimits
from tierfleet.plan import Plan, PlanError, warnings
from tierfleet.sidecar import admin, overview
from tierfleet.sidecar.client import ClientConnection
from tierfleet.sidecar.config import Config
from tierfleet.sidecar.engine import Engine, EngineUnavailableError
from tierfleet.sidecar.engines import ADAPTERS, Adapter
from tierfleet.sidecar.exchange import Shared
from tierfleet.sidecar.gate import Gate
from tierfleet.sidecar.journal import Journal
from tierfleet.sidecar.lifecycle import State
from tierfleet.sidecar.metrics import Metrics
from tierfleet.sidecar.outbox import Outbox
from tierfleet.sidecar.plansource import PlanSource
from tierfleet.sidecar.planwatch import PlanWatch
from tierfleet.sidecar.retries import Retries
from tierfleet.sidecar.rules import Rules
from tierfleet.sidecar.service import DataPlane
from tierfleet.sidecar.spans import Tracer
from tierfleet.sidecar.tls import Tls
from tierfleet.sidecar.upstream import Pool

_SWEEP_SECONDS = 1.0
_ENGINE_SECONDS = 1.0
_DRAIN_POLL_SECONDS = 0.05
_BACKLOG = 4096
_LAST_LINES_SECONDS = 5.0

log = logging.getLogger(__name__)


async def serve(config: Config, announce: Callable[[str, str], None]) -> None:
    """Run a sidecar as this process, until a signal; see `Server` and its `run`.

    Raises:
        TracingError: see there.
    """
    tracer: Tracer | None = None
    if config.tracing:
        # Not at the top: it is an extra of its own.
        from tierfleet.sidecar.tracing import from_environment  # noqa: PLC0415

        tracer = from_environment(config)
    try:
        await _serve(Server(config, Core, _write_log, tracer), config.drain_accept, announce)
    finally:
        if tracer is not None:
            await tracer.close()


async def _serve(
    server: "Server", drain_accept: float, announce: Callable[[str, str], None]
) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, server.shut_down, drain_accept)
    # Ctrl-C comes from a person, not from a fleet whose load balancers lag behind.
    loop.add_signal_handler(signal.SIGINT, server.shut_down, 0.0)

    def serving(data: str, admin_address: str) -> None:
        # The plan of a large fleet is a million objects: looking through them would stop streams.
        gc.collect()
        gc.freeze()
        announce(data, admin_address)

    await server.run(serving)


class Server:
    """One sidecar. Implements `admin.Overview`.

    Raises:
        TlsError: on construction, see there.
    """

    def __init__(
        self,
        config: Config,
        make_core: Callable[[Plan, EngineLimits], Admission],
        write_log: Callable[[bytes], object],
        tracer: Tracer | None = None,
    ) -> None:
        # First of all: nothing has to be closed again if it is refused.
        self._tls: Tls | None = None
        if config.certificate is not None and config.key is not None:
            self._tls = Tls(config.certificate, config.key)
        self._config = config
        self._make_core = make_core
        self._loop = asyncio.get_running_loop()
        self._metrics = Metrics()
        self._journal = Journal(write_log)
        self._metrics.dropped_lines = lambda: self._journal.dropped
        self.engine = Engine(config.upstream)
        outbox = Outbox(self._loop)
        self._pool = Pool(config.upstream, self._loop, outbox, config.engine_silence)
        self._data = DataPlane(
            self.engine,
            config.upstream.authority.encode(),
            self._metrics.tallies,
            self._journal,
            outbox,
            read_limits=config.read_limits,
            patience=config.patience,
            tracer=tracer,
        )
        if tracer is not None:
            self._metrics.dropped_spans = lambda: tracer.dropped
        self._metrics.connections = lambda: len(self._data.connections)
        self._watch = PlanWatch(PlanSource(config.plan), self._adopt, self._metrics)
        self._gate: Gate | None = None
        self._stop = asyncio.Event()
        self._hurry = False
        self._draining: asyncio.Task[None] | None = None

    async def run(self, announce: Callable[[str, str], None]) -> None:
        """Serve until `shut_down`.

        Args:
            announce: called once with the addresses of data and admin port when both listen.

        Raises:
            PlanError: there is no plan that can be put in force, nor one on its way.
            OSError: an address cannot be listened on.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._close)
            await self._watch.start()
            data, admin_address = await self._listen(stack)
            async with asyncio.TaskGroup() as tasks:
                works = [
                    self._journal.run(), self._watch.run(), self._sweep(), self._watch_engine(),
                ]  # fmt: skip
                if self._tls is not None:
                    works.append(self._tls.run())
                background = [tasks.create_task(work) for work in works]
                announce(_address(data.sockets[0].getsockname()), admin_address)
                await self._stop.wait()
                data.close()
                await self._disconnect()
                for task in background:
                    task.cancel()

    async def _listen(self, stack: contextlib.AsyncExitStack) -> tuple[asyncio.Server, str]:
        """Open both ports; the data port's server and the admin port's address."""
        config = self._config
        runner = web.AppRunner(admin.application(self), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, config.admin_host, config.admin_port).start()
        data = await self._loop.create_server(
            lambda: cast("asyncio.Protocol", ClientConnection(self._data, self._loop)),
            config.host,
            config.port,
            backlog=_BACKLOG,
            ssl=self._tls.context if self._tls is not None else None,
        )
        stack.callback(data.close)
        return data, _address(runner.addresses[0])

    async def _close(self) -> None:
        if self._gate is not None:
            self._gate.close()
        self._pool.close()
        await self.engine.close()
        try:
            async with asyncio.timeout(_LAST_LINES_SECONDS):
                await self._journal.flush()
        except TimeoutError:
            log.warning("Nobody reads the access log; its last lines are lost.")

    # Draining

    def shut_down(self, accept_seconds: float) -> None:
        """Drain, then stop; asked again, stop at once.

        Args:
            accept_seconds: for which new requests are still accepted.
        """
        if self._draining is None:
            log.info("Draining; ask once more to stop at once.")
            self._draining = asyncio.create_task(self._drain_and_stop(accept_seconds))
        else:
            self._hurry = True
            self._stop.set()

    async def _drain_and_stop(self, accept: float) -> None:
        if not await self._drain(accept):
            log.warning("Stopping with %d requests unfinished.", self._data.in_flight)
        self._stop.set()

    async def _drain(self, accept: float) -> bool:
        lifecycle = self._data.lifecycle
        if lifecycle.serving:
            log.info(
                "Draining: no new requests, at most %g s for those that are here.",
                self._config.drain_timeout,
            )
        lifecycle.drain(
            time.monotonic(), accept_seconds=accept, timeout_seconds=self._config.drain_timeout
        )
        await _until(lambda: lifecycle.over(time.monotonic(), self._data.in_flight))
        return self._data.in_flight == 0

    async def _disconnect(self) -> None:
        """Let go of the clients: give each what is buffered for it, and end what still runs.

        They get as long for it as always; the sweep goes on meanwhile.
        """
        for connection in list(self._data.connections):
            connection.stop()
        patience = self._data.patience
        start = self._loop.time()

        def over() -> bool:
            allowed = patience.linger + (0 if self._hurry else patience.write)
            return not self._data.connections or self._loop.time() >= start + allowed

        await _until(over)
        for connection in list(self._data.connections):
            connection.cut()

    # In the background

    async def _sweep(self) -> None:
        """Give up on peers whose time is over. One timer for all: most never expire."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = self._loop.time()
            leaving = self._data.lifecycle.state(time.monotonic()) is State.REFUSING
            for connection in list(self._data.connections):
                if connection.deadline <= now:
                    connection.expire()
                elif leaving:
                    connection.close_if_idle()
            self._pool.sweep()

    async def _watch_engine(self) -> None:
        """Give the core the engine's own view while there is work."""
        while True:
            await asyncio.sleep(_ENGINE_SECONDS)
            gate = self._gate
            if gate is None or not gate.in_flight:
                continue
            try:
                _inform(gate, self.engine.adapter, await self.engine.metrics())
            except EngineUnavailableError:
                continue
            except Exception:
                # The core can do without; all streams would end with this task.
                log.exception("The engine's metrics cannot be used; going by our own count")

    # The plan

    def _adopt(self, plan: Plan) -> None:
        missing = unsupported(plan)
        if missing:
            raise PlanError(f"it asks for what cannot be done: {'; '.join(missing)}.")
        name = self._config.group
        seats = plan.group(name).max_sequences
        rules = Rules(plan, int(time.time()))
        if self._gate is None:
            self._gate = Gate(self._make_core, plan, EngineLimits(name, seats))
            self._data.shared = Shared(
                self._gate, self._pool, self._metrics.tallies, Retries(), self._data.remember
            )
            self._metrics.load = self._gate.load
            self._metrics.served = self._gate.served
            self._metrics.served_requests = self._gate.served_requests
            self._metrics.saturated = self._gate.saturated
        else:
            self._gate.replan(plan, replace(self._gate.limits, seats=seats))
        self._data.rules = rules
        self.engine.adapter = ADAPTERS[plan.engine_type]
        self._metrics.plan_info = {
            "version": plan.version,
            "policy": plan.policy,
            "pool": plan.pool.name,
            "group": name,
        }
        log.info("Plan %s is in force.", plan.version)
        for warning in warnings(plan):
            log.warning("%s", warning)

    # For the admin port

    @property
    def registry(self) -> CollectorRegistry:
        """See `Overview`."""
        return self._metrics.registry

    @property
    def plan(self) -> Plan | None:
        """See `Overview`."""
        return self._gate.plan if self._gate is not None else None

    def not_ready(self) -> str:
        """See `Overview`."""
        if self._gate is None:
            return f"There is no plan at {self._config.plan} yet."
        return "" if self._data.lifecycle.serving else "Draining."

    def describe_plan(self) -> dict[str, object]:
        """See `Overview`."""
        if self._gate is None:
            return {}
        return overview.describe_plan(
            self._gate.plan, self._config.group, self._watch.since, self._watch.last_error
        )

    def describe_queue(self) -> dict[str, object]:
        """See `Overview`."""
        if self._gate is None:
            return {}
        return overview.describe_queue(self._gate, time.monotonic_ns())

    async def drain(self) -> bool:
        """See `Overview`."""
        return await self._drain(self._config.drain_accept)


def _inform(gate: Gate, adapter: Adapter, metrics: bytes) -> None:
    reading = adapter.reading(metrics)
    if reading is not None:
        gate.engine(reading)
    tokens = adapter.kv_tokens(metrics)
    if tokens is not None and tokens != gate.limits.kv_tokens:
        gate.replan(gate.plan, replace(gate.limits, kv_tokens=tokens))


def _write_log(lines: bytes) -> None:
    # Past Python's buffer: a write that is stuck would hold its lock, which the end waits for.
    written = 0
    while written < len(lines):
        written += os.write(sys.stdout.fileno(), lines[written:])


async def _until(condition: Callable[[], bool]) -> None:
    # Drains are rare: better to look now and then than to tell somebody of each request's end.
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(_DRAIN_POLL_SECONDS)


def _address(name: tuple[str, int]) -> str:
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
