"""The plan of manifests, without a cluster."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tests.unit.planning.world import (
    H100,
    accelerator,
    nodes,
    pool,
    reservation,
    world,
    written,
)
from tierfleet.cli.main import app
from tierfleet.cli.overview import message, refused
from tierfleet.cli.unseen import strangers
from tierfleet.plan import parse, sha256_hex
from tierfleet.planning.preview import preview

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).with_name("golden")
EXAMPLES = str(ROOT / "examples")
TIGHT = str(GOLDEN / "tight.yaml")
NOON = ("--at", "2026-12-01T12:00:00Z")

HUGE = (
    "{apiVersion: v1, kind: Node, metadata: {name: a}, "
    "status: {allocatable: {nvidia.com/gpu: 1e99999999}}}"
)
POLICY = """
apiVersion: tierfleet.dev/v1alpha1
kind: TierPolicy
metadata: {name: standard}
spec: {tiers: [{name: retail, priority: 0}]}
"""


def render(*arguments: str, given: str | None = None) -> Result:
    words = ["plan", "render", *NOON, *arguments]
    return CliRunner().invoke(app, words, input=given, env={"COLUMNS": "300", "TERM": "dumb"})


@pytest.mark.parametrize(("name", "path"), [("examples", EXAMPLES), ("tight", TIGHT)])
def test_the_table_is_as_committed(name: str, path: str) -> None:
    shown = render("-f", path, "-n", "inference")
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout == (GOLDEN / f"{name}.txt").read_text()


def test_the_table_in_the_docs_is_what_is_printed() -> None:
    page = (ROOT / "docs" / "kubectl.md").read_text()
    ((command, table),) = re.findall(r"\$ tierfleet (plan render .*)\n((?:.*\n)*?)```", page)
    words = command.replace("examples", EXAMPLES).split()
    assert CliRunner().invoke(app, words).stdout == table


def test_the_documents_are_plans_without_tokens_or_a_version_that_depends_on_them() -> None:
    large, small = json.loads(render("-f", EXAMPLES, "-n", "inference", "-o", "json").stdout)
    assert (large["pool"]["name"], small["pool"]["name"]) == ("llama-70b", "llama-8b")
    assert [(r["name"], r["granted"]) for r in large["reservations"]] == [
        ("acme", 37200),
        ("globex", 5000),
    ]
    assert not {"version", "adminTokenSha256", "hookTokenSha256"} & set(large)
    assert parse(large).group("b200").desired == 4
    as_yaml = render("-f", EXAMPLES, "-n", "inference", "-o", "yaml").stdout
    assert list(yaml.safe_load_all(as_yaml)) == [large, small]


@pytest.mark.parametrize("output", ["table", "yaml", "json"])
def test_no_key_in_clear_is_shown_and_no_hash_in_the_table(output: str) -> None:
    shown = render("-f", TIGHT, "-o", output)
    assert shown.exit_code == 0, shown.stderr
    everything = shown.stdout + shown.stderr
    assert "sk-" not in everything
    assert (sha256_hex("sk-in-the-clear") in everything) == (output != "table")


@pytest.mark.parametrize("output", ["table", "yaml", "json"])
def test_what_is_refused_fails_a_strict_run_and_is_told_in_every_format(output: str) -> None:
    assert render("-f", EXAMPLES, "-n", "inference", "--strict", "-o", output).exit_code == 0
    refused = render("-f", TIGHT, "--strict", "-o", output)
    assert refused.exit_code == 1
    said = refused.stdout + refused.stderr
    assert "short by" in said
    assert (refused.stdout, refused.stderr) == (
        (same := render("-f", TIGHT, "-o", output)).stdout,
        same.stderr,
    )


def test_one_input_may_be_a_list_from_kubectl_on_standard_input() -> None:
    documents = [d for d in yaml.safe_load_all(Path(TIGHT).read_text()) if d["kind"] != "List"]
    (listed,) = [d for d in yaml.safe_load_all(Path(TIGHT).read_text()) if d["kind"] == "List"]
    whole: dict[str, Any] = listed | {"items": [*listed["items"], *documents]}
    # PyYAML reads what kubectl prints as a time.
    text = json.dumps(whole, default=lambda time: time.isoformat())
    shown = render("-f", "-", "-n", "inference", given=text)
    assert shown.stdout == (GOLDEN / "tight.txt").read_text()


def test_the_order_of_what_is_given_makes_no_difference(tmp_path: Path) -> None:
    documents = list(yaml.safe_load_all(Path(TIGHT).read_text()))
    path = tmp_path / "reversed.json"
    path.write_text(
        json.dumps(
            {"apiVersion": "v1", "kind": "List", "items": documents[::-1]},
            default=lambda time: time.isoformat(),
        )
    )
    shown = render("-f", str(path), "-n", "inference")
    assert shown.stdout == (GOLDEN / "tight.txt").read_text()


def test_without_nodes_no_pool_takes_what_was_imagined_for_another(tmp_path: Path) -> None:
    documents = yaml.safe_load_all(Path(TIGHT).read_text())
    (pool,) = [d for d in documents if d.get("metadata", {}).get("name") == "large"]
    pool["metadata"].pop("creationTimestamp")
    bound = json.loads(json.dumps(pool))
    bound["metadata"]["name"] = "bound"
    (accelerator,) = bound["spec"]["accelerators"]
    accelerator["nodeSelector"] = {"zone": "a"}
    bound["spec"]["template"] = {
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "rack", "operator": "Exists"}]}
                    ]
                }
            }
        }
    }
    path = tmp_path / "pools.yaml"
    path.write_text(yaml.safe_dump_all([yaml.safe_load(POLICY), pool, bound]))
    plans = json.loads(render("-f", str(path), "-o", "json").stdout)
    assert [plan["groups"][0]["desired"] for plan in plans] == [4, 4]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "standard input, document 1: it is neither JSON nor YAML at line 1, column 5."),
        (f"{POLICY}---\n[]", "standard input, document 2: it must be an object with apiVersion"),
        ("kind: Pod", "document 1: apiVersion: must be given, as a word."),
        (f"{POLICY}kind: Pod", "document 1: 'kind' stands twice in one mapping, again at"),
        ("{apiVersion: v1, kind: Pod}", "document 1: metadata.name: must be given"),
        (f"{POLICY}---{POLICY}", "document 2: TierPolicy default/standard stands in"),
        (
            POLICY.replace(
                "tiers: [", "tiers: [{name: retail, priority: 1}, {name: retail, priority: 2}, "
            ),
            "document 1: spec.tiers.1.name: 'retail' is there already",
        ),
        (
            "&l {apiVersion: v1, kind: List, items: [*l]}",
            "document 1: it is a List that is in itself.",
        ),
        (
            '{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {key: "\\ud800"}}',
            "document 1: stringData.key: it has a character that no text has.",
        ),
        (
            HUGE,
            "document 1: it is no Node as",
        ),
        (
            POLICY.replace("priority", "prio"),
            "document 1: spec.tiers.0.priority: field required; spec.tiers.0.prio: there is no",
        ),
        (POLICY.replace("priority: 0", "priority: '0'"), "spec.tiers.0.priority: input should"),
        (POLICY + "spce: {}", "document 1: spce: there is no such field (did you mean spec?)."),
        (
            "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Node, metadata: 1}]}",
            "standard input, document 1, items[0]: metadata.name: must be given",
        ),
        (
            "{apiVersion: v1, kind: Node, metadata: {name: a}, status: {allocatable: 8}}",
            "document 1: it is no Node as `kubectl get -o yaml` writes one.",
        ),
        (
            "{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {key: [sk-clear]}}",
            "document 1: stringData: must be a mapping of words.",
        ),
        (
            POLICY.replace("v1alpha1", "v1beta7"),
            "document 1: there is no TierPolicy of tierfleet.dev/v1beta7 in this version of",
        ),
        (
            POLICY.replace("TierPolicy", "TeirPolicy"),
            "which knows TierPolicy, InferencePool, CapacityReservation of tierfleet.dev/v1alpha1.",
        ),
        (POLICY, "There is no InferencePool of tierfleet.dev in the input"),
        ("", "There is no InferencePool"),
    ],
)
def test_wrong_input_is_one_sentence_with_the_place(text: str, sentence: str) -> None:
    shown = render("-f", "-", given=text)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert sentence in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert "sk-" not in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-f", "/nowhere/pool.yaml"), "There is no file /nowhere/pool.yaml. Check the path."),
        (("-f", str(ROOT / "operator")), "has no file that ends with .yaml, .yml or .json."),
        (("-f", TIGHT, "-o", "xml"), "xml is not a format. Give table, yaml or json."),
        (("-f", TIGHT, "--at", "tomorrow"), "'tomorrow' is no time with a zone."),
        ((), "Missing option"),
    ],
)
def test_a_wrong_call_is_told(arguments: tuple[str, ...], sentence: str) -> None:
    shown = render(*arguments)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert sentence in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_contract_that_is_granted_less_is_told_and_strict() -> None:
    three = world(
        pool("pool", accelerator(rate=1000), replicas=3),
        reservation("rate", 1500),
        nodes=nodes(H100, 3, devices=1),
    )
    assert list(refused(preview(written(three)))) == []
    lost = preview(replace(written(three), nodes=nodes(H100, 2, devices=1)))
    (told,) = refused(lost)
    assert told.startswith("CapacityReservation inference/rate: Degraded is True (CapacityLost).")
    ((_, status),) = lost.reservations.items()
    assert (status.granted, status.short_by) == (900, 600)
    assert message(status) in told


def test_a_record_of_other_objects_is_no_record_and_that_is_told() -> None:
    fleet = written(world(pool(), reservation("rate", 100), nodes=nodes(H100, 1, devices=1)))
    assert list(strangers(fleet)) == []
    (mine,) = fleet.reservations.values()
    other = mine.model_copy(
        update={"metadata": mine.metadata.model_copy(update={"uid": "made-up"})}
    )
    (told,) = strangers(replace(fleet, reservations={other.key: other}))
    assert "InferencePool inference/pool" in told
    assert "rate are judged anew" in told


@pytest.mark.parametrize(
    "time", ["9999-12-31T23:59:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T00:00:00Z"]
)
def test_a_time_that_nothing_can_be_added_to_is_refused(time: str) -> None:
    words = ["plan", "render", "--at", time, "-f", TIGHT]
    shown = CliRunner().invoke(app, words, env={"COLUMNS": "300", "TERM": "dumb"})
    assert shown.exit_code == 2
    assert "too far away" in shown.stderr


@pytest.mark.parametrize("spec", ["{replicas: '3'}", "oops", "{replicas: 1.5}"])
def test_a_deployment_that_is_none_is_refused(spec: str) -> None:
    labels = "{tierfleet.dev/pool: p, tierfleet.dev/accelerator: h100}"
    text = (
        f"{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d, labels: {labels}}}, "
        f"spec: {spec}}}"
    )
    shown = render("-f", "-", given=text)
    assert shown.exit_code == 2
    assert "it is no Deployment" in shown.stderr


def test_a_uid_that_stands_twice_is_refused() -> None:
    both = "\n---\n".join(
        POLICY.replace("name: standard", f"name: {name}, uid: copied") for name in ("a", "b")
    )
    shown = render("-f", "-", given=both)
    assert shown.exit_code == 2
    assert "has the same one. Leave it out." in shown.stderr
