"""`kubectl tierfleet plan POOL`: the plan that the sidecars of a pool really enforce."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from tierfleet.cli import asking, given, sentences
from tierfleet.plan import PlanError, join, render

if TYPE_CHECKING:
    from tierfleet.kube.client import Client


def show(
    pool: Annotated[str, typer.Argument(help="Name of the InferencePool (tierfleet.dev).")],
    namespace: given.Namespace = None,
    kubeconfig: given.Kubeconfig = None,
    context: given.Context = None,
    output: Annotated[str, typer.Option("--output", "-o", help="yaml or json.")] = "yaml",
) -> None:
    """Print the plan in force for a pool: what its sidecars really enforce.

    Keys are shown as SHA-256 only; the plan holds nothing else.
    """
    given.one_of(output, "yaml", "json")

    async def read(client: "Client", default: str) -> dict[str, bytes]:
        return await _parts(client, namespace or default, pool)

    parts = asking.ask(kubeconfig, context, read)
    try:
        document = render(join(parts))
    except PlanError as error:
        raise sentences.failure(f"The plan of {pool} cannot be read: {error}") from None
    if output == "json":
        typer.echo(json.dumps(document, indent=1))
    else:
        typer.echo(yaml.safe_dump(document, sort_keys=False).rstrip())


async def _parts(client: "Client", where: str, pool: str) -> dict[str, bytes]:
    """The parts of the pool's plan, from its Secrets."""
    from tierfleet.kube import plan_parts  # noqa: PLC0415
    from tierfleet.kube.cluster import ForbiddenError  # noqa: PLC0415

    try:
        parts = await plan_parts.read(client, where, pool)
    except ForbiddenError as error:
        raise sentences.mistake(
            f"The plan of a pool is in its Secrets, which you may not list: {error}. Ask for"
            f" the right to list Secrets in namespace {where}, or choose another --context."
        ) from None
    if not parts:
        raise sentences.failure(
            f"There is no plan for a pool {pool} in namespace {where}."
            " `kubectl get tpool -A` lists the pools; the condition Accepted says why one has"
            " none, and without any condition no operator watches its namespace."
        )
    return parts
