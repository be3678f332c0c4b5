"""A question to a cluster from the command line: connect as kubectl does, ask, tell mistakes."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tierfleet.cli import sentences

if TYPE_CHECKING:
    from tierfleet.kube.client import Client

USER_AGENT = f"kubectl-tierfleet/{version('tierfleet')}"

T = TypeVar("T")

Question = Callable[["Client", str], Awaitable[T]]
"""Called with a client and the namespace of the kubeconfig's context."""


def ask(
    kubeconfig: Path | None,
    context: str | None,
    question: Question[T],
    *,
    failed: int = sentences.FAILURE,
) -> T:
    """The answer to the question; `failed` is the exit status if the client is not installed.

    Raises:
        typer.Exit: there is none; why has been told.
    """
    try:
        # Not at the top: --help must work where the extra is not installed.
        from tierfleet.kube.client import Client  # noqa: PLC0415
        from tierfleet.kube.cluster import ClusterError  # noqa: PLC0415
        from tierfleet.kube.connect import ConnectError, connect, explain  # noqa: PLC0415
    except ImportError as error:
        raise sentences.not_installed(error, "operator", failed) from None

    async def run() -> T:
        connection = await connect(kubeconfig, context)
        client = Client(connection.configuration, USER_AGENT)
        try:
            return await question(client, connection.namespace)
        except ClusterError as error:
            raise sentences.mistake(explain(error, connection.configuration.host)) from None
        finally:
            await client.close()

    try:
        return asyncio.run(run())
    except ConnectError as error:
        raise sentences.mistake(str(error)) from None
