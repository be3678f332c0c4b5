"""All images that a real node runs, as OCI archives: ours on a base of Debian's, and `pause`.

The base is bootstrapped from Debian's packages because there may be no registry to pull one from.
"""

import hashlib
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from e2e.images import wheels
from e2e.images.build import Builder, buildah, tag
from e2e.node.configuration import PAUSE_IMAGE
from e2e.paths import REPOSITORY, cache_folder
from e2e.programs import find, run
from e2e.progress import Step
from e2e.toolchain import Toolchain
from e2e.tools.cache import build_once, keep_newest

SUITE = "bookworm"
"""Debian 12, whose Python is that of the images."""

INCLUDED = ("python3", "python3-venv", "ca-certificates")
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists", "var/cache")
"""Folders of the base that no image needs; a third of it."""

BOOTSTRAP_SECONDS = 900.0

KEPT = 4
"""States of the source whose images stay in the cache, 230 MiB each."""


def ensure(tools: Toolchain, console: Console) -> Mapping[str, Path]:
    """The archives by name (`operator`, `sidecar`, `engine`, `pause`), made if they are not there.

    Raises:
        RuntimeError: a program failed; the message ends with what it said.
    """
    folder = cache_folder() / "images" / f"built-{_key(tools)}"
    if not folder.is_dir():
        base = build_once(_base_folder(), partial(_bootstrap, console=console), console)
        wheels.collect(console)
        build_once(folder, partial(_build, base / "base.tar", tools, console), console)
        keep_newest(folder.parent, "built-*", KEPT)
        keep_newest(folder.parent.with_name("wheels"), "tierfleet-*", KEPT)
    return {name: folder / f"{name}.tar" for name in (*wheels.TARGETS, "pause")}


def _key(tools: Toolchain) -> str:
    digest = hashlib.sha256(_base_folder().name.encode())
    locks = sorted(wheels.LOCKS.glob("*.lock"))
    for file in (REPOSITORY / "Dockerfile", Path(__file__), tools["pause"], *locks):
        digest.update(file.read_bytes())
    digest.update(wheels.source_key().encode())
    return digest.hexdigest()[:16]


def _base_folder() -> Path:
    key = hashlib.sha256(repr((SUITE, INCLUDED, UNUSED)).encode()).hexdigest()
    return cache_folder() / "images" / f"base-{key[:16]}"


def _bootstrap(folder: Path, *, console: Console) -> None:
    with Step("base image", 2, console) as step, TemporaryDirectory(dir=folder) as root:
        step.advance("packages")
        run(
            [
                find("debootstrap") or "debootstrap",
                "--variant=minbase",
                f"--include={','.join(INCLUDED)}",
                SUITE,
                root,
            ],
            timeout=BOOTSTRAP_SECONDS,
        )
        for unused in UNUSED:
            shutil.rmtree(Path(root) / unused, ignore_errors=True)
        with buildah() as builder:
            step.advance("archive")
            _archive_of(builder, "localhost/base", {root: "/"}, folder / "base.tar")


def _build(base: Path, tools: Toolchain, console: Console, folder: Path) -> None:
    with Step("images", len(wheels.TARGETS) + 1, console) as step, buildah() as builder:
        for target in wheels.TARGETS:
            # Kept for as long as their content is the same, over commits.
            builder.build(target, {"BASE": f"oci-archive:{base}", "REVISION": "unknown"})
            # The name in full: containerd looks for nothing shorter.
            name = f"docker.io/{tag(target)}"
            builder.command("push", tag(target), _archive(folder / f"{target}.tar", name))
            step.advance(target)
        pause = {str(tools["pause"]): "/pause"}
        _archive_of(builder, PAUSE_IMAGE, pause, folder / "pause.tar", "/pause")
        step.advance("pause")


def _archive_of(
    builder: Builder, name: str, files: Mapping[str, str], archive: Path, entrypoint: str = ""
) -> None:
    """An image of nothing but these files."""
    container = builder.command("from", "scratch").strip()
    for source, target in files.items():
        builder.command("copy", "--quiet", container, source, target)
    if entrypoint:
        builder.command("config", f'--entrypoint=["{entrypoint}"]', "--user=65535", container)
    builder.command("commit", "--quiet", container, name)
    builder.command("push", name, _archive(archive, name))
    builder.command("rm", container)


def _archive(file: Path, name: str) -> str:
    return f"oci-archive:{file}:{name}"
