"""`tierfleet operator`: the control loop as a process. Options in, sentences out."""

import asyncio
import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from tierfleet.cli import sentences

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""What a namespace is called (RFC 1123)."""


def _namespaces(names: list[str] | None) -> list[str] | None:
    for name in names or ():
        if not _DNS_LABEL.fullmatch(name):
            raise typer.BadParameter(
                f"{name!r} cannot be a namespace. Give 1 to 63 lower-case letters, digits and"
                " hyphens, with a letter or digit at both ends; leave the option out for the"
                " context's, or give --all-namespaces."
            )
    return names


def operator(
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            help="Kubeconfig to use. Default: KUBECONFIG, ~/.kube/config, or the pod's own account."
        ),
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="Context in the kubeconfig. Default: the current one.")
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            "-n",
            callback=_namespaces,
            help="Namespace to serve, repeatable. Default: the context's, or the pod's.",
        ),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Serve every namespace.")
    ] = False,
    leader_elect: Annotated[
        bool, typer.Option(help="Wait for a Lease, so that of several only one acts.")
    ] = True,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /metrics; 0 is off.")
    ] = 0,
    health_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /healthz; 0 is off.")
    ] = 0,
    move_after_seconds: Annotated[
        int,
        typer.Option(
            min=0,
            help="How long there must be room on a preferred accelerator before replicas move.",
        ),
    ] = 300,
    prometheus_url: Annotated[
        str,
        typer.Option(
            envvar="TIERFLEET_PROMETHEUS_URL",
            help="Prometheus that scrapes the sidecars: capacity is measured there. Empty is off.",
        ),
    ] = "",
    prometheus_token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="TIERFLEET_PROMETHEUS_TOKEN_FILE",
            help="File with a bearer token for it, read anew each time.",
        ),
    ] = None,
    prometheus_interval_seconds: Annotated[
        int,
        typer.Option(
            envvar="TIERFLEET_PROMETHEUS_INTERVAL_SECONDS",
            min=2,
            max=3600,
            help="How often it is asked; at least four times how often it scrapes.",
        ),
    ] = 60,
    verbose: Annotated[bool, typer.Option(help="Log every retry.")] = False,
) -> None:
    """Make the cluster be as InferencePools, TierPolicies and CapacityReservations say.

    Works from anywhere with a kubeconfig, and in a pod. One line tells when it is ready; SIGTERM or
    Ctrl-C ends it. What it has set up goes on serving without it.
    """
    if namespace and all_namespaces:
        raise typer.BadParameter("Give either --namespace or --all-namespaces.")
    try:
        # Not at the top: `tierfleet --help` must work where the extra is not installed.
        from tierfleet.controllers.preflight import PreflightError  # noqa: PLC0415
        from tierfleet.controllers.prometheus import Settings  # noqa: PLC0415
        from tierfleet.controllers.shell import (  # noqa: PLC0415
            LeadershipLostError,
            Options,
            serve,
        )
        from tierfleet.kube.connect import ConnectError  # noqa: PLC0415
    except ImportError as error:
        raise sentences.not_installed(error, "operator") from None
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # aiohttp's would be a line for every probe.
    for chatty in ("aiohttp.access", "asyncio", "kubernetes"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It takes waiting for an error; our lock says what is in the way, once.
    logging.getLogger("kubernetes.aio.leaderelection").setLevel(logging.CRITICAL)
    options = Options(
        kubeconfig=kubeconfig,
        context=context,
        namespaces=None if all_namespaces else tuple(namespace or ()),
        leader_elect=leader_elect,
        metrics_port=metrics_port,
        health_port=health_port,
        move_after=timedelta(seconds=move_after_seconds),
        prometheus=(
            Settings(prometheus_url, prometheus_token_file, prometheus_interval_seconds)
            if prometheus_url
            else None
        ),
    )
    try:
        asyncio.run(serve(options, lambda line: print(line, flush=True)))
    except (ConnectError, PreflightError) as error:
        raise sentences.mistake(str(error)) from None
    except LeadershipLostError as error:
        raise sentences.failure(str(error)) from None
