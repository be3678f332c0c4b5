"""`tierfleet`: the processes of a fleet, one subcommand each."""

from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from tierfleet.cli.engine import engine
from tierfleet.cli.operator import operator
from tierfleet.cli.plan import plan
from tierfleet.cli.sidecar import sidecar
from tierfleet.cli.simulate import simulate

app = typer.Typer(
    help="Tiered LLM inference capacity on Kubernetes: declared, enforced on every request.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables cut the names of options
)
app.command(short_help="Make the cluster be as its fleet objects say.")(operator)
app.command(short_help="Admit and proxy requests to one engine, by the plan.")(sidecar)
app.command(short_help="Serve a simulated engine, without a GPU.")(engine)
app.command(short_help="Ask what a plan does to a load, in virtual time.")(simulate)
app.add_typer(plan)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tierfleet {installed_version('tierfleet')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Tiered LLM inference capacity on Kubernetes: declared, enforced on every request."""
