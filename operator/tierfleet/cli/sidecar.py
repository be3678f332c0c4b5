"""`tierfleet sidecar`: the data plane as a process. Options in, sentences out."""

import logging
import sys
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from tierfleet.cli import sentences
from tierfleet.cli.listening import Listener, ListenError, address, check, reason
from tierfleet.plan import PlanError


class LogLevel(StrEnum):
    """How much is said on standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _upstream(url: str, *, remote: bool) -> tuple[str, int, str]:
    """Host, port and path of a Unix socket."""
    scheme, _, path = url.partition(":")
    if scheme == "unix":
        if not path.startswith("/"):
            raise _not_upstream(
                f"{url!r} must name a socket by its whole path, as unix:/run/engine"
            )
        return "localhost", 80, path
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _not_upstream(f"{url!r} is not a URL: {error}") from None
    if parts.scheme != "http" or not parts.hostname or port == 0:
        raise _not_upstream(f"{url!r} must be a plain HTTP URL with host and port")
    try:
        parts.hostname.encode("idna")
    except UnicodeError as error:
        raise _not_upstream(f"{parts.hostname!r} is not a host name: {error}") from None
    if parts.path not in {"", "/"} or parts.query or parts.username:
        raise _not_upstream(f"{url!r} must have nothing after the port")
    if not remote and not _on_loopback(parts.hostname):
        raise _not_upstream(
            f"{parts.hostname} is not this machine: whoever reaches the engine without the sidecar"
            " is not counted and waits for nobody; if that is meant, --allow-remote-upstream"
        )
    return parts.hostname, port or 80, ""


def _on_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _not_upstream(why: str) -> typer.BadParameter:
    return typer.BadParameter(
        f"{why}. Give something like http://127.0.0.1:8000 or unix:/run/engine.sock.",
        param_hint="'--upstream'",
    )


def sidecar(
    plan: Annotated[
        Path,
        typer.Option(
            envvar="TIERFLEET_PLAN", help="Plan file (YAML or JSON), or a directory of its parts."
        ),
    ],
    group: Annotated[
        str,
        typer.Option(envvar="TIERFLEET_GROUP", help="The plan's group that this replica is of."),
    ],
    upstream: Annotated[
        str,
        typer.Option(
            envvar="TIERFLEET_UPSTREAM",
            help="The engine, such as http://127.0.0.1:8000 or unix:/run/engine.sock.",
        ),
    ],
    allow_remote_upstream: Annotated[
        bool,
        typer.Option(
            "--allow-remote-upstream",
            envvar="TIERFLEET_ALLOW_REMOTE_UPSTREAM",
            help="The engine may be on another machine, where callers could go around the sidecar.",
        ),
    ] = False,
    host: Annotated[
        str,
        typer.Option(envvar="TIERFLEET_HOST", callback=address, help="Address of the data port."),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            envvar="TIERFLEET_PORT", min=0, max=65535, help="Data port; 0 takes a free one."
        ),
    ] = 8080,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(
            envvar="TIERFLEET_TLS_CERTIFICATE",
            help="Certificate of the data port with its chain, in PEM; read again when it changes.",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(envvar="TIERFLEET_TLS_KEY", help="Its key, in PEM.")
    ] = None,
    admin_host: Annotated[
        str,
        typer.Option(
            envvar="TIERFLEET_ADMIN_HOST", callback=address, help="Address of the admin port."
        ),
    ] = "127.0.0.1",
    admin_port: Annotated[
        int,
        typer.Option(
            envvar="TIERFLEET_ADMIN_PORT", min=0, max=65535, help="Admin port; 0 takes a free one."
        ),
    ] = 9090,
    drain_timeout_seconds: Annotated[
        float,
        typer.Option(
            envvar="TIERFLEET_DRAIN_TIMEOUT_SECONDS",
            min=0,
            max=86_400,
            help="A drain cuts what is unfinished after this time.",
        ),
    ] = 300.0,
    drain_accept_seconds: Annotated[
        float,
        typer.Option(
            envvar="TIERFLEET_DRAIN_ACCEPT_SECONDS",
            min=0,
            help="A draining sidecar goes on accepting for this time.",
        ),
    ] = 10.0,
    engine_silence_seconds: Annotated[
        float,
        typer.Option(
            envvar="TIERFLEET_ENGINE_SILENCE_SECONDS",
            min=1,
            max=86_400,
            help="A request is given up when the engine sends nothing for this time.",
        ),
    ] = 600.0,
    tracing: Annotated[
        bool,
        typer.Option(
            "--tracing",
            envvar="TIERFLEET_TRACING",
            help="Make OpenTelemetry spans of requests; the OTEL_* variables say where they go.",
        ),
    ] = False,
    log_level: Annotated[
        LogLevel,
        typer.Option(envvar="TIERFLEET_LOG_LEVEL", help="How much is said on standard error."),
    ] = LogLevel.INFO,
) -> None:
    """Admit and proxy requests to one engine, by the plan. Needs nothing else.

    The access log goes to standard output, one line of JSON per request; everything else to
    standard error. SIGTERM drains and ends it, a second one ends it at once.
    """
    where = _upstream(upstream, remote=allow_remote_upstream)
    if (tls_certificate is None) is not (tls_key is None):
        raise typer.BadParameter(
            "A certificate and its key go together: give both options, or neither.",
            param_hint="'--tls-certificate' and '--tls-key'",
        )
    logging.basicConfig(
        level=log_level.name, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        # Not at the top: `tierfleet --help` must work where the extra is not installed.
        import uvloop  # noqa: PLC0415

        from tierfleet.sidecar.config import Config, Upstream  # noqa: PLC0415
        from tierfleet.sidecar.server import serve  # noqa: PLC0415
        from tierfleet.sidecar.spans import TracingError  # noqa: PLC0415
        from tierfleet.sidecar.tls import TlsError  # noqa: PLC0415
    except ImportError as error:
        raise sentences.not_installed(error, "sidecar") from None
    if tracing:
        try:
            # As a whole: parts of it come with other packages.
            import tierfleet.sidecar.tracing  # noqa: F401, PLC0415
        except ImportError as error:
            raise sentences.not_installed(error, "tracing") from None
    config = Config(
        plan=plan,
        group=group,
        upstream=Upstream(*where),
        host=host,
        port=port,
        admin_host=admin_host,
        admin_port=admin_port,
        drain_timeout=drain_timeout_seconds,
        drain_accept=drain_accept_seconds,
        engine_silence=engine_silence_seconds,
        tracing=tracing,
        certificate=tls_certificate,
        key=tls_key,
    )
    scheme = "http" if tls_certificate is None else "https"

    def announce(data: str, admin: str) -> None:
        print(
            f"tierfleet sidecar: serves on {scheme}://{data}, admin on http://{admin},"
            f" engine at {config.upstream.name}",
            file=sys.stderr,
            flush=True,
        )

    try:
        check(
            Listener(host, port),
            Listener(admin_host, admin_port, "--admin-host", "--admin-port"),
        )
        uvloop.run(serve(config, announce))
    except PlanError as error:
        raise sentences.mistake(
            f"The plan at {plan} cannot be used: {error} See docs/plan-v1.md."
        ) from None
    except (TlsError, TracingError) as error:
        raise sentences.mistake(str(error)) from None
    except ListenError as error:
        raise sentences.mistake(str(error)) from None
    except OSError as error:  # somebody was faster
        raise sentences.failure(f"Cannot listen: {reason(error)}.") from None
