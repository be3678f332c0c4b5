import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from tierfleet.cli.plan import plan as app
from tierfleet.plan import parse, sha256_hex, split

PLAN = """
pool: {name: llama}
model: {name: llama}
tiers: [{name: retail, priority: 0}]
groups: [{name: h100, accelerator: h100, desired: 1}]
"""


def check(path: Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["check", str(path)])
    return result.exit_code, result.stdout, result.stderr


def test_a_plan_that_is_good_is_printed_with_its_version(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    code, out, _ = check(path)
    assert code == 0
    assert len(yaml.safe_load(out)["version"]) == 16


def test_what_can_hardly_be_meant_is_a_warning_and_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    contract = "{uid: a, name: a, tenants: [nobody], declared: {percent: 1}, granted: 1}"
    path.write_text(f"{PLAN}reservations: [{contract}]\n")
    code, out, err = check(path)
    assert code == 0
    assert "nobody" in out
    assert "Warning: Reservation 'a' is for tenant 'nobody'" in err


def test_a_key_in_clear_is_not_repeated_and_what_to_write_is_said(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(f"{PLAN}tenants: [{{name: acme, tier: retail, keys: [sk-in-the-clear]}}]\n")
    code, _, err = check(path)
    assert code == 2
    assert "tenants.0.keys.0: must be the SHA-256 of the secret" in err
    assert "printf %s SECRET | sha256sum" in err
    assert "sk-in-the-clear" not in err


def test_two_tenants_with_one_key_are_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    key = sha256_hex("key")
    tenants = ", ".join(f"{{name: {name}, tier: retail, keys: [{key}]}}" for name in ("a", "b"))
    path.write_text(f"{PLAN}tenants: [{tenants}]\n")
    code, _, err = check(path)
    assert code == 2
    assert "tenants 'a' and 'b' have one key" in err
    assert key not in err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tiers: [", "it is neither JSON nor YAML at line 1, column 9."),
        ("a: 1\n---\nb: 2", "it has several documents, and a plan is one."),
        ("a: 2026-13-01", "a value that YAML cannot read, such as an odd date"),
        ("[" * 5000 + "]" * 5000, "a value that YAML cannot read"),
        ("[]", "must be a mapping with the fields of docs/plan-v1.md"),
        (
            PLAN.replace("priority: 0", "priority: high"),
            "tiers.0.priority: input should be a valid",
        ),
        (
            PLAN.replace("desired: 1", "desired: 1, maxSequence: 4"),
            "groups.0.maxSequence: there is no such field (did you mean maxSequences?). See",
        ),
        (PLAN.replace("{name: retail, priority: 0}", ""), "tiers: at least one must be given"),
        (PLAN + "zzz: 1", "is not a plan: zzz: there is no such field. See docs"),
        (
            PLAN + "burndown: {longContext: {aboveToken: 1, input: '1', output: '1'}}",
            "burndown.longContext.aboveToken: there is no such field (did you mean aboveTokens?)",
        ),
        (
            PLAN.replace("priority: 0", "priority: 0, minimumPercent: 3"),
            "asks for what cannot be done: tiers[retail].minimumPercent: is a part of a rate",
        ),
    ],
)
def test_a_plan_that_is_not_is_refused_with_a_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    code, out, err = check(path)
    assert (code, out) == (2, "")
    assert sentence in err.replace("\n", " ")
    assert "Traceback" not in err


def test_a_plan_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, _, err = check(tmp_path / "nowhere.yaml")
    assert code == 2
    assert "nowhere.yaml is not a plan: nothing is there; check the path." in err


def test_a_directory_of_parts_is_read_as_one_plan(tmp_path: Path) -> None:
    for name, data in split(parse(yaml.safe_load(PLAN))).items():
        (tmp_path / name).write_bytes(data)
    assert check(tmp_path)[0] == 0
    (tmp_path / "index.json").write_bytes(b"\xff\xfe")
    code, _, err = check(tmp_path)
    assert (code, "Traceback" in err) == (2, False)


def test_the_plan_by_hand_in_the_docs_is_one_that_a_sidecar_runs_from(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "plan-v1.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "plan.yaml"
    path.write_text(example)
    code, out, err = check(path)
    assert code == 0, err
    keys = {tenant["name"]: tenant["keys"] for tenant in yaml.safe_load(out)["tenants"]}
    assert keys == {name: [sha256_hex(f"demo-{name}")] for name in ("acme", "hobby")}


def test_the_schema_is_printed_for_editors() -> None:
    result = CliRunner().invoke(app, ["schema"])
    assert json.loads(result.stdout)["title"] == "Plan"


def init(*options: str) -> Result:
    return CliRunner().invoke(app, ["init", *options], env={"COLUMNS": "200", "TERM": "dumb"})


def told(result: Result) -> list[str]:
    return [line.split()[-1] for line in result.stderr.splitlines()]


def test_a_new_plan_is_one_that_a_sidecar_runs_from(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    made = init(str(path), "--model", "a: b", "--engine-type", "VLLM", "--max-sequences", "8")
    assert (made.exit_code, made.stdout) == (0, "")
    code, out, err = check(path)
    assert code == 0, err
    shown = yaml.safe_load(out)
    assert (shown["model"]["name"], shown["engineType"]) == ("a: b", "VLLM")
    assert [(group["name"], group["maxSequences"]) for group in shown["groups"]] == [("local", 8)]


def test_its_keys_are_told_once_and_only_their_hashes_are_written(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    acme, hobby, admin = told(init(str(path)))
    text = path.read_text()
    written = yaml.safe_load(text)
    assert [tenant["keys"] for tenant in written["tenants"]] == [
        [sha256_hex(acme)],
        [sha256_hex(hobby)],
    ]
    assert written["adminTokenSha256"] == sha256_hex(admin)
    assert not any(key in text for key in (acme, hobby, admin))
    assert not set(told(init())) & {acme, hobby, admin}


def test_a_new_plan_goes_to_standard_output_without_its_keys() -> None:
    made = init("--demo-keys")
    assert told(made) == ["demo-acme", "demo-hobby", "demo-admin"]
    assert made.stdout == init("--demo-keys").stdout
    assert "demo-acme" not in made.stdout
    assert parse(yaml.safe_load(made.stdout)).group("local").desired == 1


def test_a_file_that_is_there_is_written_over_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("mine")
    refused = init(str(path))
    assert (refused.exit_code, path.read_text()) == (2, "mine")
    assert "is there already. Give --force" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert init(str(path), "--force").exit_code == 0
    assert check(path)[0] == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["plan.yaml"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("{}/none/plan.yaml",), "cannot be written: No such file or directory. Choose another"),
        (("{}",), "is there already. Give --force"),
        (("{}", "--force"), "cannot be written: Is a directory"),
        (("--model", ""), "That makes no plan: model.name: string should have at least 1 char"),
        (("--engine-type", "vllm"), "'vllm' is not one of"),
        (("--max-sequences", "0"), "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_begun_is_a_sentence(
    tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    made = init(*(option.format(tmp_path) for option in options))
    assert (made.exit_code, made.stdout) == (2, "")
    assert sentence in made.stderr
    assert "Traceback" not in made.stderr
