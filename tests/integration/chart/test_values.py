"""Values: each is documented and makes a difference, and a mistake is a sentence."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e import toolchain
from e2e.helm import CHART, Helm
from e2e.paths import REPOSITORY

DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
EVERYTHING = yaml.safe_load(Path(__file__).with_name("everything.yaml").read_text())
DOCS = (REPOSITORY / "docs" / "chart.md").read_text()

FREE = {"commonLabels", "podLabels", "podAnnotations", "podSecurityContext", "securityContext"}
FREE |= {"nodeSelector", "affinity", "serviceAccount.annotations", "resources"}
FREE |= {"podMonitor.labels", "prometheusRule.labels"}
"""Values that are passed on whole: what is in them is Kubernetes' own."""

ALONE = {"clusterWide": True, "image.digest": f"sha256:{'0' * 64}", "fullnameOverride": "fleet"}
"""What other values of everything.yaml would hide."""

DECIDES_NOTHING = {"enabled"}


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """helm without a cluster."""
    return Helm(toolchain.ensure()["helm"], tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def everything(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is rendered with every value changed."""
    return rendered(helm, tmp_path_factory.mktemp("values"), EVERYTHING)


@pytest.fixture(scope="module")
def defaults(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is rendered with no value changed."""
    return rendered(helm, tmp_path_factory.mktemp("values"), {})


def leaves(values: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its path."""
    for key, value in values.items():
        below = f"{path}{key}"
        if isinstance(value, dict) and value and below not in FREE:
            yield from leaves(value, f"{below}.")
        else:
            yield below, value


def nested(path: str, value: Any) -> dict[str, Any]:
    """The values with just that one."""
    head, _, rest = path.partition(".")
    return {head: nested(rest, value) if rest else value}


def changed(values: dict[str, Any], path: str) -> dict[str, Any]:
    """The values with that one turned round if it is a switch, else left out."""
    head, _, rest = path.partition(".")
    if rest:
        return values | {head: changed(values[head], rest)}
    if isinstance(values[head], bool):
        return values | {head: not values[head]}
    return {key: value for key, value in values.items() if key != head}


def commented(text: str) -> Iterator[str]:
    """The paths in a YAML text of nested maps whose line follows a comment."""
    above: list[tuple[int, str]] = []
    comment = False
    for line in text.splitlines():
        if found := re.match(r"( *)(\w+):", line):
            depth = len(found[1])
            above = [(indent, name) for indent, name in above if indent < depth]
            above.append((depth, found[2]))
            if comment:
                yield ".".join(name for _, name in above)
        comment = line.strip().startswith("# ") and not line.startswith("# --")


def rendered(helm: Helm, folder: Path, values: dict[str, Any]) -> str:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return helm.template("tierfleet", "system", f"--values={file}")


def test_everything_is_everything() -> None:
    assert [path for path, _ in leaves(EVERYTHING)] == [path for path, _ in leaves(DEFAULTS)]


@pytest.mark.parametrize("path", [path for path, _ in leaves(DEFAULTS)])
def test_every_value_makes_a_difference(
    helm: Helm, tmp_path: Path, everything: str, defaults: str, path: str
) -> None:
    if path in ALONE:
        same = rendered(helm, tmp_path, nested(path, ALONE[path])) == defaults
    else:
        same = rendered(helm, tmp_path, changed(EVERYTHING, path)) == everything
    assert same == (path in DECIDES_NOTHING)


def test_every_value_has_a_comment() -> None:
    explained = set(commented((CHART / "values.yaml").read_text()))
    assert {path for path, _ in leaves(DEFAULTS)} <= explained


def test_every_value_is_documented_with_its_default() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| `(.*?)` \| (.+) \|$", DOCS, re.MULTILINE)
    documented = {path: json.loads(default) for path, default, _ in rows}
    assert documented == dict(leaves(DEFAULTS))
    assert all(text.strip() for _, _, text in rows)


def test_every_example_is_documented() -> None:
    for path in (REPOSITORY / "examples" / "chart").glob("*.yaml"):
        assert f"examples/chart/{path.name}" in DOCS


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ({"replicaCount": 3}, "additional properties 'replicaCount' not allowed"),
        ({"image": {"tags": "1"}}, "at '/image': additional properties 'tags' not allowed"),
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"replicas": -1}, "at '/replicas': minimum: got -1, want 0"),
        ({"clusterWide": "yes"}, "at '/clusterWide': got string, want boolean"),
        ({"watchNamespaces": "fleet"}, "at '/watchNamespaces': got string, want array"),
        ({"watchNamespaces": ["Fleet"]}, "at '/watchNamespaces/0': 'Fleet' does not match"),
        ({"image": {"digest": "1234"}}, "at '/image/digest': '1234' does not match"),
        ({"image": {"pullPolicy": "always"}}, "must be one of 'Always', 'IfNotPresent', 'Never'"),
        ({"admissionPolicies": {"actions": []}}, "at '/admissionPolicies/actions': minItems"),
        ({"podMonitor": {"interval": "often"}}, "at '/podMonitor/interval': 'often' does not"),
        (
            {"clusterWide": True, "watchNamespaces": ["fleet"]},
            "Give either watchNamespaces or clusterWide: true, not both.",
        ),
    ],
)
def test_a_mistake_is_told_by_its_path(
    helm: Helm, tmp_path: Path, mistake: dict[str, Any], sentence: str
) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(mistake))
    finished = helm.run("template", "tierfleet", str(CHART), f"--values={file}", check=False)
    assert finished.returncode != 0
    assert sentence in finished.stderr


def test_no_part_of_the_values_takes_an_unknown_one() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def open_parts(part: dict[str, Any], path: str) -> Iterator[str]:
        for name, below in part["properties"].items():
            where = f"{path}{name}"
            if "properties" in below:
                if below.get("additionalProperties") is not False:
                    yield where
                yield from open_parts(below, f"{where}.")

    assert schema["additionalProperties"] is False
    assert list(open_parts(schema, "")) == []
    assert schema["properties"].keys() == DEFAULTS.keys() | {"global"}


def test_it_can_be_a_part_of_another_chart(helm: Helm, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "charts" / "tierfleet").symlink_to(CHART)
    dependency = {"name": "tierfleet", "version": "*-0", "condition": "tierfleet.enabled"}
    metadata = {"apiVersion": "v2", "name": "parent", "version": "1.0.0"}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(metadata | {"dependencies": [dependency]}))
    options = ("--set=global.registry=here", "--set=tierfleet.enabled=true")
    assert "kind: Deployment" in helm.template("parent", "system", *options, chart=parent)
    off = helm.template("parent", "system", "--set=tierfleet.enabled=false", chart=parent)
    assert "kind: Deployment" not in off


@pytest.mark.parametrize(
    ("values", "sentences"),
    [
        (
            {"clusterWide": True, "crds": {"install": False}},
            [
                "serves every namespace.",
                "kubectl apply --server-side -f crds/",
                "kubectl get tierfleet --all-namespaces",
                "the verb `assign`",
            ],
        ),
        (
            {"watchNamespaces": ["b", "a"]},
            [
                "serves namespaces a, b.",
                "InferencePool in a",
                "kubectl get tierfleet --namespace a",
            ],
        ),
    ],
)
def test_the_notes_fit_the_values(
    helm: Helm, tmp_path: Path, values: dict[str, Any], sentences: list[str]
) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    dry = ("install", "tierfleet", str(CHART), "--dry-run=client", f"--values={file}")
    _, _, notes = helm.run(*dry).stdout.partition("NOTES:")
    assert [sentence for sentence in sentences if sentence not in notes] == []


@pytest.mark.parametrize(("version", "accepted"), [("1.32.9", False), ("1.33.1-gke.100", True)])
def test_a_cluster_that_is_too_old_is_refused(helm: Helm, version: str, accepted: bool) -> None:
    options = (f"--kube-version={version}",)
    finished = helm.run("template", "tierfleet", str(CHART), *options, check=False)
    assert (finished.returncode == 0) == accepted
    assert accepted or "chart requires kubeVersion: >=1.33.0-0" in finished.stderr


def test_the_chart_installs_the_operator_of_its_own_version() -> None:
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert metadata["appVersion"] == project["version"]
