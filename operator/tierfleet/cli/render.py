"""`tierfleet plan render`: the plan of manifests, without a cluster. Options in, tables out."""

import json
from typing import Annotated

import typer
import yaml

from tierfleet.cli import given, outputs, sentences


def render(
    filename: given.Files,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Of manifests that name none.")
    ] = "default",
    at: given.At = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="table, yaml or json: the plan documents.")
    ] = "table",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Exit with 1 if anything is refused or cannot be as it is written."
        ),
    ] = False,
) -> None:
    """Show the plan of manifests, without a cluster: who is placed where and granted what.

    Pools, policies, reservations and tenants' Secrets; Nodes and Pods as `kubectl get -o yaml`
    prints them. Without Nodes every device that is wanted is taken to be there. What the API server
    checks by CEL is not checked: `kubectl tierfleet plan diff` asks it.
    """
    given.one_of(output, "table", "yaml", "json")
    now = given.instant(at)
    # Not at the top: a sidecar, which has no use for the kinds, starts through the same program.
    from tierfleet.cli import documents, unseen  # noqa: PLC0415
    from tierfleet.cli.overview import amiss, document, overview, refused  # noqa: PLC0415
    from tierfleet.controllers import facts  # noqa: PLC0415
    from tierfleet.planning import imagined  # noqa: PLC0415
    from tierfleet.planning.preview import preview  # noqa: PLC0415

    objects = [found.raw for found in documents.read(filename, namespace)]
    snapshot = facts.snapshot(objects, now)
    if not snapshot.pools:
        raise sentences.mistake(
            "There is no InferencePool of tierfleet.dev in the input, so there is nothing to plan."
            " Name its file with -f."
        )
    notes = []
    if snapshot.reservations and not snapshot.tenants:
        snapshot = imagined.with_tenants(snapshot, {key[0] for key in snapshot.pools})
        notes.append("The input has no tenant's Secret: planned as if all tenants were known.")
    notes += unseen.strangers(snapshot)
    granting = snapshot
    if not snapshot.nodes:
        granting = imagined.with_devices(snapshot)
        notes.append("The input has no Nodes: planned as if every device wanted were there.")
    found = preview(snapshot, granting)
    wrong = [*amiss(found), *refused(found)]
    if output == "table":
        outputs.show(overview(found, notes))
    else:
        plans = [document(own.plan) for own in found.plans.values() if own.plan is not None]
        as_yaml = yaml.safe_dump_all(plans, sort_keys=False).rstrip()
        typer.echo(json.dumps(plans, indent=1) if output == "json" else as_yaml)
        for line in (*notes, *wrong):
            typer.echo(f"Note: {line}", err=True)
    if strict and wrong:
        raise typer.Exit(sentences.FAILURE)
