"""What a change would do, as people read it."""

from dataclasses import replace
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
    replica,
    reservation,
    secret,
    world,
    written,
)
from tierfleet.cli import outputs
from tierfleet.cli.differences import shown
from tierfleet.planning.difference import difference
from tierfleet.planning.preview import preview
from tierfleet.planning.snapshot import Snapshot

GOLDEN = Path(__file__).with_name("golden")

TENANTS = tuple(secret(tenant) for tenant in ("acme", "globex", "initech"))
FLEET = {**nodes(B200, 1), **nodes(H100, 2)}
LARGE = pool("large", *B200_THEN_H100, replicas=4)
SMALL = pool("small", accelerator("h100", H100, 4, rate=6000), replicas=2, age=9)
CONTRACTS = (
    reservation("acme", "30%", pool="large"),
    reservation("globex", 8000, pool="large", age=4),
)
PODS = (
    *(replica("large", "b200", "nvidia-b200-0", 2, name=f"large-b200-{i}") for i in range(4)),
    *(replica("small", "h100", f"{H100.lower()}-{i}", 4, name=f"small-h100-{i}") for i in range(2)),
)


def as_it_is(*changed: Any) -> Snapshot:
    """The fleet as it runs and is recorded, with some objects in place of theirs."""
    return fleet(recorded=written(fleet()).recorded, changed=changed)


def fleet(changed: Any = (), **more: Any) -> Snapshot:
    objects = {(type(o), o.key): o for o in (policy(), LARGE, SMALL, *CONTRACTS, *changed)}
    facts = {"tenants": TENANTS, "nodes": FLEET, "pods": PODS}
    return world(*objects.values(), **facts | more)


CHANGES: dict[str, tuple[Any, ...]] = {
    "nothing": (),
    "grows": (pool("large", *B200_THEN_H100, replicas=6),),
    "shrinks": (pool("large", *B200_THEN_H100, replicas=1),),
    "image": (pool("large", *B200_THEN_H100, replicas=4, engine={"image": "vllm:2"}),),
    "policy": (policy({"name": "enterprise", "priority": 1, "minimumPercent": 40}),),
    "contract": (
        reservation("globex", 80_000, pool="large", age=4),
        reservation("initech", "50%", pool="small", age=1),
    ),
    "new": (pool("third", accelerator("h100", H100, 8), replicas=2, age=1),),
    "port": (
        pool("large", *B200_THEN_H100, replicas=4, sidecar={"image": "tierfleet:1", "port": 80}),
    ),
}


def told(before: Snapshot, after: Snapshot, capsys: pytest.CaptureFixture[str]) -> str:
    was, becomes = preview(before), preview(after)
    given = {key for key, own in after.pools.items() if before.pools.get(key) != own}
    outputs.show(shown(difference(was, becomes), was, becomes, given, []))
    return capsys.readouterr().out


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_told_as_committed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(as_it_is(), as_it_is(*CHANGES[name]), capsys)
    assert text == (GOLDEN / f"diff-{name}.txt").read_text()


@pytest.mark.parametrize("name", CHANGES)
def test_the_same_twice_is_no_difference(name: str) -> None:
    there = preview(as_it_is(*CHANGES[name]))
    assert not difference(there, preview(as_it_is(*CHANGES[name])))


def test_what_another_pool_loses_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    before = replace(
        as_it_is(), pods=tuple(pod for pod in PODS if pod.pool == (NAMESPACE, "large"))
    )
    larger = pool("large", *B200_THEN_H100, replicas=8)
    after = replace(before, pools={**before.pools, larger.key: larger})
    assert told(before, after, capsys) == (GOLDEN / "diff-takes.txt").read_text()


def test_every_pod_of_a_new_template_is_named_and_no_other() -> None:
    found = difference(preview(as_it_is()), preview(as_it_is(*CHANGES["image"])))
    ((key, change),) = found.pools.items()
    assert key == (NAMESPACE, "large")
    assert [(pods.accelerator, pods.replaced, pods.pods) for pods in change.pods] == [
        ("b200", True, tuple(f"large-b200-{i}" for i in range(4)))
    ]
