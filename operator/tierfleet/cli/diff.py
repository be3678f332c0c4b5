"""`kubectl tierfleet plan diff`: what a change would do before it is applied."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tierfleet.cli import asking, given, outputs, sentences

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tierfleet.cli.documents import Document
    from tierfleet.kube.client import Client

DIFFERENT = 1
"""Exit status, as `kubectl diff` has it: 0 no difference, 1 a difference, more than 1 an error."""


def diff(
    filename: given.Files,
    namespace: given.Namespace = None,
    kubeconfig: given.Kubeconfig = None,
    context: given.Context = None,
    field_manager: Annotated[
        str | None,
        typer.Option(help="Who would apply it, server-side. Default: who has, else kubectl."),
    ] = None,
) -> None:
    """Show what applying manifests would do: placement, grants, refusals, pods. Changes nothing.

    The API server is asked first (a dry run), so defaults and its rules count. Exit status: 0 no
    difference, 1 a difference, more than 1 an error.
    """

    async def answer(client: "Client", default: str) -> "tuple[bool, RenderableType]":
        # Not at the top: --help must work where the extra is not installed.
        from tierfleet.cli import documents  # noqa: PLC0415

        found = documents.read(filename, namespace or default, served=True)
        return await _compared(client, found, field_manager)

    different, told = asking.ask(kubeconfig, context, answer, failed=sentences.MISTAKE)
    outputs.show(told)
    if different:
        raise typer.Exit(DIFFERENT)


async def _compared(
    client: "Client", documents: "tuple[Document, ...]", manager: str | None
) -> "tuple[bool, RenderableType]":
    """Whether anything becomes different, and what to show."""
    from tierfleet.api.common import POLICY_LABEL  # noqa: PLC0415
    from tierfleet.cli.differences import shown  # noqa: PLC0415
    from tierfleet.cli.unseen import unseen  # noqa: PLC0415
    from tierfleet.controllers import facts, live  # noqa: PLC0415
    from tierfleet.kube.resources import OURS, POOLS, SECRETS, key_of  # noqa: PLC0415
    from tierfleet.planning import imagined  # noqa: PLC0415
    from tierfleet.planning.difference import difference  # noqa: PLC0415
    from tierfleet.planning.preview import preview  # noqa: PLC0415

    changed = [
        document.bare
        for document in documents
        if (type_ := facts.type_of(document.raw)) in OURS
        or (type_ == SECRETS and POLICY_LABEL in (document.raw["metadata"].get("labels") or {}))
    ]
    if not changed:
        raise sentences.mistake(
            "There is nothing in the input that plans are made from: no InferencePool, TierPolicy "
            "or CapacityReservation of tierfleet.dev, and no tenant's Secret. Name files with -f."
        )
    try:
        now = await live.look(client, {key_of(raw)[0] for raw in changed})
        then = await live.tried(client, now, changed, manager)
    except live.RefusedError as error:
        raise sentences.mistake(str(error)) from None
    objects = dict(now.objects)
    for raw in then:
        type_ = facts.type_of(raw)
        if type_ is not None:
            objects[(type_, key_of(raw))] = raw
    instant = datetime.now(UTC)
    before, after = (
        preview(imagined.with_tenants(snapshot, now.secretless))
        for raws in (now.objects, objects)
        for snapshot in [
            facts.snapshot(raws.values(), instant, leader_worker_sets=now.leader_worker_sets)
        ]
    )
    found = difference(before, after)
    pools = {key_of(raw) for raw in changed if facts.type_of(raw) == POOLS}
    touched = {key_of(raw)[0] for raw in changed}
    there = [key for key in before.snapshot.pools if key[0] in touched]
    notes = [*now.notes, *unseen(before.snapshot, there)]
    return bool(found), shown(found, before, after, pools, notes)
