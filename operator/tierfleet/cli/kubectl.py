"""`kubectl tierfleet`: what `kubectl get` cannot show. Installed as `kubectl-tierfleet`."""

import asyncio
import json
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
import yaml

from tierfleet.cli import sentences
from tierfleet.plan import PlanError, join, render

USER_AGENT = f"kubectl-tierfleet/{version('tierfleet')}"

app = typer.Typer(
    help="Look into a tiered fleet.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables cut the names of options
)


@app.callback()
def main() -> None:
    """Look into a tiered fleet."""


@app.command()
def plan(
    pool: Annotated[str, typer.Argument(help="Name of the InferencePool (tierfleet.dev).")],
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Default: the context's.")
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Default: KUBECONFIG, ~/.kube/config.")
    ] = None,
    context: Annotated[str | None, typer.Option(help="Default: the current one.")] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="yaml or json.")] = "yaml",
) -> None:
    """Print the plan in force for a pool: what its sidecars really enforce.

    Keys are shown as SHA-256 only; the plan holds nothing else.
    """
    if output not in {"yaml", "json"}:
        raise typer.BadParameter(f"{output} is not a format. Give yaml or json.")
    parts = _parts(pool, namespace, kubeconfig, context)
    try:
        document = render(join(parts))
    except PlanError as error:
        raise sentences.failure(f"The plan of {pool} cannot be read: {error}") from None
    if output == "json":
        typer.echo(json.dumps(document, indent=1))
    else:
        typer.echo(yaml.safe_dump(document, sort_keys=False).rstrip())


def _parts(
    pool: str, namespace: str | None, kubeconfig: Path | None, context: str | None
) -> dict[str, bytes]:
    """The parts of the pool's plan, from its Secrets."""
    try:
        # Not at the top: --help must work where the extra is not installed.
        from tierfleet.kube import plan_parts  # noqa: PLC0415
        from tierfleet.kube.client import Client  # noqa: PLC0415
        from tierfleet.kube.cluster import ClusterError, ForbiddenError  # noqa: PLC0415
        from tierfleet.kube.connect import ConnectError, connect, explain  # noqa: PLC0415
    except ImportError as error:
        raise sentences.not_installed(error, "operator") from None

    async def read() -> dict[str, bytes]:
        connection = await connect(kubeconfig, context)
        client = Client(connection.configuration, USER_AGENT)
        where = namespace or connection.namespace
        try:
            parts = await plan_parts.read(client, where, pool)
        except ForbiddenError as error:
            raise sentences.mistake(
                f"The plan of a pool is in its Secrets, which you may not list: {error}. Ask for"
                f" the right to list Secrets in namespace {where}, or choose another --context."
            ) from None
        except ClusterError as error:
            raise sentences.mistake(explain(error, connection.configuration.host)) from None
        finally:
            await client.close()
        if not parts:
            raise sentences.failure(
                f"There is no plan for a pool {pool} in namespace {where}."
                " `kubectl get tpool -A` lists the pools; the condition Accepted says why one has"
                " none."
            )
        return parts

    try:
        return asyncio.run(read())
    except ConnectError as error:
        raise sentences.mistake(str(error)) from None
