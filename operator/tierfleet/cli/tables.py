"""Tables as kubectl prints them: columns, no lines. They must not compute anything."""

from collections.abc import Iterable, Sequence

from rich.table import Table


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; names are kept whole, the last column is the one that is broken if need be."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for column in columns[:-1]:
        made.add_column(column, no_wrap=True, overflow="fold")
    made.add_column(columns[-1], overflow="fold")
    for row in rows:
        made.add_row(*(text(cell) for cell in row))
    return made


def text(cell: object) -> str:
    """A cell: a number as it is, nothing as `-`."""
    return "-" if cell in (None, "") else str(cell)


def change(before: object, after: object) -> str:
    """`a -> b`, or just one of them if they are the same."""
    return text(after) if before == after else f"{text(before)} -> {text(after)}"
