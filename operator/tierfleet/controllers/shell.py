"""The process around the operator: kopf for login, watches of our kinds, start, end and probes.

kopf is given handlers for events only, so it writes nothing to any object: no annotation, no
finalizer, no Event. Timers and daemons would.
"""

import asyncio
import gc
import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import kopf
from prometheus_client import start_http_server

from tierfleet.api import GROUP
from tierfleet.controllers import metrics, preflight
from tierfleet.controllers.devices import MOVE_AFTER
from tierfleet.controllers.kinds import Kinds
from tierfleet.controllers.operator import Operator
from tierfleet.controllers.prometheus import Settings
from tierfleet.controllers.replicas import Asks, Replicas
from tierfleet.kube.client import (
    CONNECT_SECONDS,
    REQUEST_SECONDS,
    SILENCE_SECONDS,
    USER_AGENT,
    WATCH_SECONDS,
    Client,
)
from tierfleet.kube.connect import Connection, connect
from tierfleet.kube.lease import Leadership

LEASE = "tierfleet-operator"
END_SECONDS = 15.0
"""Within Kubernetes' default grace period; an end takes two."""

GC_THRESHOLD = 50_000
"""Containers, more made than freed, after which the youngest are looked through (Python: 700).

Lists of objects are decoded into as many dictionaries, and caches only grow meanwhile, so with
Python's own number much of a start went into looking (`make bench-operator` without this line)."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How to run.

    Attributes:
        namespaces: to serve; None serves all, empty that of the connection.
        metrics_port, health_port: 0 is off.
        move_after: how long there must be room where replicas are preferred before they move.
        prometheus: where capacity is measured; None is off.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    namespaces: Collection[str] | None = ()
    leader_elect: bool = True
    metrics_port: int = 0
    health_port: int = 0
    move_after: timedelta = MOVE_AFTER
    prometheus: Settings | None = None


class LeadershipLostError(Exception):
    """Another one may lead by now, so this process must end."""


async def serve(
    options: Options, announce: Callable[[str], None], asks: Asks | None = None
) -> None:
    """Run the operator until SIGTERM or Ctrl-C; `announce` is told once, when it works.

    `asks` is who asks the replicas; without one they are asked in their pods' network.

    Raises:
        ConnectError: there are no usable credentials.
        PreflightError: the operator cannot work in that cluster, a port is taken, or Prometheus
            cannot be asked so.
        LeadershipLostError: the Lease could not be renewed.
    """
    gc.set_threshold(GC_THRESHOLD)
    preflight.check_ports(
        {"--metrics-port": options.metrics_port, "--health-port": options.health_port}
    )
    preflight.check_prometheus(options.prometheus)
    connection = await connect(options.kubeconfig, options.context)
    client, asks = Client(connection.configuration), asks or Replicas()
    try:
        process = _Process(options, connection, client, asks, announce)
        await preflight.check(client, process.server, process.namespaces, process.lease)
        if options.metrics_port:
            start_http_server(options.metrics_port, registry=metrics.REGISTRY)
        await process.run()
    finally:
        await asks.close()
        await client.close()


class _Process:
    """One run: what kopf starts, and what it stops."""

    def __init__(
        self,
        options: Options,
        connection: Connection,
        client: Client,
        asks: Asks,
        announce: Callable[[str], None],
    ) -> None:
        self._options = options
        self._connection = connection
        self._announce = announce
        self.server: str = connection.configuration.host
        self.namespaces = options.namespaces
        if self.namespaces is not None and not self.namespaces:
            self.namespaces = (connection.namespace,)
        self._identity = f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
        self.lease = self._lease_key() if options.leader_elect else None
        self._leadership = Leadership(client, self.lease, self._identity) if self.lease else None
        self._operator = Operator(
            client,
            self.namespaces,
            self._identity,
            asks,
            move_after=options.move_after,
            prometheus=options.prometheus,
        )
        self._kinds = Kinds(client, self._operator.store, self.namespaces)
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None
        self._leading = False

    async def run(self) -> None:
        """Run until told to stop."""
        _quieten_kopf()
        port = self._options.health_port
        await kopf.operator(
            registry=self._registry(),
            settings=_settings(),
            standalone=True,
            clusterwide=self.namespaces is None,
            namespaces=self.namespaces or (),
            # kopf would look for the user's name, and a container's number has none.
            identity=self._identity,  # type: ignore[arg-type]  # a str by another name
            stop_flag=self._stop,
            liveness_endpoint=f"http://0.0.0.0:{port}/healthz" if port else None,
        )
        if self._failure is not None:
            raise self._failure

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        self._kinds.register(registry)
        kopf.on.login(registry=registry)(self._login)
        kopf.on.startup(registry=registry)(self._start)
        kopf.on.cleanup(registry=registry)(self._end)
        kopf.on.probe(id="leads", registry=registry)(self._leads)
        return registry

    async def _login(self, **_: object) -> kopf.AiohttpSession:
        session = await self._connection.session(USER_AGENT, self._kinds.trace())
        return kopf.AiohttpSession(server=self.server, aiohttp_session=session)

    async def _start(self, **_: object) -> None:
        """Start all that runs beside kopf; whichever of it fails ends the process."""
        for work in (
            self._operator.follow(),
            self._kinds.run(),
            self._connection.keep_fresh(),
            metrics.watch_loop_lag(),
            self._lead(),
        ):
            task = asyncio.create_task(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def _end(self, **_: object) -> None:
        """Stop all of it, then let the next one lead."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._leadership is not None:
            await self._leadership.release()
        # kopf waits for the flag to the end, and five seconds longer if nobody raises it.
        self._stop.set()
        _give_up_later()

    async def _leads(self, **_: object) -> bool:
        return self._leading

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failure = self._failure or failure
            self._stop.set()

    async def _lead(self) -> None:
        """Lead as soon as we know everything and may."""
        await self._operator.store.synced()
        await self._kinds.complete()
        if self._leadership is not None:
            await self._leadership.acquire()
        self._leading = True
        metrics.leads(LEASE, True)
        self._announce(f"tierfleet operator: ready, serves {self._scope()} of {self.server}")
        if self._leadership is None:
            await self._operator.lead()
            return
        leading = asyncio.create_task(self._operator.lead())
        holding = asyncio.create_task(self._leadership.hold())
        try:
            await asyncio.wait({leading, holding}, return_when=asyncio.FIRST_COMPLETED)
            if holding.done():
                raise LeadershipLostError(
                    "The Lease could not be renewed in time, so another operator may lead by now. "
                    "Start it again; it waits for its turn."
                )
            await leading
        finally:
            for task in (leading, holding):
                task.cancel()
            await asyncio.gather(leading, holding, return_exceptions=True)

    def _scope(self) -> str:
        if self.namespaces is None:
            return "all namespaces"
        names = ", ".join(sorted(self.namespaces))
        return f"namespace {names}" if len(self.namespaces) == 1 else f"namespaces {names}"

    def _lease_key(self) -> tuple[str, str]:
        """Where the Lease is: beside the operator's pod, else where it serves."""
        if self._connection.in_cluster or self.namespaces is None:
            return (self._connection.namespace, LEASE)
        return (min(self.namespaces), LEASE)


