"""docs/operator.md says what the code does."""

import re
from pathlib import Path

import yaml
from typer.core import TyperGroup
from typer.main import get_command

from tierfleet.cli.main import app
from tierfleet.controllers import metrics, preflight
from tierfleet.controllers.shell import LEASE

DOCS = (Path(__file__).resolve().parents[3] / "docs" / "operator.md").read_text()


def documented_roles() -> dict[str, set[str]]:
    """Rights by role, each as `verb resource.group`."""
    (block,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    return {
        role["metadata"]["name"]: {
            f"{verb} {resource}.{group}{' only ' * bool(name)}{name}"
            for rule in role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for name in rule.get("resourceNames", [""])
            for verb in rule["verbs"]
        }
        for role in yaml.safe_load_all(block)
    }


def test_the_documented_roles_are_what_the_operator_asks_for() -> None:
    asked = {
        f"{right.verb} {right.type.plural}{'/' * bool(right.subresource)}{right.subresource}"
        f".{right.type.group}{' only ' * bool(right.name)}{right.name}"
        for right in preflight.rights(["inference"], ("inference", LEASE))
    }
    roles = documented_roles()
    assert set.union(*roles.values()) == asked
    devices = {
        f"{right.verb} {right.type.plural}.{right.type.group}"
        f"{' only ' * bool(right.name)}{right.name}"
        for right in preflight.rights(["inference"], None)
        if right.namespace is None
    }
    assert roles["tierfleet-operator-devices"] == devices


def test_the_documented_metrics_are_those_that_are_exported() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", DOCS, re.MULTILINE))
    suffixes = {"counter": "_total", "info": "_info"}
    exported = {
        family.name + suffixes.get(family.type, "") for family in metrics.REGISTRY.collect()
    }
    assert documented == exported


def test_every_option_is_documented() -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    options = [name for p in group.commands["operator"].params for name in p.opts]
    assert "--namespace" in options
    assert [name for name in options if f"`{name}`" not in DOCS] == []
