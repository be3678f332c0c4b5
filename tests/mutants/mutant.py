"""A mutant: a mistake that somebody could make in a pure core, and the test that notices it."""

from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """One mistake.

    Attributes:
        name: what is wrong.
        file: under `operator/tierfleet/` and the package.
        edits: exact old texts, each there once, and what they become.
        killer: the test that has to fail, `file::test` under `tests/unit/` and the package.
        package: that the mistake is in.
    """

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    killer: str
    package: str = "admission"

    @property
    def source(self) -> Path:
        """The file that is wrong, from the root of the checkout."""
        return Path("operator/tierfleet") / self.package / self.file

    @property
    def test(self) -> str:
        """The test that has to fail, from the root of the checkout."""
        return f"tests/unit/{self.package}/{self.killer}"


def wrong(
    name: str, file: str, old: str, new: str, killer: str, package: str = "admission"
) -> Mutant:
    """A mistake in one place."""
    return Mutant(name, file, ((old, new),), killer, package)
