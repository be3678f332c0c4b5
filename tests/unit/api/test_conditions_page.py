"""`docs/conditions.md` knows every condition and reason that there is, and no other.

That a reason stands under its condition, with its status, is looked up for the statuses of small
worlds.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest

from e2e.paths import REPOSITORY
from tests.unit.planning import world as small
from tierfleet.api.capacityreservation import ReservationCondition, ReservationReason
from tierfleet.api.conditions import PENDING, READY, RECONCILING, STALLED, Condition
from tierfleet.api.inferencepool import InferencePool
from tierfleet.api.poolstatus import PoolCondition, PoolReason
from tierfleet.api.tierpolicy import PolicyCondition, PolicyReason
from tierfleet.planning import backing, enforcement
from tierfleet.planning.measured import Measurement, Sight
from tierfleet.planning.published import Report
from tierfleet.planning.snapshot import Snapshot
from tierfleet.planning.status import summarise_policy, summarise_pool, summarise_reservation

PAGE = REPOSITORY / "docs" / "conditions.md"
KINDS: dict[str, tuple[type[StrEnum], type[StrEnum]]] = {
    InferencePool.__name__: (PoolCondition, PoolReason),
    "TierPolicy": (PolicyCondition, PolicyReason),
    "CapacityReservation": (ReservationCondition, ReservationReason),
}


def rows(kind: str) -> list[list[str]]:
    """The cells of the table of a kind."""
    section = PAGE.read_text().split(f"\n## {kind}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_all_conditions_and_reasons_of_the_kind(kind: str) -> None:
    conditions, reasons = KINDS[kind]
    told = rows(kind)
    assert [row[0].strip("`") for row in told if row[0]] == [one.value for one in conditions]
    named = {name for row in told for name in re.findall(r"`(\w+)`", row[2])}
    assert named == {one.value for one in reasons} - {PENDING}
    assert all(row[1] in {"True", "False", "Unknown"} and row[3] for row in told)


PREPAID = {"serviceTokensPerSecond": 1, "serviceTokens": 9, "period": "Day"}
POOL = (small.NAMESPACE, "pool")
POLICY = (small.NAMESPACE, "standard")
ACME = (small.NAMESPACE, "acme")
THREE = small.nodes(small.H100, 3, devices=1)


def worlds() -> Iterator[Snapshot]:
    """Pools and contracts that are well, and that lack something each."""
    acme = small.reservation("acme", 500)
    yield small.world(small.pool(), small.policy(), nodes=THREE)
    yield small.world(small.policy(), acme)
    yield small.world(small.pool(replicas=0), acme, nodes=THREE)
    yield small.world(small.pool(replicas=9), acme, nodes=THREE)
    yield small.world(small.pool(), acme, nodes={})
    yield small.world(small.pool(policyRef={"name": "other"}), acme, nodes=THREE)
    yield small.world(small.pool(partitioning={"mode": "Dedicated"}), acme, nodes=THREE)
    shadow = small.policy(enforcement="Shadow")
    yield small.written(small.world(small.pool(), acme, shadow, nodes=THREE))
    gateway = {"gateway": {"secretRef": {"name": "gateway"}}}
    yield small.world(small.pool(), acme, small.policy(identification=gateway), nodes=THREE)
    scaling = {"mode": "Automatic", "minReplicas": 1, "maxReplicas": 3}
    yield small.world(small.pool(scaling=scaling), acme, nodes=THREE)
    for one in (small.accelerator(rate=None), small.accelerator(maxReplicas=1)):
        yield small.world(small.pool("pool", one, replicas=2), acme, nodes=THREE)
    for sight in Sight:
        seen = {POOL: Measurement(sight)}
        yield small.world(small.pool(scaling=scaling), acme, nodes=THREE, measured=seen)
    for guarantee in (900, 9000, "30%", {"prepaid": PREPAID}):
        contract = small.reservation("acme", guarantee)
        yield small.world(small.pool(replicas=3), small.policy(), contract, nodes=THREE)
    day = {"end": "2026-06-02T12:00:00Z"}
    past = {"end": "2026-05-02T12:00:00Z"}
    for term in (day, past, {"start": day["end"]}, past | {"start": day["end"]}):
        contract = small.reservation("acme", 500, term=term)
        yield small.world(small.pool(replicas=3), contract, nodes=THREE)
    for tier in ("gold", "pro", "enterprise"):
        contract = small.reservation("acme", 500, spillover={"tier": tier})
        retail = (small.secret("acme", "retail"),)
        yield small.world(small.pool(replicas=3), contract, nodes=THREE, tenants=retail)
    yield small.world(small.pool(replicas=3), acme, nodes=THREE, tenants=())
    older = small.reservation("older", 500, tenants=["acme"], age=9)
    yield small.world(small.pool(replicas=3), acme, older, nodes=THREE)
    full = small.world(small.pool(replicas=3), small.reservation("acme", 1500), nodes=THREE)
    yield small.changed(small.written(full), nodes=small.nodes(small.H100, 1, devices=1))
    for people in (
        (small.secret("acme", "gold"),),
        (small.secret("acme", "pro", "k"), small.secret("b", "pro", "k")),
        (small.secret("acme", "pro"), small.secret("acme", "retail", name="again")),
    ):
        yield small.world(small.pool(), acme, small.policy(), nodes=THREE, tenants=people)
    yield from reports(small.world(small.pool(), acme, nodes=THREE))
    yield from reports(small.world(small.pool(replicas=3), acme, nodes=THREE))


def reports(found: Snapshot) -> Iterator[Snapshot]:
    """The world with its replicas, who say nothing, or this and that of their plan."""
    runs = small.bound(found, small.placements(found), spread=True)
    plan = small.plan_of(runs).plan
    assert plan is not None
    yield small.changed(runs, pods=runs.pods[:-1])
    before = plan.model_copy(update={"version": "before", "reservations": ()})
    runs = small.given(runs, before, plan, ago=60)
    for version, more in (
        (plan.version, {}),
        ("before", {}),
        ("before", {"refusal": "It is too new."}),
    ):
        said = {pod.name: Report(1, 0, small.NOW, version, **more) for pod in runs.pods}
        yield small.reported(runs, said)
        late = small.changed(runs, now=small.NOW.replace(hour=20))
        yield small.reported(late, said)


def statuses(kind: str) -> Iterator[Any]:
    """The statuses of the kind in all of these worlds."""
    for found in worlds():
        plan = running = behind = None
        if POOL in found.pools:
            plan, running = small.plan_of(found), enforcement.of(found, POOL)
            behind = backing.of(found, plan)
            if kind == InferencePool.__name__:
                yield summarise_pool(found, plan, running)
                yield summarise_pool(found, plan, running, outdated=1)
                yield summarise_pool(found, plan, running, held={"h100": POOL})
        if kind == "TierPolicy" and POLICY in found.policies:
            yield summarise_policy(found, POLICY)
        if kind == "CapacityReservation" and ACME in found.reservations:
            yield summarise_reservation(found, ACME, plan, running, behind)


def on_the_page(kind: str) -> set[tuple[str, str, str]]:
    """Condition, status and reason of each row, and what `Ready` says for another condition."""
    found, condition = set(), ""
    for first, status, named, _ in rows(kind):
        condition = first.strip("`") or condition
        for reason in re.findall(r"`(\w+)`", named):
            found.add((condition, status, reason))
            if condition in {"Accepted", "Placed"} and status == "False":
                found.add((READY, status, reason))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_reason_stands_under_its_condition_with_its_status(kind: str) -> None:
    given: tuple[Condition, ...] = sum((one.conditions for one in statuses(kind)), ())
    told = {
        (one.type, one.status.value, one.reason)
        for one in given
        if one.type not in {RECONCILING, STALLED} and one.reason != PENDING
    }
    assert told - on_the_page(kind) == set()
    assert len(told) > len(on_the_page(kind)) / 2, "the worlds are of some variety"
