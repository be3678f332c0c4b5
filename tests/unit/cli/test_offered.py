"""What can still be sold, as people read it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.planning.world import (
    B200,
    B200_THEN_H100,
    H100,
    NAMESPACE,
    accelerator,
    nodes,
    policy,
    pool,
    reservation,
    world,
    written,
)
from tierfleet.cli import offered, outputs
from tierfleet.planning.offers import offer
from tierfleet.planning.preview import Preview, preview

GOLDEN = Path(__file__).with_name("golden")
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
