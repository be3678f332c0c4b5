"""What happens when the contracts of a pool do not fit into its plan any more."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.planning.world import (
    H100,
    NOW,
    accelerator,
    changed,
    nodes,
    plan_of,
    policy,
    pool,
    reservation,
    secret,
    world,
    written,
)
from tierfleet.api import CapacityReservation
from tierfleet.plan.parts import INDEX, split
from tierfleet.planning import index
from tierfleet.planning.pool import PoolPlan
from tierfleet.planning.snapshot import Snapshot

SECRET_BYTES = 2**20
"""core/v1 MaxSecretSize."""

ALL_ELSE = 100_000
"""What the index takes without contracts, at most."""

ALL = [f"t{number}" for number in range(8)]


def fleet(*reservations: CapacityReservation, **more: Any) -> Snapshot:
    """A pool that can sell a lot, and tenants who may buy it."""
    facts = {
        "tenants": tuple(secret(tenant) for tenant in ALL),
        "nodes": nodes(H100, 4, devices=8),
    }
    serving = pool("pool", accelerator(rate=1_000_000), replicas=32)
    return world(serving, *reservations, **facts | more)


def contract(name: str, rate: int = 10, tenants: list[str] | None = None) -> CapacityReservation:
    return reservation(name, rate, tenants or [name], age=ord(name[-1]))


def edited(snapshot: Snapshot, *reservations: CapacityReservation) -> Snapshot:
    return changed(
        written(snapshot),
        reservations={**snapshot.reservations, **{r.key: r for r in reservations}},
    )


def without(snapshot: Snapshot, name: str) -> Snapshot:
    left = {key: r for key, r in snapshot.reservations.items() if r.metadata.name != name}
    return changed(written(snapshot), reservations=left)


def reasons(snapshot: Snapshot) -> dict[str, str]:
    found = plan_of(snapshot).reservations
    return {uid[4:]: verdict.accepted.reason for uid, verdict in found.items()}


def message(snapshot: Snapshot, name: str) -> str:
    return plan_of(snapshot).reservations[f"uid-{name}"].accepted.message


def rendered(found: PoolPlan) -> bytes:
    assert found.plan is not None
    return split(found.plan)[INDEX]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans have room for two contracts of one tenant, and for two tenants more."""
    (verdict,) = plan_of(fleet(contract("t0"))).reservations.values()
    assert verdict.contract is not None
    monkeypatch.setattr(index, "CONTRACT_BYTES", 2 * index.size(verdict.contract) + 2 * 10)


@pytest.mark.usefixtures("narrow")
def test_a_contract_that_finds_no_room_in_the_plan_is_refused_and_those_before_it_stand() -> None:
    full = fleet(contract("t0"), contract("t1"), contract("t2"))
    assert reasons(full) == {"t2": "Fits", "t1": "Fits", "t0": "PlanFull"}
    assert message(full, "t0") == (
        "The pool's plan has no room for it: all contracts together may take 1496 bytes, 20 are "
        "left, and with one tenant this one takes 738. Name fewer tenants, delete reservations "
        "that nobody needs, or use another pool."
    )
    assert reasons(without(full, "t1")) == {"t2": "Fits", "t0": "Fits"}


@pytest.mark.usefixtures("narrow")
def test_who_was_accepted_stays_accepted_when_an_older_one_comes() -> None:
    full = edited(fleet(contract("t0"), contract("t1")), contract("t2"))
    assert reasons(full) == {"t0": "Fits", "t1": "Fits", "t2": "PlanFull"}


@pytest.mark.usefixtures("narrow")
def test_a_change_that_finds_no_room_is_refused_and_what_was_agreed_stays_in_force() -> None:
    full = fleet(contract("t0", tenants=ALL[:2]), contract("t4", tenants=ALL[4:5]))
    assert set(reasons(full).values()) == {"Fits"}
    more = edited(full, contract("t4", rate=20, tenants=ALL[4:7]))
    assert reasons(more) == {"t0": "Fits", "t4": "PlanFull"}
    assert "748 are left, and with 3 tenants this one takes 758." in message(more, "t4")
    assert "What was agreed before stays in force: 10/s" in message(more, "t4")
    kept = plan_of(more).reservations["uid-t4"].contract
    assert kept is not None
    assert (kept.tenants, kept.granted) == (("t4",), 10)
    # One more finds room; so does a raise, which takes none.
    assert set(reasons(edited(full, contract("t4", 20, ALL[4:6]))).values()) == {"Fits"}


def test_what_is_on_record_beyond_the_bound_stays_and_changes_within_its_own_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = written(fleet(contract("t0"), contract("t1")))
    monkeypatch.setattr(index, "CONTRACT_BYTES", 0)
    assert reasons(before) == {"t0": "Fits", "t1": "Fits"}
    raised = edited(before, contract("t0", rate=20))
    assert reasons(raised) == {"t0": "Fits", "t1": "Fits"}
    assert reasons(edited(before, contract("t0", tenants=ALL[:1] + ALL[2:3])))["t0"] == "PlanFull"


def test_the_most_contracts_with_the_most_tenants_fit_into_a_secret() -> None:
    """All of it: 240 times 64 tenants took more than there is."""
    tenants = [f"{number:063}" for number in range(240 * 64)]
    longest = {"start": NOW, "end": NOW + timedelta(days=365)}
    snapshot = world(
        pool("pool", accelerator(rate=1_000_000), replicas=32),
        *(
            reservation(f"r{number:0248}", 1000, tenants[64 * number : 64 * (number + 1)])
            if number % 2
            else reservation(f"r{number}", 1000, tenants[64 * number :][:64], term=longest)
            for number in range(240)
        ),
        nodes=nodes(H100, 4, devices=8),
    )
    found = plan_of(snapshot)
    accepted = [v for v in found.reservations.values() if v.contract is not None]
    refused = {v.accepted.reason for v in found.reservations.values() if v.contract is None}
    assert refused == {"PlanFull"}
    assert len(accepted) > 150
    assert 800_000 < len(rendered(found)) < SECRET_BYTES - ALL_ELSE


def test_all_else_in_the_index_is_as_large_as_the_crds_let_it_be() -> None:
    """Names of models in letters that take twelve bytes in JSON."""
    tiers = [
        {
            "name": f"{number:063}",
            "priority": number - 1_000_000,
            "weight": 9_999,
            "limits": {"requestsPerMinute": 10**6, "tokensPerMinute": 10**12},
            "objectives": {"queueP99Milliseconds": 3_600_000},
            "queue": {"maxRequests": 10**6, "maxWaitMilliseconds": 3_600_000},
            "preemption": "BeforeFirstByte",
        }
        for number in range(16)
    ]
    names = tuple(chr(0x1F600 + number) * 253 for number in range(17))
    largest = pool(
        "p" * 40,
        *(accelerator(f"a{n:014}", f"product-{n}", rate=10**9) for n in range(8)),
        model={"name": names[0], "source": "/m", "aliases": names[1:]},
    )
    found = plan_of(world(largest, policy(*tiers)), "p" * 40)
    assert ALL_ELSE / 2 < len(rendered(found)) < ALL_ELSE
