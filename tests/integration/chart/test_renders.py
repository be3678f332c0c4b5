"""The API server takes what the chart renders, in every documented combination of values."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import Cluster
from e2e.helm import CHART, Helm
from e2e.paths import REPOSITORY
from tests.integration.chart.release import NAMESPACE, documents
from tierfleet.controllers import metrics

HERE = Path(__file__).parent
EXAMPLES = sorted((REPOSITORY / "examples" / "chart").glob("*.yaml"))
COMBINATIONS = {path.stem: [f"--values={path}"] for path in EXAMPLES} | {
    "defaults": [],
    "everything": [f"--values={HERE / 'everything.yaml'}"],
}


@pytest.fixture(scope="module")
def prepared(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with what the examples take for granted: namespaces, and Prometheus' kinds."""
    cluster.apply(HERE / "monitoring.yaml")
    for namespace in ("inference", "research"):
        cluster.kubectl("create", "namespace", namespace)
    # So that a pod template that breaks the standard is a warning.
    warn = "pod-security.kubernetes.io/warn"
    cluster.kubectl("label", "namespace", NAMESPACE, f"{warn}=restricted")
    yield cluster
    cluster.kubectl("label", "namespace", NAMESPACE, f"{warn}-")
    cluster.kubectl("delete", "namespace", "inference", "research", "--wait=false")
    cluster.kubectl("delete", f"--filename={HERE / 'monitoring.yaml'}")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("name", list(COMBINATIONS))
def test_the_api_server_takes_all_of_it_without_a_warning(
    prepared: Cluster, helm: Helm, name: str
) -> None:
    options = COMBINATIONS[name]
    helm.run("lint", "--strict", str(CHART), *options)
    rendered = helm.template("tierfleet", NAMESPACE, *options)
    said = prepared.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--field-manager=helm", "--filename=-"),
        stdin=rendered,
    )
    assert said.stderr == ""
    assert len(said.stdout.splitlines()) == len(documents(rendered))


def test_the_production_example_has_what_is_off_by_default(helm: Helm) -> None:
    rendered = documents(helm.template("tierfleet", NAMESPACE, *COMBINATIONS["production"]))
    kinds = {document["kind"] for document in rendered}
    assert {"NetworkPolicy", "PodMonitor", "PrometheusRule"} <= kinds


def test_two_releases_of_one_name_in_two_namespaces_share_nothing_but_the_kinds(
    helm: Helm,
) -> None:
    def names(namespace: str) -> set[tuple[str, str, str]]:
        rendered = documents(helm.template("tierfleet", namespace))
        return {
            (d["kind"], d["metadata"].get("namespace", ""), d["metadata"]["name"]) for d in rendered
        }

    shared = names("one") & names("two")
    assert {kind for kind, _, _ in shared} == {"CustomResourceDefinition"}


def test_no_role_has_a_wildcard(helm: Helm) -> None:
    for options in COMBINATIONS.values():
        rendered = documents(helm.template("tierfleet", NAMESPACE, *options))
        rules = [rule for d in rendered if d["kind"].endswith("Role") for rule in d["rules"]]
        assert rules
        assert not [rule for rule in rules for words in rule.values() if "*" in words]


def test_nothing_is_rendered_differently_the_next_time(helm: Helm) -> None:
    # GitOps would apply it for ever.
    templates = [path.read_text() for path in (CHART / "templates").rglob("*") if path.is_file()]
    forbidden = re.compile(r"\b(lookup|genCA|gen\w*Cert|genPrivateKey|rand\w+|uuidv4|now)\b\s")
    actions = [action for text in templates for action in re.findall(r"\{\{.*?\}\}", text)]
    assert len(actions) > 100
    assert not [action for action in actions if forbidden.search(action)]
    everything = COMBINATIONS["everything"]
    first, second = (helm.template("tierfleet", NAMESPACE, *everything) for _ in range(2))
    assert first == second


def test_alerts_ask_for_metrics_that_the_operator_exports(helm: Helm) -> None:
    rendered = documents(helm.template("tierfleet", NAMESPACE, "--set=prometheusRule.enabled=true"))
    (rule,) = (d for d in rendered if d["kind"] == "PrometheusRule")
    exported = {
        name
        for family in metrics.REGISTRY.collect()
        for name in (family.name, f"{family.name}_total")
    }
    for alert in rule["spec"]["groups"][0]["rules"]:
        asked = re.findall(r"([a-z_]+)\{", alert["expr"])
        assert asked, alert["expr"]
        assert set(asked) <= exported, alert["expr"]
        assert {"summary", "description"} <= alert["annotations"].keys()


def test_the_kinds_in_the_chart_are_those_in_crds(helm: Helm) -> None:
    rendered = documents(helm.template("tierfleet", NAMESPACE))
    from_chart = {
        d["metadata"]["name"]: d["spec"]
        for d in rendered
        if d["kind"] == "CustomResourceDefinition"
    }
    from_files = {
        d["metadata"]["name"]: d["spec"]
        for path in (REPOSITORY / "crds").glob("*.yaml")
        for d in documents(path.read_text())
    }
    assert from_chart == from_files
