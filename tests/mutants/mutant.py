"""A mutant: a mistake that somebody could make in the core, and the test that notices it."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One mistake.

    Attributes:
        name: what is wrong.
        file: under `operator/tierfleet/admission/`.
        edits: exact old texts, each there once, and what they become.
        killer: the test that has to fail, `file::test` under `tests/unit/admission/`.
    """

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    killer: str


def wrong(name: str, file: str, old: str, new: str, killer: str) -> Mutant:
    """A mistake in one place."""
    return Mutant(name, file, ((old, new),), killer)
