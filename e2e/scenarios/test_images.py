"""What is in the images, read from the archives that the node is given."""

import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from e2e import kind
from e2e.images.build import revision
from e2e.images.wheels import LOCKS, TARGETS
from e2e.realcluster import prepare


@dataclass(frozen=True)
class Image:
    """An OCI archive."""

    archive: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Its one manifest."""
        (entry,) = json.loads(self._read("index.json"))["manifests"]
        found: dict[str, Any] = json.loads(self._blob(entry["digest"]))
        return found

    @cached_property
    def config(self) -> dict[str, Any]:
        """How it is run."""
        found: dict[str, Any] = json.loads(self._blob(self.manifest["config"]["digest"]))["config"]
        return found

    def files(self) -> Iterator[str]:
        """The paths of everything in its layers."""
        with tarfile.open(self.archive) as archive:
            for layer in self.manifest["layers"]:
                blob = archive.extractfile(_path(layer["digest"]))
                with tarfile.open(fileobj=blob, mode="r:*") as files:
                    yield from files.getnames()

    def distributions(self) -> dict[str, str]:
        """The Python packages in it, by name."""
        found = (
            re.fullmatch(
                r"opt/tierfleet/lib/python[^/]+/site-packages/([^/]+)-([^/-]+)\.dist-info", f
            )
            for f in self.files()
        )
        return {m[1].lower().replace("_", "-"): m[2] for m in found if m}

    def _blob(self, digest: str) -> bytes:
        return self._read(_path(digest))

    def _read(self, name: str) -> bytes:
        with tarfile.open(self.archive) as archive:
            file = archive.extractfile(name)
            assert file is not None
            return file.read()


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


@pytest.fixture(scope="module")
def images(able: None) -> dict[str, Image]:
    if kind.asked_for():
        pytest.skip("kind's images are Docker's, not archives")
    _, made = prepare(Console(stderr=True))
    for name, archive in made.items():
        print(f"{name}: {archive.stat().st_size / 2**20:.1f} MiB as an archive")
    return {name: Image(archive) for name, archive in made.items() if name in TARGETS}


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_has_just_what_its_lock_file_says(images: dict[str, Image], target: str) -> None:
    text = (LOCKS / f"{target}.lock").read_text()
    elsewhere = re.findall(r"^(\S+)==\S+ ;.*win32", text, re.MULTILINE)
    locked = dict(re.findall(r"^([^\s=]+)==([^\s;]+)", text, re.MULTILINE))
    for name in elsewhere:
        del locked[name]
    found = images[target].distributions()
    assert found.pop("tierfleet")
    assert found == locked


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_a_number_and_says_what_it_is(
    images: dict[str, Image], target: str
) -> None:
    config = images[target].config
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"][0] == "/opt/tierfleet/bin/tierfleet"
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"]
    assert labels["org.opencontainers.image.version"] == version("tierfleet")
    # These are the tests'; `make images` names the commit.
    assert labels["org.opencontainers.image.revision"] == "unknown"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", revision())


def test_the_sidecar_has_neither_kopf_nor_the_kubernetes_client(images: dict[str, Image]) -> None:
    assert {"kopf", "kubernetes"} <= set(images["operator"].distributions())
    for target in ("sidecar", "engine"):
        assert not {"kopf", "kubernetes"} & set(images[target].distributions())


@pytest.mark.skipif(os.environ.get("TIERFLEET_COMPILE") == "0", reason="somebody is in a hurry")
def test_the_sidecar_is_compiled(images: dict[str, Image]) -> None:
    assert [f for f in images["sidecar"].files() if re.search(r"tierfleet/sidecar/http1\..*so$", f)]
