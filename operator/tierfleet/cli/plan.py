"""`tierfleet plan`: begin a plan document, make one of manifests, and look at it beforehand."""

import json
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer
import yaml

from tierfleet.admission.supported import unsupported
from tierfleet.cli import sentences, starter
from tierfleet.cli.render import render as render_command
from tierfleet.plan import EngineType, PlanError, json_schema, parse, render, warnings
from tierfleet.sidecar.plansource import PlanSource

plan = typer.Typer(name="plan", help="Begin and look at plan documents.", no_args_is_help=True)
plan.command("render")(render_command)


@plan.command()
def init(
    path: Annotated[
        Path | None, typer.Argument(help="File to write. Left out: standard output.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="The model, as the engine names it.")
    ] = "llama-3.3-70b",
    engine_type: Annotated[
        EngineType,
        typer.Option(help="The engine; Custom is any with OpenAI's API."),
    ] = EngineType.CUSTOM,
    group: Annotated[
        str, typer.Option(help="Name of the group; --group of the sidecar.")
    ] = "local",
    max_sequences: Annotated[
        int, typer.Option(min=1, help="Sequences that the engine runs at once.")
    ] = 256,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that is there.")
    ] = False,
    demo_keys: Annotated[
        bool,
        typer.Option("--demo-keys", help="Take keys that everybody knows, for a try on loopback."),
    ] = False,
) -> None:
    """Write a plan with comments to start from: two tiers, two tenants, one reservation.

    Its keys are made now and told once, on standard error; the plan has only their SHA-256.
    """
    keys = starter.DEMO if demo_keys else starter.Keys(*(secrets.token_urlsafe(24) for _ in "123"))
    text = starter.plan(model, engine_type, group, max_sequences, keys)
    try:
        parse(yaml.safe_load(text))
    except PlanError as error:
        raise sentences.mistake(f"That makes no plan: {error}") from None
    if path is None:
        typer.echo(text, nl=False)
    else:
        _write(path, text, over=force)
    typer.echo(keys.told(), nl=False, err=True)


def _write(path: Path, text: str, *, over: bool) -> None:
    """Whole or not at all: a sidecar may be following the file."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        try:
            if over:
                fresh.replace(path)
            else:
                path.hardlink_to(fresh)
        finally:
            fresh.unlink(missing_ok=True)
    except FileExistsError:
        raise sentences.mistake(
            f"{path} is there already. Give --force to write over it; its keys are lost then."
        ) from None
    except OSError as error:
        raise sentences.mistake(
            f"{path} cannot be written: {error.strerror}. Choose another place."
        ) from None


@plan.command()
def check(
    path: Annotated[
        Path, typer.Argument(help="A plan in YAML or JSON, or a directory of its parts.")
    ],
) -> None:
    """Say whether a sidecar would run from this plan; print it without defaults if so.

    Warnings, of what can hardly be meant, go to standard error and change no exit status.
    """
    try:
        checked = PlanSource(path).read()
    except PlanError as error:
        raise sentences.mistake(f"{path} is not a plan: {error} See docs/plan-v1.md.") from None
    missing = unsupported(checked)
    if missing:
        raise sentences.mistake(f"{path} asks for what cannot be done: {'; '.join(missing)}.")
    for warning in warnings(checked):
        typer.echo(f"Warning: {warning}", err=True)
    typer.echo(yaml.safe_dump(render(checked), sort_keys=False).rstrip())


@plan.command()
def schema() -> None:
    """Print the JSON Schema of a plan, for editors and for CI."""
    typer.echo(json.dumps(json_schema(), indent=1))
