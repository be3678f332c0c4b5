"""Options that several commands take alike, and what is said to values that are none."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

Files = Annotated[
    list[str],
    typer.Option("--filename", "-f", help="File, folder, or - for standard input; repeatable."),
]
At = Annotated[
    str | None,
    typer.Option("--at", help="Plan for this instant, such as 2026-12-01T00:00:00Z. Default: now."),
]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Default: the context's.")]
Kubeconfig = Annotated[Path | None, typer.Option(help="Default: KUBECONFIG, ~/.kube/config.")]
Context = Annotated[str | None, typer.Option(help="Default: the current one.")]


_EARLIEST, _LATEST = 1970, 9000
"""Terms are added to it, in both directions."""


def instant(text: str | None) -> datetime:
    """The instant that is given; now, if none is.

    Raises:
        typer.BadParameter: it is none.
    """
    if text is None:
        return datetime.now(UTC)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = datetime.min  # noqa: DTZ901 - it has no zone, which is what is refused
    if when.tzinfo is None:
        raise typer.BadParameter(
            f"{text!r} is no time with a zone. Give one such as 2026-12-01T00:00:00Z."
        )
    if not _EARLIEST <= when.year <= _LATEST:
        raise typer.BadParameter(
            f"{text!r} is too far away. Give a time from the year {_EARLIEST} to {_LATEST}."
        )
    return when


def one_of(output: str, *formats: str) -> None:
    """Return if the output is one of these formats.

    Raises:
        typer.BadParameter: it is not.
    """
    if output not in formats:
        *others, last = formats
        raise typer.BadParameter(f"{output} is not a format. Give {', '.join(others)} or {last}.")
