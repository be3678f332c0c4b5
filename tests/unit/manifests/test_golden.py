"""A committed copy of what is applied: an upgrade of the operator alone restarts no pod.

A difference here is one that every replica of every fleet would be restarted for. When that is
meant, `python -m tests.unit.manifests.test_golden` writes the copies anew, and the changelog says
so.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.manifests.fleet import everything, minimal, objects, several_nodes
from tierfleet.api import InferencePool

POOLS = {"everything": everything, "minimal": minimal, "several-nodes": several_nodes}


def golden(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.golden.yaml")


def applied(pool: InferencePool) -> list[Any]:
    """All children but the Secrets, whose content is the plan's."""
    return [child for (kind, _), child in objects(pool).items() if kind != "Secret"]


@pytest.mark.parametrize("name", POOLS)
def test_the_children_are_what_they_were_when_they_were_last_committed(name: str) -> None:
    assert applied(POOLS[name]()) == list(yaml.safe_load_all(golden(name).read_text()))


if __name__ == "__main__":
    for name, make in POOLS.items():
        golden(name).write_text(yaml.safe_dump_all(applied(make()), sort_keys=False))
