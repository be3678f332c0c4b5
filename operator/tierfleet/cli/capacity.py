"""`kubectl tierfleet capacity`: what can still be sold. Options in, tables out."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tierfleet.cli import asking, given, outputs, sentences

if TYPE_CHECKING:
    from tierfleet.kube.client import Client
    from tierfleet.planning.preview import Preview


def capacity(
    pool: Annotated[
        str | None, typer.Argument(help="Name of one InferencePool (tierfleet.dev). Default: all.")
    ] = None,
    namespace: given.Namespace = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Pools of every namespace.")
    ] = False,
    kubeconfig: given.Kubeconfig = None,
    context: given.Context = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
) -> None:
    """Show what can still be sold in each pool, and what would make more. Changes nothing.

    Rates are service tokens per second. LEFT THROUGHOUT is what no term, running or to come, has
    been promised; a contract without an end must fit into it.
    """
    given.one_of(output, "table", "json")
    if all_namespaces and (namespace or pool):
        raise typer.BadParameter("Give either --all-namespaces, or --namespace and a pool.")

    async def look(client: "Client", default: str) -> "tuple[str, Preview, list[str]]":
        where = namespace or default
        return (where, *await _seen(client, where))

    where, found, notes = asking.ask(kubeconfig, context, look)
    # Not at the top: --help must work where the extra is not installed.
    from tierfleet.cli import offered  # noqa: PLC0415
    from tierfleet.cli.unseen import unseen  # noqa: PLC0415
    from tierfleet.planning.offers import offer  # noqa: PLC0415

    keys = [
        key for key in found.plans if (all_namespaces or key[0] == where) and pool in {None, key[1]}
    ]
    if not keys:
        what = f"InferencePool {pool}" if pool else "InferencePool of tierfleet.dev"
        place = "" if all_namespaces else f" in namespace {where}"
        raise sentences.failure(
            f"There is no {what}{place}. `kubectl get tpool -A` lists the pools."
        )
    notes += unseen(found.snapshot, keys)
    offers = {key: offer(found, key) for key in keys}
    if output == "json":
        typer.echo(json.dumps(offered.document(found, offers), indent=1))
        for note in notes:
            typer.echo(f"Note: {note}", err=True)
    else:
        outputs.show(offered.table(found, offers, notes))


async def _seen(client: "Client", namespace: str) -> "tuple[Preview, list[str]]":
    """The plans of the cluster as it is, and what is not known of it."""
    from tierfleet.controllers import facts, live  # noqa: PLC0415
    from tierfleet.planning import imagined  # noqa: PLC0415
    from tierfleet.planning.preview import preview  # noqa: PLC0415

    try:
        now = await live.look(client, {namespace})
    except live.RefusedError as error:
        raise sentences.mistake(str(error)) from None
    snapshot = facts.snapshot(
        now.objects.values(), datetime.now(UTC), leader_worker_sets=now.leader_worker_sets
    )
    return preview(imagined.with_tenants(snapshot, now.secretless)), now.notes
