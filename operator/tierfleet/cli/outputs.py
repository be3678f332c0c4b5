"""Where the figures of `tierfleet simulate` go: a terminal, a pipe, files. Not what they are."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console, RenderableType
from rich.progress import Progress

from tierfleet.cli import sentences

_LEAST_WIDTH = 80
"""Columns that the figures need; a narrower terminal breaks lines."""
_WIDEST = 10_000


def check(json_file: Path | None, plot_file: Path | None, given: Sequence[Path | None]) -> None:
    """Refuse, before minutes are spent, what cannot be written and what would be written over."""
    inputs = [path for path in given if path is not None]
    inputs += [part for path in inputs if path.is_dir() for part in path.iterdir()]
    outputs = [path for path in (json_file, plot_file) if path is not None]
    for path in outputs:
        if not path.parent.is_dir():
            raise sentences.mistake(f"There is no folder {path.parent} to write {path.name} to.")
        if path.is_dir():
            raise sentences.mistake(f"{path} is a folder: name a file in it to write to.")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise sentences.mistake(f"{path} cannot be written. Choose another place.")
        if any(_same(path, other) for other in inputs):
            raise sentences.mistake(
                f"{path} is read, and would be written over. Choose another place."
            )
    if len(outputs) == 2 and _same(*outputs):
        raise sentences.mistake(f"--json and --plot are both {json_file}: give each its own file.")
    if plot_file is not None and plot_file.suffix != ".svg":
        raise sentences.mistake(
            f"Plots are SVG: give --plot a file that ends with .svg, not {plot_file.name}."
        )


def _same(one: Path, other: Path) -> bool:
    both_exist = one.exists() and other.exists()
    return one.samefile(other) if both_exist else one.resolve() == other.resolve()


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error, if that is a terminal; yields what is called for each request."""
    console = Console(stderr=True)
    done = 0
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("simulating", total=total)

        def watch() -> None:
            nonlocal done
            done += 1
            if not done % 500:
                bar.update(task, completed=done)

        yield watch


def show(table: RenderableType) -> None:
    """As wide as needed into files and pipes; names, not figures, are broken in a terminal."""
    console = Console()
    if console.is_terminal:
        console.width = max(console.width, _LEAST_WIDTH)
        console.print(table)
        return
    console = Console(width=_WIDEST)
    with console.capture() as capture:
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def write(path: Path, text: str) -> None:
    """Write a file, or say why it cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise sentences.mistake(
            f"{path} cannot be written: {error.strerror}. Choose another place."
        ) from None
