import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from tierfleet.kube.connect import ConnectError, connect


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def written(path: Path, namespace: str = "inference", **user: Any) -> Path:
    context = {"cluster": "c", "user": "u", "namespace": namespace}
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": context}],
        "current-context": "x",
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(config))
    return path


async def test_a_kubeconfig_tells_the_server_the_namespace_and_the_token(tmp_path: Path) -> None:
    connection = await connect(written(tmp_path / "config", token="secret"))
    assert connection.configuration.host == "https://127.0.0.1:1"
    assert connection.configuration.api_key == {"BearerToken": "Bearer secret"}
    assert (connection.namespace, connection.in_cluster) == ("inference", False)


async def test_kubeconfigs_are_looked_for_as_kubectl_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / ".kube" / "config", "home")
    assert (await connect()).namespace == "home"
    named = written(tmp_path / "named", "variable")
    monkeypatch.setenv("KUBECONFIG", f"/nowhere:{named}")
    assert (await connect()).namespace == "variable"
    assert (await connect(written(tmp_path / "option", "option"))).namespace == "option"


async def test_without_any_kubeconfig_the_sentence_names_the_places() -> None:
    with pytest.raises(ConnectError, match=r"~/.kube/config does not exist.*--kubeconfig"):
        await connect()


async def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectError, match=r"no kubeconfig at /nowhere\."):
        await connect(Path("/nowhere"))
    monkeypatch.setenv("KUBECONFIG", "/elsewhere")
    with pytest.raises(ConnectError, match=r"no kubeconfig at /elsewhere\."):
        await connect()


@pytest.mark.parametrize("text", ["{{", "a: b", "[]", "", "clusters: 7"])
async def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(ConnectError, match=r"config cannot be used: .*kubectl config view"):
        await connect(file)


@pytest.mark.parametrize("text", ["", "[]", "clusters: 7"])
async def test_a_file_without_the_form_of_a_kubeconfig_is_told_so_in_our_words(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(ConnectError, match="it is empty, or has not the form of one"):
        await connect(file)


@pytest.mark.parametrize("server", ["", "127.0.0.1:6443", "https://:6443", "https://a:99999"])
async def test_a_server_that_is_no_url_is_named(tmp_path: Path, server: str) -> None:
    file = written(tmp_path / "config")
    file.write_text(file.read_text().replace("https://127.0.0.1:1", f"'{server}'"))
    with pytest.raises(ConnectError, match=f"its server is '{server}', not a URL such as https"):
        await connect(file)


@pytest.mark.parametrize("broken", ["certificate-authority-data", "client-certificate-data"])
async def test_a_certificate_that_is_none_is_named(tmp_path: Path, broken: str) -> None:
    nonsense = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nno\n").decode()
    file = written(tmp_path / "config", **{broken: nonsense, "client-key-data": nonsense})
    config = yaml.safe_load(file.read_text())
    config["clusters"][0]["cluster"][broken] = nonsense
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(ConnectError, match=r"certificate or key that cannot be read: .*PEM"):
        await connect(file)


async def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match=r"production"):
        await connect(written(tmp_path / "config"), "production")


async def test_a_pod_without_its_account_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(ConnectError, match=r"service account.*automountServiceAccountToken"):
        await connect()
