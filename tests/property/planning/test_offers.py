"""What is offered is accepted, and no more than that would be."""

from dataclasses import replace

from hypothesis import event, given

from tests.property.planning.worlds import POOLS, SECRETS, markets
from tests.unit.planning.world import NAMESPACE, reservation, secret, written
from tierfleet.api.conditions import Status
from tierfleet.planning.offers import offer
from tierfleet.planning.preview import preview
from tierfleet.planning.snapshot import Snapshot

KEY = (NAMESPACE, POOLS[0])
BUYER = secret("newcomer")


def accepted(snapshot: Snapshot, guarantee: int | str) -> bool:
    """Whether a contract of the youngest tenant is, in a pool that has the others on record."""
    wanted = reservation("zz", guarantee, ["newcomer"], age=0, pool=POOLS[0])
    asked = replace(snapshot, reservations={**snapshot.reservations, wanted.key: wanted})
    verdict = preview(asked).plans[KEY].reservations[wanted.metadata.uid]
    return verdict.accepted.status is Status.TRUE


@given(markets())
def test_the_largest_contracts_that_are_offered_are_accepted_and_larger_ones_are_not(
    market: Snapshot,
) -> None:
    snapshot = written(replace(market, tenants=(*SECRETS, BUYER)))
    found = offer(preview(snapshot), KEY)
    assert found is not None
    percent, rate = found.percent.value, found.rate.value
    assert not percent or accepted(snapshot, f"{percent}%")
    assert percent == 100 or not accepted(snapshot, f"{percent + 1}%")
    assert not rate or accepted(snapshot, rate)
    assert not accepted(snapshot, rate + 1)
    assert rate <= found.left_throughout <= found.left_now
    event("something is left" if rate else "nothing is left")


@given(markets())
def test_what_one_replica_more_adds_is_what_can_be_sold_once_it_is_there(market: Snapshot) -> None:
    snapshot = written(market)
    found = offer(preview(snapshot), KEY)
    assert found is not None
    pool = snapshot.pools[KEY]
    spec = pool.spec.model_copy(update={"replicas": pool.spec.replicas + 1})
    larger = pool.model_copy(update={"spec": spec})
    asked = preview(replace(snapshot, pools={**snapshot.pools, KEY: larger})).plans[KEY]
    grown = [more for more in found.more if more.accelerator == more.first]
    assert len(grown) == (asked.placement.total > found.plan.placement.total)
    for more in grown:
        gain = asked.capacity.sellable - found.plan.capacity.sellable
        assert more.adds == gain
        assert more.shortfall is None
        assert not more.full
