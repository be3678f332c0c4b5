"""`tierfleet plan`: look at plan documents before a sidecar runs from them."""

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml

from tierfleet.admission.supported import unsupported
from tierfleet.cli import sentences
from tierfleet.plan import PlanError, json_schema, render
from tierfleet.sidecar.plansource import PlanSource

plan = typer.Typer(name="plan", help="Look at plan documents.", no_args_is_help=True)


@plan.command()
def check(
    path: Annotated[
        Path, typer.Argument(help="A plan in YAML or JSON, or a directory of its parts.")
    ],
) -> None:
    """Say whether a sidecar would run from this plan; print it in full if so."""
    try:
        checked = PlanSource(path).read()
    except PlanError as error:
        raise sentences.mistake(f"{path} is not a plan: {error} See docs/plan-v1.md.") from None
    missing = unsupported(checked)
    if missing:
        raise sentences.mistake(f"{path} asks for what cannot be done: {'; '.join(missing)}.")
    typer.echo(yaml.safe_dump(render(checked), sort_keys=False).rstrip())


@plan.command()
def schema() -> None:
    """Print the JSON Schema of a plan, for editors and for CI."""
    typer.echo(json.dumps(json_schema(), indent=1))
