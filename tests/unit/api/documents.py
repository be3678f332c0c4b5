"""Documents of the three kinds, as a person writes them, for tests to start from."""

import re
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

ROOT = Path(__file__).resolve().parents[3]

MINIMAL: dict[str, Document] = {
    document["kind"]: document
    for document in yaml.safe_load_all("""
apiVersion: tierfleet.dev/v1alpha1
kind: TierPolicy
metadata: {name: minimal, namespace: inference}
spec:
  tiers: [{name: retail, priority: 0}]
---
apiVersion: tierfleet.dev/v1alpha1
kind: InferencePool
metadata: {name: minimal, namespace: inference}
spec:
  policyRef: {name: minimal}
  model: {name: tiny, source: /models/tiny}
  engine: {image: "vllm:1"}
  sidecar: {image: "tierfleet:1"}
  accelerators: [{name: h100, products: [NVIDIA-H100-80GB-HBM3]}]
---
apiVersion: tierfleet.dev/v1alpha1
kind: CapacityReservation
metadata: {name: minimal, namespace: inference}
spec:
  poolRef: {name: minimal}
  tenants: [acme]
  guarantee: {percent: 30}
""")
}
"""Only what is required, by kind."""


def full() -> dict[str, Document]:
    """Every field that there is, by kind."""
    text = Path(__file__).with_name("full.yaml").read_text()
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def examples() -> list[Document]:
    """The documents of `examples/`, in the order in which they are applied."""
    folder = ROOT / "examples"
    beside = [file for name in ("simulated", "several-nodes") for file in (folder / name).iterdir()]
    files = [*sorted(folder.glob("*.yaml")), *sorted(beside)]
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def placed(document: Document, namespace: str) -> Document:
    """A copy in another namespace."""
    return document | {"metadata": document["metadata"] | {"namespace": namespace}}


def changed(document: Document, **changes: Any) -> Document:
    """A copy with values at dotted paths below `spec` replaced or added, `...` removes.

    `changed(policy, **{"tiers[0].priority": 5})`; an index equal to the length appends.
    """
    result = deepcopy(document)
    for path, value in changes.items():
        steps = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]
        target: Any = result["spec"]
        for step, after in pairwise(steps):
            if isinstance(target, dict):
                target = target.setdefault(step, [] if isinstance(after, int) else {})
            else:
                target = target[step]
        if value is ...:
            del target[steps[-1]]
        elif isinstance(target, list) and steps[-1] == len(target):
            target.append(value)
        else:
            target[steps[-1]] = value
    return result
