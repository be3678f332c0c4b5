"""`python -m e2e.images`: build the three images with the builder at hand."""

import sys

from rich.console import Console
from rich.table import Table

from e2e.images import wheels
from e2e.images.build import Builder, at_hand, tag


def main() -> int:
    """Build all; print what they are called and how large they are."""
    console = Console()
    builder = at_hand()
    if builder is None:
        console.print(
            "No builder works here. Install docker, podman or buildah (Debian: buildah), "
            "then run this again."
        )
        return 1
    table = Table("image", "size")
    try:
        wheels.collect(console)
        for target in wheels.TARGETS:
            builder.build(target, {})
            table.add_row(tag(target), size(builder, tag(target)))
    except (RuntimeError, OSError) as error:
        console.print(str(error), markup=False, highlight=False)
        return 1
    console.print(table)
    return 0


def size(builder: Builder, name: str) -> str:
    """Of an image, as its builder counts: unpacked."""
    return builder.command("images", "--format={{.Size}}", name).strip()


if __name__ == "__main__":
    sys.exit(main())
