"""`kubectl tierfleet`: what `kubectl get` cannot show. Installed as `kubectl-tierfleet`."""

from typing import Any

import typer
from typer.core import TyperGroup

from tierfleet.cli.capacity import capacity
from tierfleet.cli.diff import diff
from tierfleet.cli.in_force import show
from tierfleet.cli.render import render

app = typer.Typer(
    help="Look into a tiered fleet.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables cut the names of options
)


class _ShowsPools(TyperGroup):
    """`plan POOL` is `plan show POOL`, unless the word is a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with the command that was left out."""
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


plan = typer.Typer(
    name="plan",
    cls=_ShowsPools,
    help="Show the plan in force for a pool (plan POOL), of manifests, or what a change would do.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
plan.command("show")(show)
plan.command("diff")(diff)
plan.command("render")(render)
app.add_typer(plan)
app.command("capacity")(capacity)


@app.callback()
def main() -> None:
    """Look into a tiered fleet."""