def _give_up_later() -> None:
    """End the process for certain: kopf may hang when one of its own watches has failed."""

    def give_up() -> None:
        logger.error("It did not come to its end within %g s.", END_SECONDS)
        os._exit(1)

    last = threading.Timer(END_SECONDS, give_up)
    last.daemon = True
    last.start()


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.networking.request_timeout = REQUEST_SECONDS
    settings.networking.connect_timeout = CONNECT_SECONDS
    # About an hour of a server that does not answer, before the process gives up.
    settings.networking.error_backoffs = (1, 1, 2, 3, *[5] * 720)
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.inactivity_timeout = SILENCE_SECONDS
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.finalizer = f"{GROUP}/operator"
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    return settings


class _KopfLogs(logging.Filter):
    """Leaves out a line for every event that kopf hands over, and takes retries for what they are.

    On handlers, because a logger's filters do not see what its children log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the record."""
        if not record.name.startswith("kopf"):
            return True
        if record.levelno == logging.ERROR and "will retry" in record.getMessage():
            record.levelno, record.levelname = (
                logging.WARNING,
                logging.getLevelName(logging.WARNING),
            )
        return record.levelno >= logging.WARNING


def _quieten_kopf() -> None:
    for handler in logging.getLogger().handlers:
        handler.addFilter(_KopfLogs())
