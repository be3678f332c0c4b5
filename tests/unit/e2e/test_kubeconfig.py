from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.kubeconfig import ForeignClusterError, refuse_foreign, write_marked


def kubeconfig(path: Path, server: str) -> Path:
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "a", "cluster": {"server": server}}],
        "users": [{"name": "a", "user": {"token": "t"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_marked_kubeconfig_on_this_machine_is_accepted(tmp_path: Path) -> None:
    source = kubeconfig(tmp_path / "source", "https://127.0.0.1:6443")

    write_marked(source, tmp_path / "ours", "test")

    refuse_foreign(tmp_path / "ours")
    marked = yaml.safe_load((tmp_path / "ours").read_text())
    assert marked["users"] == [{"name": "a", "user": {"token": "t"}}]


def test_only_the_owner_can_read_what_is_written(tmp_path: Path) -> None:
    source = kubeconfig(tmp_path / "source", "https://127.0.0.1:6443")

    write_marked(source, tmp_path / "ours", "test")

    assert (tmp_path / "ours").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "server",
    ["https://10.0.0.1:6443", "https://production.example", "https://127.0.0.1.example:6443"],
)
def test_a_server_elsewhere_is_refused_even_with_the_marker(tmp_path: Path, server: str) -> None:
    with pytest.raises(ForeignClusterError, match="not this machine"):
        write_marked(kubeconfig(tmp_path / "source", server), tmp_path / "ours", "test")


def test_a_local_cluster_of_somebody_else_is_refused(tmp_path: Path) -> None:
    foreign = kubeconfig(tmp_path / "kind", "https://127.0.0.1:6443")

    with pytest.raises(ForeignClusterError, match=r"has no marker.*use e2e\.cluster\.start"):
        refuse_foreign(foreign)


@pytest.mark.parametrize("content", ["", "[]", "clusters: []", "clusters: [{}]", "a: [", "}"])
def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content)

    with pytest.raises(ForeignClusterError):
        refuse_foreign(tmp_path / "file")


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForeignClusterError, match="FileNotFoundError"):
        refuse_foreign(tmp_path / "absent")
