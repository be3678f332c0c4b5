"""What can still be sold, as people read it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.planning.world import (
    B200,
    B200_THEN_H100,
    H100,
    NAMESPACE,
    NOW,
    accelerator,
    nodes,
    policy,
    pool,
    reservation,
    world,
    written,
)
from tierfleet.cli import differences, documents, offered, outputs
from tierfleet.controllers import facts
from tierfleet.planning.difference import difference
from tierfleet.planning.offers import offer
from tierfleet.planning.preview import Preview, preview
from tierfleet.planning.snapshot import Snapshot

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).with_name("golden")
LLAMA = (NAMESPACE, "llama-70b")
NEXT_YEAR = "2027-01-01T00:00:00Z"


def fleet() -> Preview:
    """Pools of every sort: with room, without devices, of few seats, without a rate, held."""
    seats = {"image": "vllm:1", "maxSequences": 8}
    pools = (
        pool("large", *B200_THEN_H100, replicas=5),
        pool("bound", accelerator("b200", B200, 8, maxReplicas=1), accelerator("tpu", "v5p")),
        pool("seats", accelerator("h100", H100, 1, rate=60_000), replicas=2, engine=seats),
        pool("unknown", accelerator("h100", H100, 1, rate=None)),
        pool("held", accelerator("h100", H100, 1), policyRef={"name": "gold"}),
    )
    contracts = (
        reservation("acme", "30%", pool="large"),
        reservation("globex", 20_000, pool="large", term={"start": NEXT_YEAR}),
    )
    there = {**nodes(B200, 1), **nodes(H100, 1), **nodes(H100, 1, devices=3, schedulable=False)}
    facts = world(policy(), *pools, *contracts, nodes={**there, **nodes(H100, 2)})
    return preview(written(facts))


def offers(found: Preview) -> Any:
    return {key: offer(found, key) for key in found.plans}


def test_the_table_is_as_committed(capsys: pytest.CaptureFixture[str]) -> None:
    found = fleet()
    outputs.show(offered.table(found, offers(found), ["A note."]))
    assert capsys.readouterr().out == (GOLDEN / "capacity.txt").read_text()


def test_programs_get_the_same_numbers() -> None:
    found = fleet()
    documents = json.loads(json.dumps(offered.document(found, offers(found))))
    by_name = {document["pool"]: document for document in documents}
    assert by_name["held"] == {"namespace": NAMESPACE, "pool": "held", "held": True}
    large = by_name["large"]
    assert large["leftThroughout"] == large["sellable"] - large["promisedMost"]
    assert large["mostPromisedFrom"] == NEXT_YEAR
    assert large["largestServiceTokensPerSecond"] == large["leftThroughout"]
    assert [more["name"] for more in large["accelerators"]] == ["b200", "h100"]


def examples() -> Snapshot:
    """The example's objects, on one node of B200 and three of H100."""
    manifests = [document.raw for document in documents.read([str(ROOT / "examples")], NAMESPACE)]
    return replace(facts.snapshot(manifests, NOW), nodes={**nodes(B200, 1), **nodes(H100, 3)})


def in_docs(command: str) -> str:
    """What docs/kubectl.md says that the command prints."""
    page = (ROOT / "docs" / "kubectl.md").read_text()
    (shown,) = re.findall(rf"\$ kubectl tierfleet {command} .*\n((?:.*\n)*?)```", page)
    return str(shown)


def test_the_tables_in_the_docs_are_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    found = preview(examples())
    outputs.show(offered.table(found, {LLAMA: offer(found, LLAMA)}, []))
    assert capsys.readouterr().out == in_docs("capacity")


def test_the_difference_in_the_docs_is_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    fleet = examples()
    spec = fleet.pools[LLAMA].spec.model_copy(update={"replicas": 7})
    larger = fleet.pools[LLAMA].model_copy(update={"spec": spec})
    before, after = preview(fleet), preview(replace(fleet, pools={**fleet.pools, LLAMA: larger}))
    outputs.show(differences.shown(difference(before, after), before, after, [LLAMA], []))
    assert capsys.readouterr().out == in_docs("plan diff")
