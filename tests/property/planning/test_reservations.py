"""Contracts: what must hold whatever was agreed and whatever was lost."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.planning.worlds import POOLS, contracts, markets, policies
from tests.unit.planning.world import NOW, plans, written
from tierfleet import plan
from tierfleet.admission.supported import unsupported
from tierfleet.planning import promises
from tierfleet.planning.pool import PoolPlan
from tierfleet.planning.reservations import Verdict
from tierfleet.planning.snapshot import Snapshot

BY_ITSELF = ("lose nodes", "time passes", "more contracts", "another policy")


def agreed(found: PoolPlan) -> list[plan.Reservation]:
    return [v.contract for v in found.reservations.values() if v.contract is not None]


def instants(found: PoolPlan, now: datetime) -> list[datetime]:
    edges = [e for c in agreed(found) for e in (c.term.start, c.term.end) if e is not None]
    return [now, *(edge for edge in edges if edge >= now)]


def history(data: st.DataObject, snapshot: Snapshot, *, edits: bool = True) -> Snapshot:
    """A world in which some things happened after the first plans were written."""
    changes = (*BY_ITSELF, "edits") if edits else BY_ITSELF
    for change in data.draw(st.lists(st.sampled_from(changes), max_size=3)):
        snapshot = written(snapshot)
        if change == "lose nodes":
            snapshot = without_nodes(data, snapshot)
        elif change == "time passes":
            snapshot = replace(snapshot, now=snapshot.now + timedelta(days=2))
        elif change == "another policy":
            other = data.draw(policies())
            snapshot = replace(snapshot, policies={other.key: other})
        else:
            numbers = range(10, 13) if change == "more contracts" else range(3)
            added = [data.draw(contracts(number, POOLS[0])) for number in numbers]
            snapshot = replace(
                snapshot, reservations={**snapshot.reservations, **{r.key: r for r in added}}
            )
    return snapshot


@given(markets(), st.data())
def test_whatever_happens_promises_can_be_kept(snapshot: Snapshot, data: st.DataObject) -> None:
    for found in plans(history(data, snapshot)).values():
        if found.plan is not None:
            check_at_most_what_is_owed(found)
            for instant in instants(found, snapshot.now):
                held = [c for c in agreed(found) if c.term.holds_at(instant)]
                check_at_most_what_can_be_sold(held, found)
                check_one_contract_per_tenant(held)


def check_at_most_what_can_be_sold(held: list[plan.Reservation], found: PoolPlan) -> None:
    """Bound: sellable, which survives the loss of the spare replicas, less the floors."""
    left = max(0, found.capacity.sellable - found.floors)
    assert sum(contract.granted for contract in held) <= left


def check_one_contract_per_tenant(held: list[plan.Reservation]) -> None:
    tenants = [tenant for contract in held for tenant in contract.tenants]
    assert len(tenants) == len(set(tenants))


def check_at_most_what_is_owed(found: PoolPlan) -> None:
    for verdict in found.reservations.values():
        if verdict.contract is not None:
            amount = promises.amount(verdict.contract.declared, found.capacity.total)
            assert verdict.contract.granted <= amount == verdict.owed


@given(markets(), st.data())
def test_no_contract_and_no_policy_makes_a_plan_that_a_sidecar_would_refuse(
    snapshot: Snapshot, data: st.DataObject
) -> None:
    for found in plans(history(data, snapshot)).values():
        assert found.plan is not None
        assert unsupported(found.plan) == ()
        assert plan.join(plan.split(found.plan)) == found.plan


@given(markets(), st.data())
def test_plans_settle_on_what_they_have_written(snapshot: Snapshot, data: st.DataObject) -> None:
    """Bound: a plan for each contract. One that is edited may wait for what another gives up."""
    after = history(data, snapshot)
    for _ in after.reservations:
        after = written(after)
    settled = {key: found.plan for key, found in plans(after).items()}
    assert {key: found.plan for key, found in plans(written(after)).items()} == settled


@given(markets())
def test_what_is_accepted_for_the_first_time_is_granted_in_full(snapshot: Snapshot) -> None:
    for found in plans(snapshot).values():
        for verdict in found.reservations.values():
            if verdict.contract is not None:
                assert verdict.contract.granted == verdict.owed > 0


@given(markets(), st.data())
def test_what_was_accepted_stays_accepted_until_its_term_is_over(
    snapshot: Snapshot, data: st.DataObject
) -> None:
    before = written(snapshot)
    after = plans(history(data, before, edits=False))
    for key, recorded in before.recorded.items():
        kept = {c.uid: c for c in agreed(after[key])}
        for contract in recorded.reservations:
            ended = contract.term.end is not None and contract.term.end <= NOW + timedelta(days=6)
            if not ended:
                assert contract.uid in kept
                assert kept[contract.uid].rank == contract.rank
                assert kept[contract.uid].accepted_at == contract.accepted_at


@given(markets(), st.data())
def test_losing_nodes_raises_no_grant_that_was_kept_in_full(
    snapshot: Snapshot, data: st.DataObject
) -> None:
    """Of a pool with one accelerator: what moves to a faster one may be worth more.

    One that was refused may fit then: the last replica is never set aside as a spare, so of two
    replicas as much can be sold as of one, while percents take half as much of one.
    """
    full = on_one_accelerator(snapshot)
    assume(all(v.contract.granted == v.owed for v in promised(full).values() if v.contract))
    lost = without_nodes(data, full)
    before, after = promised(full), promised(lost)
    for uid, verdict in before.items():
        assert granted(after[uid]) <= granted(verdict)


def on_one_accelerator(snapshot: Snapshot) -> Snapshot:
    ((key, pool),) = snapshot.pools.items()
    spec = pool.spec.model_copy(update={"accelerators": pool.spec.accelerators[-1:]})
    return written(replace(snapshot, pools={key: pool.model_copy(update={"spec": spec})}))


def without_nodes(data: st.DataObject, snapshot: Snapshot) -> Snapshot:
    kept = data.draw(st.sets(st.sampled_from(sorted(snapshot.nodes) or ["none"])))
    return replace(
        snapshot,
        nodes={name: node for name, node in snapshot.nodes.items() if name in kept},
        pods=tuple(pod for pod in snapshot.pods if pod.node in kept),
    )


def promised(snapshot: Snapshot) -> dict[str, Verdict]:
    (found,) = plans(snapshot).values()
    return {uid: v for uid, v in found.reservations.items() if v.contract is not None}


def granted(verdict: Verdict) -> int:
    assert verdict.contract is not None
    return verdict.contract.granted
