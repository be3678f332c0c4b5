"""The options of one sidecar process. Pure data; where they come from is the command line's."""

from dataclasses import dataclass, field
from pathlib import Path

from tierfleet.sidecar.client import Patience
from tierfleet.sidecar.http1 import ReadLimits


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the engine answers: plain HTTP, on loopback or a Unix socket.

    Attributes:
        host: name or address.
        port: of it.
        socket: path of the Unix socket; empty for TCP.
    """

    host: str
    port: int
    socket: str = ""

    @property
    def name(self) -> str:
        """For people."""
        return f"unix:{self.socket}" if self.socket else self.url

    @property
    def url(self) -> str:
        """With scheme, without a path."""
        return f"http://{self.authority}"

    @property
    def authority(self) -> str:
        """For the Host field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Config:
    """One process.

    Attributes:
        plan: a file, or a directory of parts.
        group: the plan's group that this replica belongs to.
        upstream: the engine.
        host: address of the data port.
        port: 0 for any free one; so with the admin port.
        admin_host: address of the admin port.
        admin_port: see `port`.
        drain_timeout: seconds until a drain cuts what is still running.
        drain_accept: seconds for which a draining process goes on accepting.
        engine_silence: seconds without a byte after which an engine is given up on.
        tracing: whether spans are made; where they go, OpenTelemetry's variables say.
        certificate: of the data port, in PEM; None for plain HTTP.
        key: of it.
        read_limits: of requests.
        patience: with clients.
    """

    plan: Path
    group: str
    upstream: Upstream
    host: str = "127.0.0.1"
    port: int = 8080
    admin_host: str = "127.0.0.1"
    admin_port: int = 9090
    drain_timeout: float = 300.0
    drain_accept: float = 10.0
    engine_silence: float = 600.0
    tracing: bool = False
    certificate: Path | None = None
    key: Path | None = None
    read_limits: ReadLimits = field(default_factory=ReadLimits)
    patience: Patience = field(default_factory=Patience)
