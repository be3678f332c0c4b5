"""Progress of a long step: a bar on a terminal, a plain line now and then elsewhere (CI logs).

It must not know what the step does.
"""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

PLAIN_LINE_SECONDS = 15.0
"""CI systems end a job that is silent for minutes; more lines than this only fill the log."""


class Step:
    """One running step of `total` units (None: not known); use as a context manager.

    Raises nothing of its own. On an exception the last line says that the step failed.
    """

    def __init__(self, title: str, total: int | None, console: Console) -> None:
        self.title = title
        self.total = total
        self.done = 0
        self._console = console
        self._started = self._last_line = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", style="dim", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total, detail="")

    def advance(self, detail: str, units: int = 1) -> None:
        """Count `units` more as done and show `detail` as what is going on."""
        self.done += units
        self._bar.update(self._task, completed=self.done, detail=detail[-40:])
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line >= PLAIN_LINE_SECONDS:
            self._last_line = now
            of = f" of {self.total}" if self.total is not None else ""
            self._line(f"{self.done}{of}, {self._elapsed()}")

    def __enter__(self) -> Self:
        if not self._console.is_terminal:
            self._line("started")
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        self._line(f"{'done' if kind is None else 'failed'} after {self._elapsed()}")

    def _elapsed(self) -> str:
        minutes, seconds = divmod(round(time.monotonic() - self._started), 60)
        return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"

    def _line(self, text: str) -> None:
        self._console.print(f"{self.title}: {text}", markup=False, highlight=False)
