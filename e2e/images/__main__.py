"""`python -m e2e.images [BASE]`: build the three images with the builder at hand."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from e2e.images import wheels
from e2e.images.build import Builder, at_hand, tag

NO_BASE = """\
If the base cannot be pulled here, name an image with Python 3.11 that can: make images BASE=IMAGE
(as the builder names it, such as REGISTRY/python:3.11-slim, or oci-archive:FILE with podman and
buildah)."""


def main(arguments: Sequence[str]) -> int:
    """Build all, on another base than the Dockerfile's if one is given; print names and sizes."""
    console = Console()
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        console.print("usage: python -m e2e.images [BASE]", markup=False)
        return 2
    base = dict(zip(("BASE",), arguments, strict=False))
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
    except (RuntimeError, OSError) as error:
        console.print(str(error), markup=False, highlight=False)
        return 1
    try:
        for target in wheels.TARGETS:
            builder.build(target, base)
            table.add_row(tag(target), size(builder, tag(target)))
    except (RuntimeError, OSError) as error:
        console.print(f"{error}\n{NO_BASE}", markup=False, highlight=False)
        return 1
    console.print(table)
    return 0


def size(builder: Builder, name: str) -> str:
    """Of an image, as its builder counts: unpacked."""
    return builder.command("images", "--format={{.Size}}", name).strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
